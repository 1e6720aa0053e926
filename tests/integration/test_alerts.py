"""Alerts of a real hub about real agents, at real receivers."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from agentkit import Agent
from agentkit.agent import Job
from agentkit.settings import Endpoint
from swarmtui.embedded import Companion, announced
from tests.integration.conftest import RunningHub, Start, launch
from tests.integration.internet import internet
from tests.integration.receivers import Hooks, MailServer, Post, hooks, mail_server
from tests.integration.test_commands import Done, run

PATIENCE = 30.0


@pytest.fixture
def alerting(start: Start, receiver: Hooks) -> Callable[..., RunningHub]:
    """Start a hub that tells a web hook."""

    def begin(*flags: str) -> RunningHub:
        url = f"json://{receiver.place}/hook"
        return start("--store", "memory", "--alerts", url, *flags)

    return begin


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def title(post: Post) -> str:
    return str(post.body["title"]).removeprefix("swarmtui: ")


def figure(hub: RunningHub, name: str) -> float:
    text = hub.get("/metrics").text
    found = re.search(rf"^swarmtui_alerts_{name} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def around_now() -> str:
    """Return two hours around now, by the clock of this machine."""
    begin = datetime.now().astimezone() - timedelta(hours=1)
    return f"{begin:%H:%M}-{begin + timedelta(hours=2):%H:%M}"


# --- what is told ---------------------------------------------------------------------


class Ears:
    """Every receiver of the hub that the tests share."""

    def __init__(self, hook: Hooks, topic: Hooks, mail: MailServer) -> None:
        self.hook, self.topic, self.mail = hook, topic, mail

    def hear(self, name: str) -> Post:
        """Return the next post that is about somebody."""
        while name not in title(post := self.hook.next()):
            pass
        return post


@pytest.fixture(scope="module")
def ears() -> Iterator[Ears]:
    with hooks() as hook, hooks() as topic, mail_server() as mail:
        yield Ears(hook, topic, mail)


@pytest.fixture(scope="module")
def hub(ears: Ears, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub that tells a web hook, a topic and a mailbox, of anything and soon."""
    parts = "from=hub@swarm.example&to=ana@swarm.example&mode=insecure&format=text"
    urls = (
        f"json://{ears.hook.place}/hook",
        f"ntfy://{ears.topic.place}/topic",
        f"mailto://{ears.mail.place}?{parts}",
    )
    flags = {
        "store": "memory",
        "alerts": ",".join(urls),
        "alerts-per-hour": "1000",
        "lease": "0.1",
        "grace": "0",
        "escalate-after": "0.2",
        "budget": "5",
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    running = launch(tmp_path_factory.mktemp("hub"), *words)
    yield running
    running.stop()


def test_who_asks_for_help_is_told_once_on_every_target(
    hub: RunningHub, ears: Ears, me: str
) -> None:
    asked = {"message": "Blue or green?", "choices": ["blue", "green"]}
    hub.report(me, "help", **asked)
    first, pushed, mail = ears.hear(me), ears.topic.next(), ears.mail.next()
    hub.report(me, "help", **asked)
    hub.report(f"{me}-2", "help", message="Which title?")

    assert (first.path, title(first)) == ("/hook", f"{me} needs help")
    assert first.body["message"] == "Blue or green?\none of: blue, green"
    assert pushed.body["topic"] == "topic"
    assert pushed.body["title"] == f"swarmtui: {me} needs help"
    assert mail["Subject"] == f"swarmtui: {me} needs help"
    assert mail.get_content().splitlines() == ["Blue or green?", "one of: blue, green"]
    assert title(ears.hear(me)) == f"{me}-2 needs help"


async def test_a_lost_agent_is_told(hub: RunningHub, ears: Ears, me: str) -> None:
    async with hub.agent(me):
        pass

    assert title(ears.hear(me)) == f"{me} is lost"


async def test_a_task_that_dies_is_told_with_its_reason(
    hub: RunningHub, ears: Ears, me: str
) -> None:
    task = {"id": f"T-{me}", "title": "Fix it", "needs": [me], "max_attempts": 1}
    hub.post("/v1/tasks", task).raise_for_status()
    here = Endpoint(hub.url, hub.token)
    async with Agent(f"{me}-w", capabilities=[me], hub=here) as agent:

        @agent.on_work()
        async def work(_job: Job) -> None:
            raise ValueError("no @everyone here")

        post = await asyncio.to_thread(ears.hear, me)
    gone = await asyncio.to_thread(ears.hear, me)

    assert title(gone) == f"{me}-w is lost"
    assert title(post) == f"task T-{me} is dead"
    assert "Fix it" in post.body["message"]
    assert "no @\N{ZERO WIDTH SPACE}everyone here" in post.body["message"]


def test_who_stays_blocked_is_told(hub: RunningHub, ears: Ears, me: str) -> None:
    hub.report(me, "blocked", message="no access")

    post = ears.hear(me)
    assert title(post).startswith(f"{me} is blocked")
    assert post.body["message"] == "no access"


def test_who_overspends_is_told(hub: RunningHub, ears: Ears, me: str) -> None:
    hub.report(me, "busy", cost=7.5)

    post = ears.hear(me)
    assert title(post) == f"{me} has spent its budget"
    assert post.body["message"].startswith("$7.50 of $5.00")


def test_only_what_was_asked_for_is_told(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    hub = alerting("--alerts-about", "budget", "--budget", "1")

    hub.report("web-1", "help", message="?")
    hub.report("web-1", "busy", cost=2.0)

    assert title(receiver.next()) == "web-1 has spent its budget"


# --- when it is told ------------------------------------------------------------------


def test_what_comes_up_within_a_second_is_one_message(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    hub = alerting("--alerts-per-hour", "1")

    for number in range(15):
        hub.report(f"web-{number}", "help", message="?")
    first = receiver.next()
    until(lambda: figure(hub, "told_total") + figure(hub, "waiting") == 15)

    told = figure(hub, "told_total")
    assert title(first) == f"web-0 needs help, and {told - 1:g} more"
    assert receiver.posts.empty()


def test_beyond_the_hourly_number_alerts_wait_but_for_the_critical(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    hub = alerting("--alerts-per-hour", "1")
    hub.report("web-1", "help", message="?")
    first = title(receiver.next())

    hub.report("web-2", "help", message="?")
    hub.report("web-3", "help", message="?")
    hub.report("web-4", "help", message="it burns", severity="critical")

    assert first == "web-1 needs help"
    urgent = receiver.next()
    assert title(urgent) == "web-4 needs help, it is critical"
    assert urgent.body["type"] == "failure"
    until(lambda: figure(hub, "waiting") == 2)


def test_in_quiet_hours_only_what_is_critical_is_told(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    hub = alerting("--alerts-quiet", around_now())

    hub.report("web-1", "help", message="?")
    hub.report("web-2", "help", message="it burns", severity="critical")

    assert title(receiver.next()) == "web-2 needs help, it is critical"
    until(lambda: figure(hub, "waiting") == 1)


def test_what_was_open_before_the_start_is_not_told_again(
    start: Start, receiver: Hooks
) -> None:
    url = f"json://{receiver.place}/hook"
    hub = start()
    hub.report("web-1", "help", message="?")
    hub.stop()

    hub = start("--alerts", url)
    hub.report("web-1", "help", message="?")
    hub.report("web-2", "help", message="?")

    assert title(receiver.next()) == "web-2 needs help"


def test_the_hub_beside_a_dashboard_tells_too(
    tmp_path: Path, receiver: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    monkeypatch.setenv("SWARMTUI_ALERTS", f"json://{receiver.place}/hook")
    words = ["swarmtui", "serve", "--embedded", "--port=0"]

    with Companion("the hub", words, tmp_path / "hub.log") as hub:
        found = hub.until(lambda: announced(hub.pid))
        said = {
            "session_id": "web-1",
            "status": "help",
            "timestamp": "2026-01-01T12:00",
        }
        httpx.post(f"{found.url}/agent/help", json=said, trust_env=False)
        post = receiver.next()

    assert title(post) == "web-1 needs help"


def test_a_hub_behind_a_proxy_tells_slack(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with internet(tmp_path) as net:
        for name, value in net.env.items():
            monkeypatch.setenv(name, value)
        hub = start(
            "--store", "memory", "--alerts", f"slack://{'A' * 9}/{'B' * 9}/{'H' * 24}"
        )
        hub.report("web-1", "help", message="<!channel>, blue or green?")
        asked = net.next()
        hub.stop()

    (told,) = asked.body["attachments"]
    assert asked.host == "hooks.slack.com"
    assert told["title"] == "swarmtui: web-1 needs help"
    assert told["text"].endswith(", blue or green?")
    assert "<!" not in told["text"]


# --- receivers that are no good -------------------------------------------------------


def test_a_receiver_that_hangs_or_refuses_delays_neither_hub_nor_others(
    start: Start, receiver: Hooks, other: Hooks
) -> None:
    other.hangs = True
    urls = (
        f"json://{other.place}/hangs?rto=600",
        "json://127.0.0.1:1/nobody",
        f"json://{receiver.place}/hook",
    )
    hub = start("--store", "memory", "--alerts", ",".join(urls))

    for number in range(3):
        hub.report(f"web-{number}", "help", message="?")
        assert title(receiver.next()) == f"web-{number} needs help"
    until(lambda: figure(hub, "failed_total") >= 1)

    assert other.asked == 1
    assert hub.stop() == 0


def test_a_receiver_that_was_away_gets_it_when_it_is_back(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    receiver.answers = [503]
    hub = alerting()

    hub.report("web-1", "help", message="?")

    assert title(receiver.next()) == "web-1 needs help"
    until(lambda: figure(hub, "sent_total") == 1)
    assert figure(hub, "failed_total") == 1


def test_what_came_up_before_the_stop_is_told(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    hub = alerting()
    hub.report("web-1", "help", message="?")

    assert hub.stop() == 0
    assert title(receiver.next()) == "web-1 needs help"


# --- settings -------------------------------------------------------------------------


def refused(home: Path, *program: str, **env: str) -> str:
    """Return what a hub says that does not start."""
    ended = subprocess.run(
        [sys.executable, *(program or ("-m", "server")), "--port", "0"],
        env={**os.environ, "SWARMTUI_HOME": str(home), **env},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 2
    assert "HUSH" not in ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_without_the_extra_a_hub_with_alerts_does_not_start(tmp_path: Path) -> None:
    program = (
        "import runpy, sys; sys.modules['apprise'] = None; "
        "runpy.run_module('server', run_name='__main__', alter_sys=True)"
    )

    said = refused(tmp_path, "-c", program, SWARMTUI_ALERTS="json://HUSH")

    assert "install swarmtui[notify]" in said


def test_an_address_that_will_not_do_is_refused_without_its_secrets(
    tmp_path: Path,
) -> None:
    said = refused(tmp_path, SWARMTUI_ALERTS="json://a.b/HUSH,slack://HUSH")

    assert "address 2 of the alerts, slack://…, is not as Apprise has it" in said


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    path.write_text("json://a.b/HUSH\n")
    path.chmod(0o644)

    assert f"chmod 600 {path}" in refused(tmp_path, SWARMTUI_ALERTS_FILE=str(path))


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("QUIET", "22-7", "two times of day, as in 22:00-07:00"),
        ("ABOUT", "help,weather", "has more than help, blocked, lost, dead, budget"),
        ("PER_HOUR", "0", "between 1 and 1000"),
    ],
)
def test_a_setting_that_will_not_do_is_refused(
    tmp_path: Path, name: str, value: str, why: str
) -> None:
    assert why in refused(tmp_path, **{f"SWARMTUI_ALERTS_{name}": value})


def test_a_project_does_not_decide_where_alerts_go(tmp_path: Path) -> None:
    (tmp_path / "swarmtui.toml").write_text('[hub]\nalerts = ["json://a.b/HUSH"]\n')
    start_there = f"import os; os.chdir({str(tmp_path)!r}); "
    program = start_there + "from server.serve import main; raise SystemExit(main())"

    said = refused(tmp_path, "-c", program)

    assert "sets alerts, which a project may not decide for you" in said


# --- the command ----------------------------------------------------------------------


@pytest.fixture
def command(tmp_path: Path, receiver: Hooks) -> Callable[..., Done]:
    """``swarmtui alerts`` on a machine with two targets in a file."""
    path = tmp_path / "alerts"
    path.write_text(
        f"json://{receiver.place}/HUSH\nslack://{'A' * 9}/{'B' * 9}/{'H' * 24}\n"
    )
    path.chmod(0o600)
    env = {"SWARMTUI_ALERTS_FILE": str(path), "SWARMTUI_ALERTS_QUIET": "22:00-07:00"}
    return lambda *words: run(tmp_path, "alerts", *words, **env)


@pytest.mark.parametrize("words", [(), ("list",)])
def test_the_command_shows_where_alerts_go_without_secrets(
    command: Callable[..., Done], receiver: Hooks, words: tuple[str, ...]
) -> None:
    done = command(*words)

    assert [line.split() for line in done.out.splitlines()[:3]] == [
        ["TARGET", "SERVICE"],
        [f"json://{receiver.place}", "JSON"],
        ["slack://…", "Slack"],
    ]
    assert "about help, blocked, lost, dead, budget" in done.out
    assert "quiet hours 22:00-07:00; at most 20 messages an hour" in done.out
    assert "HUSH" not in done.out + done.err


def test_the_command_shows_it_as_json(
    command: Callable[..., Done], receiver: Hooks
) -> None:
    assert command("--json").data == {
        "schema_version": 1,
        "targets": [
            {"target": f"json://{receiver.place}", "service": "JSON"},
            {"target": "slack://…", "service": "Slack"},
        ],
        "about": ["help", "blocked", "lost", "dead", "budget"],
        "quiet": "22:00-07:00",
        "per_hour": 20,
    }


def test_a_test_alert_arrives(command: Callable[..., Done], receiver: Hooks) -> None:
    done = command("test", "--url", f"json://{receiver.place}/HUSH", "--json")

    assert done.code == 0
    assert done.data["targets"] == [
        {
            "target": f"json://{receiver.place}",
            "service": "JSON",
            "arrived": True,
            "why": "",
        }
    ]
    post = receiver.next()
    assert (post.path, title(post)) == ("/HUSH", "a test alert")


def test_a_test_alert_that_does_not_arrive_is_told(
    command: Callable[..., Done], receiver: Hooks
) -> None:
    receiver.answers = [403]
    urls = (f"json://{receiver.place}/HUSH", "json://127.0.0.1:1/HUSH")
    done = command("test", *(word for url in urls for word in ("--url", url)))

    assert done.code == 1
    assert [line.split(maxsplit=3)[2:] for line in done.out.splitlines()[1:]] == [
        ["fail", "it answered 403"],
        ["fail", "it cannot be reached, or refuses"],
    ]
    assert "HUSH" not in done.out + done.err


def test_where_nothing_is_set_the_command_says_so(tmp_path: Path) -> None:
    listed, tested = run(tmp_path, "alerts"), run(tmp_path, "alerts", "test")

    assert (listed.code, tested.code) == (0, 2)
    assert "no alerts are set" in listed.err
    assert "or give --url" in tested.err


def test_where_settings_come_from_is_told_without_the_addresses(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, "paths", "--sources", "--json", SWARMTUI_ALERTS="json://HUSH")

    values = {row["name"]: row["value"] for row in json.loads(done.out)["settings"]}
    assert values["alerts"] == "(hidden)"
