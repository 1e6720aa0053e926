"""The examples of a deployment are read as systemd and compose read them, and run."""

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentkit.settings import KitSettings
from server.settings import Settings

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
UNITS = sorted(path.name for path in DEPLOY.glob("swarmtui*.*"))
SWARMTUI = "/usr/local/bin/swarmtui"
HERE = f"{sys.executable} -m swarmtui"


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """Return the settings of a unit by section."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in (DEPLOY / name).read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def command_of(service: Mapping[str, list[str]]) -> list[str]:
    """Return what a service runs, as it would run it here."""
    (line,) = service["ExecStart"]
    assert SWARMTUI in line
    return shlex.split(line.replace(SWARMTUI, HERE).replace("%%", "%"))


def environment_of(service: Mapping[str, list[str]], state: Path) -> dict[str, str]:
    pairs = [text.partition("=") for text in service["Environment"]]
    said = {name: value.replace("%S", str(state)) for name, _, value in pairs}
    state_directory = state / service["StateDirectory"][0]
    return {**os.environ, **said, "STATE_DIRECTORY": str(state_directory)}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


@contextmanager
def running(command: list[str], env: Mapping[str, str]) -> Iterator[Path]:
    """Run a hub on a port of its own until the end; give its home."""
    home = Path(env["SWARMTUI_HOME"])
    process = subprocess.Popen(
        [*command, "--port", "0"], env=env, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process.stderr:
        said = next(line for line in process.stderr if '"ready"' in line)
        assert json.loads(said)["level"] == "info"
        yield home
        process.terminate()
        assert process.wait(timeout=20) == 0


def test_the_service_starts_is_backed_up_and_stops(tmp_path: Path) -> None:
    hub, copier = unit("swarmtui.service"), unit("swarmtui-backup.service")
    env = environment_of(hub["Service"], tmp_path)

    with running(command_of(hub["Service"]), env) as home:
        subprocess.run(
            command_of(copier["Service"]),
            env=environment_of(copier["Service"], tmp_path),
            capture_output=True,
            check=True,
        )

    assert home == tmp_path / hub["Service"]["StateDirectory"][0]
    (copy,) = home.glob("backup-[1-7].db")
    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_the_service_is_hardened_and_gets_the_time_to_stop() -> None:
    service = unit("swarmtui.service")["Service"]

    assert service["DynamicUser"] == ["yes"]
    assert service["ProtectSystem"] == ["strict"]
    assert service["Restart"] == ["on-failure"]
    assert int(service["LimitNOFILE"][0]) > 20_000
    assert int(service["TimeoutStopSec"][0]) > 10


def test_hub_and_backup_are_the_same_user_with_the_same_folder() -> None:
    hub, copier = unit("swarmtui.service"), unit("swarmtui-backup.service")

    for key in ("User", "DynamicUser", "StateDirectory", "Environment"):
        assert hub["Service"][key] == copier["Service"][key]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    for name in UNITS:
        text = (DEPLOY / name).read_text().replace(SWARMTUI, sys.executable)
        (tmp_path / name).write_text(text)

    verified = subprocess.run(
        ["systemd-analyze", "verify", *(tmp_path / name for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_container_runs_a_hub_that_this_machine_alone_reaches(
    tmp_path: Path,
) -> None:
    hub = compose()["services"]["hub"]
    entry = re.search(r"ENTRYPOINT (\[.*\])", hub["build"]["dockerfile_inline"])
    assert entry is not None
    assert json.loads(entry[1]) == ["swarmtui"]

    with running([*HERE.split(), *hub["command"]], {**os.environ, **home_at(tmp_path)}):
        pass

    assert all(port.startswith("127.0.0.1:") for port in hub["ports"])


def home_at(folder: Path) -> dict[str, str]:
    return {"SWARMTUI_HOME": str(folder)}


def test_the_container_keeps_its_state_in_a_volume_and_is_closed_otherwise() -> None:
    whole = compose()
    hub = whole["services"]["hub"]

    volume, _, place = hub["volumes"][0].partition(":")
    assert volume in whole["volumes"]
    assert place == hub["environment"]["SWARMTUI_HOME"]
    assert hub["read_only"] is True
    assert hub["cap_drop"] == ["ALL"]


def test_every_setting_that_is_named_there_exists() -> None:
    known = {
        f"SWARMTUI_{item.name.upper()}"
        for table in (Settings, KitSettings)
        for item in fields(table)
    }
    text = "".join(path.read_text() for path in DEPLOY.iterdir())

    named = set(re.findall(r"SWARMTUI_[A-Z_]+", text))

    assert named - {"SWARMTUI_HOME"} <= known
