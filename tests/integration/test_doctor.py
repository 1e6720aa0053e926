"""The doctor: what is well, what is not, and what to do about it."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_alerts import until


def examined(home: Path, *args: str, **env: str) -> tuple[int, dict[str, Any]]:
    """Return the doctor's exit code and its findings by check."""
    plain = {key: x for key, x in os.environ.items() if not key.startswith("SWARMTUI_")}
    done = subprocess.run(
        [sys.executable, "-m", "swarmtui", "doctor", "--json", *args],
        check=False,
        env={**plain, "SWARMTUI_HOME": str(home), "HOME": str(home), **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    checks = json.loads(done.stdout)["checks"]
    return done.returncode, {check["check"]: check for check in checks}


def test_beside_a_running_hub_all_is_well(fresh: Any) -> None:
    agents = fresh.get("/v1/agents").json()

    code, checks = examined(fresh.home)

    assert code == 0
    assert {check["result"] for check in checks.values()} == {"ok"}
    assert fresh.url in checks["hub"]["found"]
    assert "token accepted" in checks["hub"]["found"]
    assert "ms from a report to a coordinator" in checks["round trip"]["found"]
    assert fresh.get("/v1/agents").json() == agents, "it leaves no trace"


def test_without_a_hub_nothing_fails(tmp_path: Path) -> None:
    code, checks = examined(tmp_path / "nothing-here-yet")

    assert code == 0
    assert checks["announced"]["found"] == "no hub runs here; swarmtui starts one"
    assert not (tmp_path / "nothing-here-yet").exists()


def test_a_hub_that_died_without_a_word_is_noticed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    dead = {"url": "http://127.0.0.1:1", "token": "t", "pid": gone.pid}
    (tmp_path / "hub.json").write_text(json.dumps(dead))
    (tmp_path / "hub.json").chmod(0o600)

    code, checks = examined(tmp_path)

    assert code == 0
    assert checks["announced"]["result"] == "warn"
    assert checks["announced"]["remedy"] == f"rm {tmp_path / 'hub.json'}"


def test_a_store_that_others_can_read_is_noticed(tmp_path: Path) -> None:
    store = tmp_path / "hub.db"
    store.touch()
    store.chmod(0o644)

    _, checks = examined(tmp_path)

    assert checks["files"]["result"] == "warn"
    assert checks["files"]["remedy"] == f"chmod 600 {store}"


def test_an_unreadable_setting_fails(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[dashboard]\ntheme = 'pink'\n")

    code, checks = examined(tmp_path)

    assert code == 1
    assert checks["settings"]["result"] == "fail"
    assert "pink" in checks["settings"]["found"]


def test_a_variable_that_nothing_reads_is_noticed(tmp_path: Path) -> None:
    code, checks = examined(tmp_path, SWARMTUI_PROT="80", SWARMTUI_XYZ="1")

    assert code == 0
    assert checks["settings"] == {
        "check": "settings",
        "result": "warn",
        "found": "read by nothing: SWARMTUI_PROT, SWARMTUI_XYZ",
        "remedy": "SWARMTUI_PROT: did you mean SWARMTUI_PORT?; SWARMTUI_XYZ: unset it",
    }


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SWARMTUI_URL": "http://127.0.0.1:1"}, "127.0.0.1:1"),
        ({"SWARMTUI_TOKEN": "wrong"}, "token"),
    ],
)
def test_a_hub_that_cannot_be_asked_fails(
    env: dict[str, str], said: str, fresh: Any
) -> None:
    code, checks = examined(fresh.home, **env)

    assert code == 1
    assert checks["hub"]["result"] == "fail"
    assert said in checks["hub"]["found"]
    assert checks["hub"]["remedy"]


def test_a_damaged_store_fails_with_or_without_a_hub(start: Any) -> None:
    hub = start()
    hub.report("a1", "busy")
    hub.report("a1", "idle")
    hub.stop()
    with closing(sqlite3.connect(hub.home / "hub.db", isolation_level=None)) as store:
        store.execute("DELETE FROM events WHERE cursor = 2")

    at_rest = examined(hub.home)
    start()
    at_work = examined(hub.home)

    for code, checks in (at_rest, at_work):
        assert code == 1
        assert checks["store"]["result"] == "fail"
        assert "the log has" in checks["store"]["found"]
        assert "swarmtui restore" in checks["store"]["remedy"]


@pytest.mark.parametrize("key", ["", "quite another key than that"])
def test_a_sealed_store_whose_key_is_not_set_fails(start: Any, key: str) -> None:
    fitting = "the key that it was sealed with"
    hub = start("--storage-master-key", fitting)
    hub.stop()

    code, checks = examined(hub.home, SWARMTUI_STORAGE_MASTER_KEY=key)

    assert code == 1
    assert checks["store"]["result"] == "fail"
    assert "sealed" in checks["store"]["found"]
    assert "storage_master_key" in checks["store"]["remedy"]
    assert examined(hub.home, SWARMTUI_STORAGE_MASTER_KEY=fitting)[0] == 0


def test_a_database_of_another_program_fails(tmp_path: Path) -> None:
    at = tmp_path / "hub.db"
    with closing(sqlite3.connect(at)) as other:
        other.execute("CREATE TABLE songs (title)")
    at.chmod(0o600)

    code, checks = examined(tmp_path)

    assert code == 1
    assert checks["store"] == {
        "check": "store",
        "result": "fail",
        "found": f"{at} is a database of another program",
        "remedy": "move it away, or name another folder: data_dir under [hub]",
    }


def test_an_empty_file_is_a_store_that_no_hub_has_begun(tmp_path: Path) -> None:
    (tmp_path / "hub.db").touch(mode=0o600)

    code, checks = examined(tmp_path)

    assert code == 0
    assert checks["store"]["found"] == "none yet"


def test_a_hub_that_hangs_up_is_not_asked_for_another_token(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_hang_up, args=(server,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        code, checks = examined(tmp_path, SWARMTUI_URL=url)

    assert code == 1
    assert "it hung up" in checks["store"]["found"]
    assert checks["store"]["remedy"] == "see the hub's log"


def _hang_up(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            connection.close()


def test_a_store_that_no_hub_has_is_looked_over(start: Any) -> None:
    hub = start()
    hub.stop()

    code, checks = examined(hub.home)

    assert code == 0
    assert checks["store"]["found"].startswith("sound, ")


# --- alerts ---------------------------------------------------------------------------


def test_where_alerts_go_is_told_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    path.write_text("ntfys://tk_HUSH@ntfy.example.org/HUSH\n")
    path.chmod(0o600)

    _, checks = examined(
        tmp_path,
        SWARMTUI_ALERTS_FILE=str(path),
        SWARMTUI_ALERTS_QUIET="22:00-07:00",
    )

    assert checks["alerts"]["result"] == "ok"
    assert checks["alerts"]["found"] == (
        "ntfys://ntfy.example.org, quiet hours 22:00-07:00; "
        "try them: swarmtui alerts test"
    )
    assert "HUSH" not in str(checks)


def test_without_addresses_nobody_is_told(tmp_path: Path) -> None:
    _, checks = examined(tmp_path)

    assert "told nobody" in checks["alerts"]["found"]


def test_a_file_of_addresses_that_others_can_read_fails(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    path.write_text("json://HUSH\n")
    path.chmod(0o644)

    code, checks = examined(tmp_path, SWARMTUI_ALERTS_FILE=str(path))

    assert code == 1
    assert checks["alerts"]["result"] == "fail"
    assert f"chmod 600 {path}" in checks["alerts"]["found"]
    assert "swarmtui alerts test" in checks["alerts"]["remedy"]


def test_alerts_without_the_extra_fail(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['apprise'] = None"
    )

    code, checks = examined(
        tmp_path, SWARMTUI_ALERTS="json://a.b", PYTHONPATH=str(tmp_path)
    )

    assert code == 1
    assert "install swarmtui[notify]" in checks["alerts"]["found"]


def test_a_target_that_the_hub_does_not_reach_is_noticed(start: Any) -> None:
    url = "json://127.0.0.1:1/HUSH"
    hub = start("--store", "memory", "--alerts", url)
    hub.report("web-1", "help", message="?")
    until(lambda: "swarmtui_alerts_failing 1" in hub.get("/metrics").text)

    code, checks = examined(hub.home, SWARMTUI_ALERTS=url)

    assert code == 0
    assert checks["alerts"]["result"] == "warn"
    assert checks["alerts"]["found"] == (
        "json://127.0.0.1:1 takes none: it cannot be reached, or refuses"
    )
    assert "swarmtui alerts test" in checks["alerts"]["remedy"]
