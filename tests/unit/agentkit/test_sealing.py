"""Sealed text: read by its key at its place, and by nothing else anywhere else."""

import sqlite3
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import Invalid
from agentkit.sealing import Forged, Sealer, WrongKey, check_keys, master_key

OLD = "the old key, long enough"
NEW = "the new key, long enough"


@pytest.fixture
def file() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def sealer(file: sqlite3.Connection, master: str = OLD, previous: str = "") -> Sealer:
    return Sealer.of(file, master, previous, where="box.db")


def names(file: sqlite3.Connection) -> int:
    (count,) = file.execute("SELECT count(*) FROM keys").fetchone()
    return int(count)


# --- Texts ----------------------------------------------------------------------------


@given(text=st.text(st.characters()), place=st.text(st.characters()))
def test_what_is_sealed_comes_back(text: str, place: str) -> None:
    file = sqlite3.connect(":memory:", isolation_level=None)
    seals = sealer(file)

    sealed = seals.seal(text, place)

    assert sealed.startswith(seals.mark)
    assert len(seals.mark) == 6
    assert seals.unseal(sealed, place) == text
    file.close()


def test_nothing_of_the_text_is_in_what_is_sealed(file: sqlite3.Connection) -> None:
    sealed = sealer(file).seal("marker" * 50, "tasks:T1")

    assert b"marker" not in b64decode(sealed[1:])
    assert "marker" not in sealed


def test_the_same_text_is_sealed_differently_each_time(
    file: sqlite3.Connection,
) -> None:
    seals = sealer(file)

    assert seals.seal("{}", "tasks:T1") != seals.seal("{}", "tasks:T1")


def test_without_a_key_text_stays_as_it_is(file: sqlite3.Connection) -> None:
    seals = sealer(file, "")

    assert seals.seal("{}", "tasks:T1") == "{}"
    assert seals.unseal("{}", "tasks:T1") == "{}"
    assert seals.mark == ""
    assert names(file) == 0


def test_text_from_before_there_was_a_key_can_be_read(file: sqlite3.Connection) -> None:
    assert sealer(file).unseal('{"task": "T1"}', "tasks:T1") == '{"task": "T1"}'


def test_sealed_text_cannot_stand_elsewhere(file: sqlite3.Connection) -> None:
    seals = sealer(file)
    sealed = seals.seal("{}", "tasks:T1")

    with pytest.raises(Forged, match=r"^box\.db is damaged at 'tasks:T2'"):
        seals.unseal(sealed, "tasks:T2")


def test_any_changed_byte_is_noticed(file: sqlite3.Connection) -> None:
    seals = sealer(file)
    raw = b64decode(seals.seal("{}", "tasks:T1")[1:])

    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(Forged):
            seals.unseal("#" + b64encode(changed).decode(), "tasks:T1")


@pytest.mark.parametrize("text", ["#", "#?", "#AAAA", "#" + "A" * 64])
def test_what_only_looks_sealed_is_refused(file: sqlite3.Connection, text: str) -> None:
    with pytest.raises(Forged, match="put a copy from your backups"):
        sealer(file).unseal(text, "tasks:T1")


def test_threads_share_a_sealer(file: sqlite3.Connection) -> None:
    seals = sealer(file)

    def there_and_back(number: int) -> str:
        place = f"tasks:{number}"
        return seals.unseal(seals.seal(place * 100, place), place)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(there_and_back, range(4000)))

    assert found == [f"tasks:{number}" * 100 for number in range(4000)]


# --- Files and their keys -------------------------------------------------------------


def test_a_file_remembers_its_key(file: sqlite3.Connection) -> None:
    sealed = sealer(file).seal("{}", "tasks:T1")

    assert sealer(file).unseal(sealed, "tasks:T1") == "{}"
    assert names(file) == 1


def test_two_files_have_different_keys_of_one_master_key(
    file: sqlite3.Connection,
) -> None:
    other = sqlite3.connect(":memory:", isolation_level=None)
    sealed = sealer(file).seal("{}", "tasks:T1")

    with pytest.raises(Forged):
        sealer(other).unseal(sealed, "tasks:T1")
    other.close()


def test_a_wrong_key_is_refused_and_leaves_no_trace(file: sqlite3.Connection) -> None:
    sealer(file, OLD)

    with pytest.raises(WrongKey, match=r"^the key does not fit box\.db,"):
        sealer(file, NEW)
    with pytest.raises(WrongKey, match=r"^the key does not fit box\.db,"):
        sealer(file, NEW, "a third key, also long")

    assert names(file) == 1


def test_a_sealed_file_is_not_opened_without_a_key(file: sqlite3.Connection) -> None:
    sealer(file)

    with pytest.raises(WrongKey, match=r"^box\.db is sealed and there is no key: set"):
        sealer(file, "")


def test_a_new_key_seals_while_the_old_one_still_reads(
    file: sqlite3.Connection,
) -> None:
    old = sealer(file, OLD).seal("{}", "tasks:T1")

    both = sealer(file, NEW, OLD)
    new = both.seal("[]", "tasks:T2")

    assert not old.startswith(both.mark)
    assert new.startswith(both.mark)
    assert both.unseal(old, "tasks:T1") == "{}"
    assert sealer(file, NEW, OLD).unseal(new, "tasks:T2") == "[]"


def test_the_old_key_is_needed_until_it_is_forgotten(file: sqlite3.Connection) -> None:
    old = sealer(file, OLD).seal("{}", "tasks:T1")
    both = sealer(file, NEW, OLD)
    with pytest.raises(WrongKey, match="set storage_master_key_previous"):
        sealer(file, NEW)

    both.forget(file)

    with pytest.raises(Forged):
        sealer(file, NEW).unseal(old, "tasks:T1")
    with pytest.raises(WrongKey):
        sealer(file, OLD)


def test_a_file_that_forgets_all_keys_needs_none(file: sqlite3.Connection) -> None:
    seals = sealer(file)
    sealed = seals.seal("{}", "tasks:T1")

    plain = seals.plain()
    plain.forget(file)

    assert plain.unseal(sealed, "tasks:T1") == "{}"
    assert plain.seal("{}", "tasks:T1") == "{}"
    assert sealer(file, "").mark == ""


def test_a_key_is_learnt_in_the_transaction_of_whoever_opens(
    file: sqlite3.Connection,
) -> None:
    sealer(file, "")
    file.execute("BEGIN")
    sealer(file)
    file.execute("ROLLBACK")

    assert names(file) == 0


# --- The master key -------------------------------------------------------------------


@pytest.mark.parametrize("key", ["0123456789abcdef" * 4, "a few words, long enough"])
def test_any_long_text_is_a_master_key(tmp_path: Path, key: str) -> None:
    file = tmp_path / "key"
    file.write_text(f"{key}\n")

    assert master_key(f" {key} ") == key
    assert master_key("", file) == key
    assert master_key("") == ""


def test_a_short_key_is_refused_and_not_shown() -> None:
    with pytest.raises(Invalid, match=r"has 7 characters.*openssl rand") as refused:
        master_key("hunter2")

    assert "hunter2" not in str(refused.value)


def test_a_key_file_that_gives_no_key_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff" * 32)

    for file, why in ((empty, "is empty"), (binary, "not text"), (tmp_path, "cannot")):
        with pytest.raises(Invalid, match=why):
            master_key("", file)


WITHOUT = """
import sqlite3, sys
sys.modules["cryptography"] = None
from agentkit.sealing import Sealer, WrongKey
file = sqlite3.connect(":memory:")
assert Sealer.of(file, where="box.db").seal("{}", "x") == "{}"
try:
    Sealer.of(file, "a key that is long enough", where="box.db")
except WrongKey as error:
    print(error)
"""


def test_without_cryptography_a_key_is_refused_with_the_remedy() -> None:
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True
    )

    assert "install swarmtui[encryption]" in said.stdout


def test_cryptography_is_not_imported_before_there_is_a_key() -> None:
    code = (
        "import sqlite3, sys; from agentkit.sealing import Sealer; "
        "Sealer.of(sqlite3.connect(':memory:'), where='x'); "
        "sys.exit(any('cryptography' in name for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- Whether a key fits ---------------------------------------------------------------


def test_keys_are_checked_on_a_file_that_can_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        sealer(file, OLD)
    before = path.read_bytes()

    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
        check_keys(file, OLD, where="box.db")
        check_keys(file, NEW, OLD, where="box.db")
        for master in (NEW, ""):
            with pytest.raises(WrongKey, match="set storage_master_key"):
                check_keys(file, master, where="box.db")

    assert path.read_bytes() == before


@pytest.mark.parametrize("master", ["", OLD])
def test_any_key_fits_what_is_not_sealed(file: sqlite3.Connection, master: str) -> None:
    check_keys(file, master, where="box.db")

    assert not file.execute("SELECT * FROM sqlite_master").fetchall()
