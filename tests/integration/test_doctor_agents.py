"""The doctor on the agents of a machine: which are wired, and whether it works."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agentkit.integrations.wiring import WIRINGS
from swarmtui.wired import PROGRAMS
from tests.integration.shell import MAIN, Shell

TRUSTED = Path(__file__).parents[1] / "fixtures/hooks/codex-trusted-0.169.0.toml"


class Machine(NamedTuple):
    """A machine with nothing on it but what a test puts there."""

    home: Path
    shell: Shell

    def has(self, program: str, script: str) -> None:
        """Put a program on the path."""
        path = self.home / "bin" / program
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def trusts_codex(self) -> None:
        """Note in the settings of Codex what it noted when our hooks were trusted."""
        folder = self.home / ".codex"
        _, begin, noted = TRUSTED.read_text().partition("[hooks.state]\n")
        noted = noted.replace("/home/ann/.codex", str(folder))
        with (folder / "config.toml").open("a") as file:
            file.write(f"{begin}{noted}")

    def doctor(self) -> tuple[int, dict[str, dict[str, str]]]:
        """Return the exit code, and what is found of each agent."""
        done = subprocess.run(
            [sys.executable, "-m", "swarmtui", "doctor", "--json"],
            env=self.shell.environ,
            cwd=self.shell.cwd,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        checks = {one.pop("check"): one for one in json.loads(done.stdout)["checks"]}
        words = (*PROGRAMS, "agents")
        return done.returncode, {name: checks[name] for name in words if name in checks}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    (tmp_path / "project").mkdir()
    shell = Shell(
        tmp_path / "project",
        HOME=str(tmp_path),
        SWARMTUI_HOME=str(tmp_path / "swarm"),
        PATH=f"{tmp_path}/bin",
    )
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        shell.environ.pop(name, None)
    machine = Machine(tmp_path, shell)
    machine.has("agentkit", f'exec {sys.executable} -c "{MAIN}" "$@"')
    return machine


def test_every_product_that_can_be_wired_is_looked_for() -> None:
    assert set(PROGRAMS) == set(WIRINGS)


def test_a_machine_without_agents_is_told_so_in_one_line(machine: Machine) -> None:
    code, found = machine.doctor()

    assert code == 0
    assert list(found) == ["agents"]
    assert found["agents"]["found"].startswith("none that we know is here: Claude")


def test_a_program_that_is_not_wired_is_told_with_its_version(machine: Machine) -> None:
    machine.has("claude", "echo '2.1.329 (Claude Code)'")
    machine.has("gemini", "exec /bin/sleep 60")
    code, found = machine.doctor()

    assert code == 0
    install = "not wired; agentkit hooks install"
    assert found == {
        "claude": {
            "result": "ok",
            "found": f"Claude Code 2.1.329, {install} claude does it",
            "remedy": "",
        },
        "gemini": {
            "result": "ok",
            "found": f"Gemini CLI, {install} gemini does it",
            "remedy": "",
        },
    }


def test_every_product_that_is_wired_makes_the_round_trip(
    fresh: Any, machine: Machine
) -> None:
    machine.shell.environ["SWARMTUI_HOME"] = str(fresh.home)
    for product in WIRINGS:
        assert machine.shell("hooks", "install", product).returncode == 0
    machine.trusts_codex()
    code, found = machine.doctor()

    assert code == 0
    assert list(found) == list(PROGRAMS)
    for check in found.values():
        assert check["result"] == "ok", check
        assert ", not on the path, hooks reach a hub in " in check["found"]
        assert check["found"].endswith(" ms")
    assert fresh.get("/v1/agents").json()["agents"] == [], "nothing reaches the user's"
    assert not (fresh.home / "sessions").exists()


def _stale(machine: Machine) -> None:
    path = machine.home / ".claude" / "settings.json"
    said = json.loads(path.read_text())
    del said["hooks"]["PermissionRequest"]
    path.write_text(json.dumps(said))


def _gone(machine: Machine) -> None:
    (machine.home / "bin" / "agentkit").unlink()


def _mute(machine: Machine) -> None:
    machine.has("agentkit", "exit 0")


def _chatty(machine: Machine) -> None:
    machine.has("agentkit", "echo Welcome")


def _failing(machine: Machine) -> None:
    machine.has("agentkit", "exit 3")


def _spoilt(machine: Machine) -> None:
    path = machine.home / ".claude" / "settings.json"
    path.write_text(path.read_text() + "}")


@pytest.mark.parametrize(
    ("spoil", "result", "said"),
    [
        (_stale, "warn", "hooks are of another version, reach a hub in "),
        (_gone, "fail", "hooks call agentkit, which is not there"),
        (_mute, "fail", "hooks do not work: the call ended well, but nothing reached"),
        (_chatty, "fail", "hooks do not work: the call ended with 0: Welcome"),
        (_failing, "fail", "hooks do not work: the call ended with 3"),
        (_spoilt, "warn", "hooks unknown: "),
    ],
)
def test_wiring_that_does_not_work_is_told_with_what_helps(
    spoil: Callable[[Machine], None], result: str, said: str, machine: Machine
) -> None:
    assert machine.shell("hooks", "install", "claude").returncode == 0
    spoil(machine)
    code, found = machine.doctor()

    assert code == int(result == "fail")
    assert found["claude"]["result"] == result
    assert said in found["claude"]["found"]
    assert found["claude"]["remedy"] == "agentkit hooks install claude"


def test_what_a_path_of_ones_own_calls_is_not_of_another_version(
    machine: Machine,
) -> None:
    own = machine.home / "my bin"
    (machine.home / "bin").rename(own)
    machine.shell.environ["PATH"] = os.devnull
    code = f"import sys; sys.argv[0] = {str(own / 'agentkit')!r}; {MAIN}"
    assert machine.shell("hooks", "install", "goose", code=code).returncode == 0
    exit_code, found = machine.doctor()

    assert exit_code == 0
    assert "hooks reach a hub in " in found["goose"]["found"]


def test_the_hooks_of_a_project_are_told_beside_those_of_the_user(
    machine: Machine,
) -> None:
    for scope in ("--user", "--project"):
        assert machine.shell("hooks", "install", "goose", scope).returncode == 0
    path = machine.shell.cwd / ".agents" / "plugins" / "swarmtui" / "plugin.json"
    path.write_text(path.read_text().replace("swarmtui hub", "hub"))
    _, found = machine.doctor()

    assert found["goose"]["result"] == "warn"
    assert "hooks reach a hub" in found["goose"]["found"]
    assert "; hooks of this project are of another version" in found["goose"]["found"]
    assert found["goose"]["remedy"] == "agentkit hooks install goose --project"


def test_codex_is_told_to_trust_its_hooks(machine: Machine) -> None:
    assert machine.shell("hooks", "install", "codex").returncode == 0
    code, found = machine.doctor()

    assert code == 0
    assert found["codex"]["result"] == "warn"
    assert found["codex"]["remedy"] == "start codex once and let it run these hooks"
    config = machine.home / ".codex" / "config.toml"
    others = '[hooks.state."/etc/hooks.json:stop:0:0"]\ntrusted_hash = "sha256:0"\n'
    config.write_text(config.read_text() + others)
    assert machine.doctor()[1]["codex"]["result"] == "warn"
    machine.trusts_codex()
    assert machine.doctor()[1]["codex"]["result"] == "ok"
