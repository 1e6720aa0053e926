"""When the short way steps aside."""

import json
import os
import time
from pathlib import Path

import pytest

from agentkit import quick
from agentkit.quick import Unusual


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    announce(home)
    return {"SWARMTUI_HOME": str(home)}


def announce(home: Path, url: str = "http://127.0.0.1:9000") -> None:
    said = {"url": url, "token": "secret", "pid": 1}
    (home / "hub.json").write_text(json.dumps(said))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["bussy"],
        ["busy", "--help"],
        ["busy", "--agent"],
        ["busy", "--agent", ""],
        ["busy", "--agent", "-x"],
        ["busy", "--agent=a"],
        ["busy", "T1", "T2"],
        ["busy", "--", "T1"],
        ["busy", "--severity", "high"],
        ["busy", ""],
    ],
)
def test_unusual_words_are_left_to_the_general_way(words: list[str]) -> None:
    with pytest.raises(Unusual):
        quick._read(words)


def test_a_report_becomes_json(environ: dict[str, str]) -> None:
    report, options = quick._read(
        ["blocked", 'no "key"\né', "--agent", "a1", "--capability", "x", "--cost", "1"]
    )

    agent, body = quick._body(report, options, environ)

    said = json.loads(body)
    assert agent == "a1"
    assert abs(time.time() - _seconds(said.pop("reported_at"))) < 60
    assert said == {
        "via": "cli",
        "report": "blocked",
        "message": 'no "key"\né',
        "capabilities": ["x"],
        "cost": 1.0,
    }


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("cost", ["much", "-1", "nan", "inf", "1e400"])
def test_a_strange_cost_is_left_to_the_general_way(
    environ: dict[str, str], cost: str
) -> None:
    with pytest.raises((Unusual, ValueError)):
        quick._body("idle", {"--cost": [cost]}, environ)


def test_text_that_is_not_unicode_is_left_to_the_general_way() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        quick._json(os.fsdecode(b"\xff"))


def test_the_announced_hub_gets_its_token(environ: dict[str, str]) -> None:
    assert quick.hub(environ) == ("127.0.0.1", 9000, "secret")


def test_a_token_of_ones_own_comes_first(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("filed\n")
    environ["SWARMTUI_TOKEN_FILE"] = str(tmp_path / "token")
    assert quick.hub(environ)[2] == "filed"

    environ["SWARMTUI_TOKEN"] = "mine"
    assert quick.hub(environ)[2] == "mine"


def test_a_hub_that_was_not_announced_does_not_get_the_token(
    environ: dict[str, str],
) -> None:
    environ["SWARMTUI_URL"] = "http://127.0.0.1:9001"
    with pytest.raises(Unusual):
        quick.hub(environ)

    environ["SWARMTUI_TOKEN"] = "mine"
    assert quick.hub(environ) == ("127.0.0.1", 9001, "mine")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:1",
        "http://hub.example:80",
        "http://127.0.0.1",
        "http://127.0.0.1:80/hub",
        "http://[::1]:80",
        "127.0.0.1:80",
    ],
)
def test_an_unusual_address_is_left_to_the_general_way(
    environ: dict[str, str], url: str
) -> None:
    with pytest.raises(Unusual):
        quick.hub({**environ, "SWARMTUI_URL": url, "SWARMTUI_TOKEN": "t"})


@pytest.mark.parametrize("name", quick.UNUSUAL)
def test_certificates_are_left_to_the_general_way(
    environ: dict[str, str], name: str
) -> None:
    with pytest.raises(Unusual):
        quick.hub({**environ, name: "/some/file"})


def test_reports_that_wait_go_first(environ: dict[str, str]) -> None:
    folder = Path(environ["SWARMTUI_HOME"], "outbox", "reports", "local")
    folder.mkdir(parents=True)
    (folder / ".unfinished").touch()
    assert quick.hub(environ)

    (folder / "1-key.json").touch()
    with pytest.raises(Unusual):
        quick.hub(environ)


@pytest.mark.parametrize(
    ("text", "kit"),
    [
        ("", False),
        ("# nothing\n\n[hub]\nport = 1\n", False),
        ("url = 'x'\n", True),
        ("\n# first\n agent = 'x'\n[hub]\n", True),
    ],
)
def test_settings_of_ours_are_left_to_the_general_way(
    tmp_path: Path, text: str, kit: bool
) -> None:
    (tmp_path / "config.toml").write_text(text)

    assert quick.has_kit_settings(str(tmp_path / "config.toml")) is kit
    assert not quick.has_kit_settings(str(tmp_path / "absent"))


def test_a_project_file_is_left_to_the_general_way(environ: dict[str, str]) -> None:
    Path("swarmtui.toml").touch()

    with pytest.raises(Unusual):
        quick._body("idle", {}, environ)


def test_an_id_is_quoted_in_the_path() -> None:
    assert quick.segment("a b/ü%") == "a%20b%2F%C3%BC%25"
    assert quick.segment("a-1._~@host") == "a-1._~@host"
