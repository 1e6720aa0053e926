"""What is left of an error nobody expected."""

from pathlib import Path

from swarmtui.crash import last_words, write_crash
from tests.unit.swarmtui.conftest import NOW

FAILURE = ValueError("never meant to happen")


def test_the_traceback_goes_into_a_file(tmp_path: Path) -> None:
    path = write_crash(FAILURE, tmp_path / "logs", NOW)

    assert path is not None
    assert "never meant to happen" in path.read_text()
    assert last_words(FAILURE, path).endswith(f"please report {path}.")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file in the way")

    path = write_crash(FAILURE, tmp_path / "logs", NOW)

    assert path is None
    assert "cannot be written" in last_words(FAILURE, path)
