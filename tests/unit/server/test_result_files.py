"""Large results in files: whole or not at all, sealed or plain, and checked."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agentkit.sealing import OVERHEAD, Sealer
from server.store import result_files
from server.store.result_files import PIECE, LostFile, ResultFiles, names, where

KEY = "one that is long enough for everybody"
PLAIN = Sealer("", None, {})
SIZES = (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7)


def sealing(connection: sqlite3.Connection, key: str = KEY) -> Sealer:
    return Sealer.of(connection, key, where="the store")


@pytest.fixture(params=["plain", "sealed"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> ResultFiles:
    with closing(sqlite3.connect(":memory:")) as connection:
        sealer = sealing(connection) if request.param == "sealed" else PLAIN
    return ResultFiles(tmp_path / "results", sealer)


@pytest.fixture
def sealed(tmp_path: Path) -> ResultFiles:
    with closing(sqlite3.connect(":memory:")) as connection:
        return ResultFiles(tmp_path / "results", sealing(connection))


def kept(files: ResultFiles, data: bytes, step: int = 100_000) -> str:
    draft = files.draft()
    for start in range(0, len(data), step):
        draft.write(data[start : start + step])
    draft.finish()
    draft.keep()
    draft.discard()
    return draft.digest


def read(files: ResultFiles, digest: str) -> bytes:
    with closing(files.open(digest)) as content:
        return b"".join(iter(content.read, b""))


def path_of(files: ResultFiles, digest: str) -> Path:
    (name,) = result_files.versions(files.folder, digest)
    return where(files.folder, name)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_read(files: ResultFiles, size: int) -> None:
    data = os.urandom(size)

    digest = kept(files, data)

    assert read(files, digest) == data
    assert files.examine(digest) == ""
    assert [result_files.digest_of(name) for name in names(files.folder)] == [digest]


def test_files_and_folders_are_private(files: ResultFiles) -> None:
    path = path_of(files, kept(files, b"secret"))

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert files.folder.stat().st_mode & 0o777 == 0o700


def test_what_is_not_kept_leaves_nothing(files: ResultFiles) -> None:
    draft = files.draft()
    draft.write(b"x" * 2 * PIECE)
    assert list(files.folder.iterdir()) != []

    draft.discard()

    assert list(files.folder.iterdir()) == []


def test_what_a_killed_hub_began_is_swept_and_what_it_kept_stays(
    files: ResultFiles,
) -> None:
    digest = kept(files, b"whole")
    half = files.draft()
    half.write(b"x" * 2 * PIECE)

    result_files.sweep_drafts(files.folder)

    assert [path.name for path in files.folder.iterdir()] == [digest[:2]]
    half.discard()


def test_the_same_again_is_one_file(files: ResultFiles) -> None:
    assert kept(files, b"same") == kept(files, b"same")

    assert result_files.load(files.folder).files == 1


def test_a_plain_file_is_exactly_what_was_written(tmp_path: Path) -> None:
    files = ResultFiles(tmp_path, PLAIN)

    assert path_of(files, kept(files, b"abc")).read_bytes() == b"abc"


def test_a_sealed_file_shows_nothing_of_what_was_written(sealed: ResultFiles) -> None:
    digest = kept(sealed, b"a word that nobody else says" * 20_000)

    assert b"nobody" not in path_of(sealed, digest).read_bytes()


def damage(path: Path) -> None:
    """Change the last byte of a file."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("size", [5, PIECE, 2 * PIECE + 5])
def test_a_changed_file_is_never_given_as_a_whole(
    files: ResultFiles, size: int
) -> None:
    digest = kept(files, b"x" * size)
    path = path_of(files, digest)
    damage(path)

    with pytest.raises(LostFile, match="is damaged"):
        read(files, digest)
    assert "is damaged" in files.examine(digest)


@pytest.mark.parametrize("rest", [0, 1, PIECE, PIECE + OVERHEAD])
def test_a_shortened_file_is_never_given_as_a_whole(
    files: ResultFiles, rest: int
) -> None:
    digest = kept(files, b"x" * 3 * PIECE)
    os.truncate(path_of(files, digest), rest)

    with pytest.raises(LostFile, match="is damaged"):
        read(files, digest)


def test_of_a_damaged_file_the_last_piece_is_held_back(files: ResultFiles) -> None:
    digest = kept(files, b"x" * 3 * PIECE)
    path = path_of(files, digest)
    damage(path)
    given: list[bytes] = []

    with closing(files.open(digest)) as content, pytest.raises(LostFile):
        given.extend(iter(content.read, b""))

    assert 1 <= len(given) <= 2


def test_sealed_pieces_cannot_be_left_out_or_exchanged(sealed: ResultFiles) -> None:
    digest = kept(sealed, os.urandom(3 * PIECE))
    path = path_of(sealed, digest)
    data, piece = path.read_bytes(), PIECE + OVERHEAD
    head = len(data) - 3 * piece
    first, second = (data[head + n * piece : head + (n + 1) * piece] for n in (0, 1))

    for forged in (
        data[:head] + second + first + data[head + 2 * piece :],
        data[:head] + data[head + piece :],
        data[: head + 2 * piece],
    ):
        path.write_bytes(forged)
        with pytest.raises(LostFile, match="is damaged"):
            read(sealed, digest)


def test_a_sealed_file_cannot_take_the_name_of_another(sealed: ResultFiles) -> None:
    one, other = kept(sealed, b"one"), kept(sealed, b"other")
    path_of(sealed, one).replace(path_of(sealed, other))

    with pytest.raises(LostFile, match="is damaged"):
        read(sealed, other)


def test_a_file_that_is_gone_is_missed(files: ResultFiles) -> None:
    digest = kept(files, b"x")
    path_of(files, digest).unlink()

    with pytest.raises(LostFile, match="is missing"):
        files.open(digest)
    assert "is missing" in files.examine(digest)


def test_a_file_from_before_there_was_a_key_is_read_and_sealed_anew(
    tmp_path: Path,
) -> None:
    plain = ResultFiles(tmp_path, PLAIN)
    digest = kept(plain, b"x" * 2 * PIECE)
    with closing(sqlite3.connect(":memory:")) as connection:
        sealer = sealing(connection)
    files = ResultFiles(tmp_path, sealer)

    before = read(files, digest)
    changed = [files.sealed_anew(digest, sealer) for _ in range(2)]
    result_files.remove(tmp_path, digest)

    assert changed == [True, False]
    assert read(files, digest) == before
    assert b"xxxx" not in path_of(files, digest).read_bytes()
    assert files.sealed_anew(digest, sealer.plain())
    assert read(plain, digest) == before


def test_results_leave_room_on_the_disk_to_the_store(
    files: ResultFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_files, "RESERVE", 1 << 62)
    draft = files.draft()

    with pytest.raises(OSError, match="No space left"):
        draft.write(b"x" * 2 * PIECE)
    draft.discard()

    assert list(files.folder.iterdir()) == []
