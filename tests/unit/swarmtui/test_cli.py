"""The command: words, exit codes, and what is not imported to say them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from agentkit import __version__
from agentkit.errors import Conflict, NotFound
from swarmtui import cli

HEAVY = ("textual", "rich", "httpx", "websockets", "pydantic", "server", "asyncio")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    return tmp_path


def imported_by(*args: str) -> set[str]:
    """Return the heavy packages that a command line imports."""
    code = (
        "import sys; from swarmtui.cli import run; run(sys.argv[1:]); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stderr.splitlines()[-1].replace("'", '"')))


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["-h"]])
def test_version_and_help_import_nothing_heavy(args: list[str]) -> None:
    assert imported_by(*args) == set()


def test_version_is_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"swarmtui {__version__}\n"


def test_help_names_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["--help"])

    said = capsys.readouterr().out
    assert [word for word in cli.WORDS if f"  {word} " not in said] == []


@pytest.mark.parametrize("word", cli.WORDS)
def test_every_word_has_a_command_and_its_help_begins_with_the_summary(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([word, "--help"]) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert cli.WORDS[word].summary in said
    assert "\\b" not in said  # a mark for click, not for people


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["agnts"], "there is no command 'agnts': did you mean 'agents'?"),
        (["xyzzy"], "there is no command 'xyzzy' (see swarmtui --help)"),
        (["--colour"], "no such option"),
        (["paths", "--jsn"], "no such option"),
        (["assign", "a1"], "say AGENT and TASK, or TASK and --where FILTER"),
        (["assign", "--where", "x", "a1", "T1"], "with --where say only the TASK"),
        (["events", "--after", "-1"], "-1 is not in the range"),
        (["demo", "--agents", "1"], "1 is not in the range"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(
    args: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(args) == 2

    words = capsys.readouterr()
    assert words.out == ""
    assert said in words.err
    assert words.err.startswith("swarmtui: ")
    assert len(words.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (NotFound("there is no a1"), 3, "swarmtui: there is no a1\n"),
        (Conflict("a1 is busy"), 5, "swarmtui: a1 is busy\n"),
        (click.Abort(), 130, ""),
        (KeyboardInterrupt(), 130, ""),
        (ValueError("x"), 1, "swarmtui: ValueError: x; this is a defect"),
    ],
)
def test_every_error_is_a_sentence_and_an_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.explain(error) == code
    assert capsys.readouterr().err.startswith(said)


def test_a_defect_shows_its_traceback_to_whoever_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SWARMTUI_DEBUG", "1")

    with pytest.raises(ValueError, match="x"):
        cli.explain(ValueError("x"))


def test_paths_are_under_the_chosen_home(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["paths", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)["paths"]
    assert {Path(row["path"]).is_relative_to(home) for row in told} == {True}


def test_sources_tell_what_set_a_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_PORT", "9000")

    cli.run(["paths", "--sources", "--json"])

    rows = json.loads(capsys.readouterr().out)["settings"]
    (port,) = [row for row in rows if row["name"] == "port"]
    assert (port["value"], port["source"]) == ("9000", "environment SWARMTUI_PORT")


def test_sources_never_show_a_token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_TOKEN", "s3cret")

    cli.run(["paths", "--sources"])

    assert "s3cret" not in capsys.readouterr().out


def test_an_unknown_setting_names_the_nearest(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "config.toml").write_text("[hub]\nprot = 1\n")

    assert cli.run(["paths", "--sources"]) == 2
    assert "did you mean port?" in capsys.readouterr().err


@pytest.mark.parametrize("how", [(), ("--sources",)])
@pytest.mark.parametrize(
    ("variable", "remedy"),
    [
        ("SWARMTUI_PROT", "did you mean SWARMTUI_PORT?"),
        ("SWARMTUI_HOEM", "did you mean SWARMTUI_HOME?"),
        ("SWARMTUI_XYZ", "unset it"),
    ],
)
def test_a_variable_that_nothing_reads_is_told(
    how: tuple[str, ...],
    variable: str,
    remedy: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, "80")

    assert cli.run(["paths", *how, "--json"]) == 0

    told = capsys.readouterr()
    assert f"note: {variable} is read by nothing: {remedy}\n" in told.err
    assert json.loads(told.out)


def test_variables_that_are_read_or_empty_are_not_told_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SWARMTUI_THEME", "SWARMTUI_AGENT", "SWARMTUI_DEBUG"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("SWARMTUI_PORT", "9000")
    monkeypatch.setenv("SWARMTUI_PROT", "")

    cli.run(["paths"])

    assert "SWARMTUI_P" not in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["completion", shell]) == 0
    assert "_SWARMTUI_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("swarmtui re", ["requeue", "retry", "record", "replay", "restore", "rekey"]),
        ("swarmtui agents --js", ["--json", "--jsonl"]),
        ("swarmtui completion f", ["fish"]),
        ("swarmtui run --in", ["--input"]),
        ("swarmtui run show --it", ["--items"]),
        ("swarmtui run plan.yml --de", ["--detach"]),
    ],
)
def test_completion_offers_what_can_follow(
    typed: str,
    offered: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("_SWARMTUI_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))

    cli.run([])

    assert capsys.readouterr().out.split() == [f"plain,{word}" for word in offered]


def test_completion_offers_words_about_runs_and_files_that_may_be_plans(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_SWARMTUI_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "swarmtui run re")
    monkeypatch.setenv("COMP_CWORD", "2")

    cli.run([])

    assert capsys.readouterr().out.split() == [
        "plain,result",
        "plain,resume",
        "plain,retry-failed",
        "file,re",
    ]
