"""What an agent is called when nobody says."""

import os
from pathlib import Path

import pytest

from agentkit.integrations.session import Session
from agentkit.places import SHELLS, agent_here, default_agent, project_file

HOST = os.uname().nodename.partition(".")[0]


def test_an_agent_is_called_after_its_project_wherever_it_starts_in_it(
    tmp_path: Path,
) -> None:
    deep = tmp_path / "shop" / "src"
    deep.mkdir(parents=True)
    assert default_agent(str(deep)) == f"src@{HOST}"

    (tmp_path / "shop" / ".git").mkdir()
    assert default_agent(str(deep)) == f"shop@{HOST}"


def test_a_name_keeps_to_the_rules_for_ids() -> None:
    assert default_agent("/nowhere/a\x1bb").startswith("a?b@")
    assert default_agent("/") == f"root@{HOST}"
    assert len(default_agent("/nowhere/" + "x" * 300)) == 256


def test_the_nearest_project_file_upward_counts(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert project_file(str(deep)) == ""

    (tmp_path / "swarmtui.toml").touch()
    (tmp_path / "a" / "swarmtui.toml").touch()
    assert project_file(str(deep)) == str(tmp_path / "a" / "swarmtui.toml")


@pytest.mark.parametrize("variable", SHELLS)
def test_a_command_of_a_session_is_the_agent_that_its_hooks_report(
    tmp_path: Path, variable: str
) -> None:
    shell = {"SWARMTUI_HOME": str(tmp_path), variable: "s-1"}
    assert agent_here(shell, "/nowhere/shop") == f"shop@{HOST}"

    session = Session.load(SHELLS[variable], "s-1", shell)
    session.agent, session.state = "builder", "busy"
    session.save()
    assert agent_here(shell, "/nowhere/shop") == "builder"

    session.forget()
    assert agent_here(shell, "/nowhere/shop") == f"shop@{HOST}"
