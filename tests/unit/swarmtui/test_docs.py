"""What the pages for users say is what there is."""

import re
from pathlib import Path

import pytest

from agentkit.commands import COMMANDS
from agentkit.settings import KitSettings, entries
from server.settings import Settings
from swarmtui.cli import WORDS
from swarmtui.preferences import Preferences

ROOT = Path(__file__).parents[3]
SHIPPED = ("agentkit", "server", "swarmtui", "docs", "examples", "tools")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def texts() -> list[Path]:
    inside = [path for top in SHIPPED for path in (ROOT / top).rglob("*")]
    kinds = {".py", ".md", ".toml", ".sh", ".tcss", ".json"}
    return [*PAGES, *(path for path in inside if path.suffix in kinds)]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_explained(word: str) -> None:
    assert f"`swarmtui {word}" in page("docs/commands.md")


@pytest.mark.parametrize("word", COMMANDS)
def test_every_word_of_the_kit_is_explained(word: str) -> None:
    assert f"`agentkit {word}" in page("docs/commands.md")


@pytest.mark.parametrize("table", [KitSettings, Settings, Preferences])
def test_every_setting_is_explained(table: type) -> None:
    told = page("docs/configuration.md")

    assert [name for name in entries(table) if f"`{name}`" not in told] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text("utf-8"))

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_has_the_two_lines_that_run_on_a_bare_machine() -> None:
    start = "python3 -m venv .venv && .venv/bin/pip install -q uv && .venv/bin/uv run"
    lines = [line.strip() for line in page("README.md").splitlines()]

    assert f"{start} --no-dev swarmtui demo" in lines
    assert f"{start} pytest -n auto" in lines


def test_nobody_is_told_to_install_a_strangers_agentkit() -> None:
    wrong = re.compile(r"(pip|pipx|tool)\s+install\s+(-\S+\s+)*[\"']?agentkit\b")

    assert [path for path in texts() if wrong.search(path.read_text("utf-8"))] == []
