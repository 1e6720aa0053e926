"""Reports on disk: whole, in order, private, and each once."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agentkit.spool import Letter, Lock, Locked, Spool

OLD = Lock("the old key, long enough")
NEW = Lock("the new key, long enough")
BOTH = Lock(NEW.key, previous=OLD.key)


def letter(task: str) -> Letter:
    return Letter("a1", f"key-{task}", {"report": "busy", "task": task})


def tasks(spool: Spool) -> list[str]:
    found = (spool.read(name) for name in spool.names())
    return [waiting.body["task"] for waiting in found if waiting is not None]


def test_an_empty_spool_needs_no_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "absent")

    assert len(spool) == 0
    assert spool.names() == []


def test_reports_wait_in_order_until_they_are_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "reports")
    for task in "abc":
        spool.put(letter(task))
    first = spool.read(spool.names()[0])

    assert first is not None
    assert (first.agent, first.key, first.body["task"]) == ("a1", "key-a", "a")
    assert tasks(spool) == ["a", "b", "c"]
    spool.drop(first)
    spool.drop(first)
    assert tasks(spool) == ["b", "c"]


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "reports")
    before = os.umask(0)
    try:
        spool.put(letter("a"))
    finally:
        os.umask(before)

    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    (file,) = spool.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_report_that_was_not_finished_does_not_count(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (tmp_path / ".00000000000000000001-k.json").write_text('{"agent":')

    assert len(spool) == 0


@pytest.mark.parametrize("text", ['{"agent":', "[]", "{}", "#", "#AAAA#AAAA"])
def test_a_broken_report_is_set_aside_and_stops_nobody(
    tmp_path: Path, text: str
) -> None:
    spool = Spool(tmp_path, NEW)
    (tmp_path / "00000000000000000001-k.json").write_text(text)
    spool.put(letter("a"))

    assert tasks(spool) == ["a"]
    assert len(spool) == 1
    assert (tmp_path / ".broken-00000000000000000001-k.json").exists()


# --- Sealed --------------------------------------------------------------------------


def test_what_is_sealed_is_read_with_the_key_and_seen_by_nobody(tmp_path: Path) -> None:
    stored = Spool(tmp_path, NEW).put(letter("marker"))

    text = (tmp_path / stored.file).read_text()
    assert text.startswith("#")
    assert not any(word in text for word in ("marker", "a1", "busy"))
    assert Spool(tmp_path, NEW).read(stored.file) == stored


def test_the_key_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{NEW.key}\n")
    Spool(tmp_path / "reports", Lock(file=tmp_path / "key")).put(letter("a"))

    assert tasks(Spool(tmp_path / "reports", NEW)) == ["a"]


def test_reports_from_before_there_was_a_key_are_read(tmp_path: Path) -> None:
    Spool(tmp_path).put(letter("a"))
    Spool(tmp_path, NEW).put(letter("b"))

    assert tasks(Spool(tmp_path, NEW)) == ["a", "b"]


def test_what_the_previous_key_sealed_is_read_beside_the_new(tmp_path: Path) -> None:
    Spool(tmp_path, OLD).put(letter("a"))
    Spool(tmp_path, BOTH).put(letter("b"))

    assert tasks(Spool(tmp_path, BOTH)) == ["a", "b"]


@pytest.mark.parametrize(
    ("lock", "sentence"),
    [
        (None, "is sealed and there is no key: set storage_master_key, or storage_"),
        (NEW, "is sealed with another key: set storage_master_key, or storage_master_"),
        (Lock("short"), "has 5 characters, which is fewer than 16: make one with"),
        (Lock(file=Path("absent")), "in absent cannot be read"),
    ],
)
def test_without_the_right_key_a_report_stays_where_it_is(
    tmp_path: Path, lock: Lock | None, sentence: str
) -> None:
    stored = Spool(tmp_path, OLD).put(letter("a"))
    before = (tmp_path / stored.file).read_bytes()

    with pytest.raises(Locked, match=sentence):
        Spool(tmp_path, lock).read(stored.file)
    assert [path.name for path in tmp_path.iterdir()] == [stored.file]
    assert (tmp_path / stored.file).read_bytes() == before
    assert tasks(Spool(tmp_path, OLD)) == ["a"]


def test_a_sealed_report_cannot_stand_in_for_another(tmp_path: Path) -> None:
    spool = Spool(tmp_path, NEW)
    one, other = spool.put(letter("a")), spool.put(letter("b"))
    (tmp_path / one.file).replace(tmp_path / other.file)

    assert tasks(spool) == []
    assert (tmp_path / f".broken-{other.file}").exists()


def test_a_sealed_report_cannot_be_turned_to_another_hub(tmp_path: Path) -> None:
    one, other = Spool(tmp_path / "one", NEW), Spool(tmp_path / "other", NEW)
    stored = one.put(letter("a"))
    other.folder.mkdir()
    (one.folder / stored.file).rename(other.folder / stored.file)

    assert other.read(stored.file) is None
    assert (other.folder / f".broken-{stored.file}").exists()


def test_with_a_key_that_cannot_be_used_nothing_is_stored(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "reports", Lock("short"))

    with pytest.raises(Locked, match="a report cannot wait on disk, for the storage_"):
        spool.put(letter("a"))
    assert list(tmp_path.iterdir()) == []


def python(code: str, folder: Path) -> str:
    """Run code that has a spool, with a key that it may use or not."""
    begin = f"""
import sys
from pathlib import Path
from agentkit.spool import Letter, Lock, Locked, Spool
spool = Spool(Path(sys.argv[1]), Lock({NEW.key!r}))
letter = Letter("a1", "k", {{}})
"""
    done = subprocess.run(
        [sys.executable, "-c", begin + code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_what_seals_is_not_imported_before_there_is_something_sealed(
    tmp_path: Path,
) -> None:
    Spool(tmp_path).put(letter("a"))

    said = python(
        "assert spool.read(spool.names()[0])\n"
        "heavy = {'cryptography', 'sqlite3', 'agentkit.sealing'}\n"
        "print(heavy & set(sys.modules))\n"
        "spool.put(letter)\n"
        "print(heavy - set(sys.modules))",
        tmp_path,
    )
    assert said == "set()\nset()\n"


def test_without_the_package_that_seals_the_remedy_is_told(tmp_path: Path) -> None:
    Spool(tmp_path, NEW).put(letter("a"))

    said = python(
        "sys.modules['cryptography'] = None\n"
        "name = spool.names()[0]\n"
        "for wish in (lambda: spool.read(name), lambda: spool.put(letter)):\n"
        "    try: wish()\n"
        "    except Locked as error: print(error)",
        tmp_path,
    )
    assert said.count("install swarmtui[encryption], or leave the key out\n") == 2
    assert tasks(Spool(tmp_path, NEW)) == ["a"]
