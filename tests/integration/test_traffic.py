"""What goes over the wire, as the dashboard and ``swarmtui tap`` have it."""

import asyncio
import json
import os
import pty
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

import pytest
from textual.pilot import Pilot

from agentkit.settings import Endpoint
from agentkit.transports import Event, Retry, open_transport
from agentkit.transports.hub import HubTransport
from swarmtui.app import SwarmApp
from swarmtui.screens.traffic import TrafficScreen
from tests.contract.redis_server import RedisServer
from tests.integration.conftest import RunningHub, Start
from tests.integration.test_dashboard import dashboard, until


@asynccontextmanager
async def talking(
    hub: RunningHub, *events: Event, name: str = "says"
) -> AsyncIterator[HubTransport]:
    """Publish events over and over, with the number of the round."""
    async with HubTransport(Endpoint(hub.url, hub.token), name=name) as transport:

        async def go_on() -> None:
            while True:
                for event in events:
                    await transport.publish(Event(event.name, event.data))
                await asyncio.sleep(0.05)

        speaking = asyncio.create_task(go_on())
        yield transport
        speaking.cancel()
        with suppress(asyncio.CancelledError):
            await speaking


async def tap(
    hub: RunningHub, *args: str, **options: Any
) -> asyncio.subprocess.Process:
    """Begin to tap."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "swarmtui", "tap", *args),
        env={**os.environ, "TERM": "xterm-256color", "SWARMTUI_HOME": str(hub.home)},
        stdin=subprocess.DEVNULL,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """Return the exit code and what was written."""
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return process.returncode, (out or b"").decode(), (err or b"").decode()


# --- swarmtui tap --------------------------------------------------------------------


async def test_a_tap_in_a_pipe_writes_json_lines(hub: RunningHub) -> None:
    said = (Event("build.web.done", {"n": 1}), Event("deploy.web", {"n": 2}))
    async with talking(hub, *said):
        process = await tap(hub, "build.**", "--count", "3", "--for", "20")
        code, out, err = await ended(process)
    lines = [json.loads(line) for line in out.splitlines()]

    assert (code, err) == (0, "")
    assert len(lines) == 3
    assert {line["subject"] for line in lines} == {"build.web.done"}
    assert lines[0]["schema_version"] == 1
    assert (lines[0]["link"], lines[0]["source"]) == ("bus", "says")
    assert lines[0]["data"] == {"n": 1}


async def test_a_tap_has_events_and_messages_in_the_order_of_time(
    hub: RunningHub,
) -> None:
    async with talking(hub, Event("build.web.done")):
        process = await tap(hub, "--for", "3")
        for n in range(40):
            await asyncio.to_thread(hub.report, f"order-{n}", "busy")
            await asyncio.sleep(0.05)
        code, out, _ = await ended(process)
    lines = [json.loads(line) for line in out.splitlines()]

    assert code == 0
    assert {line["link"] for line in lines} == {"bus", "hub"}
    times = [line["at"] for line in lines]
    assert times == sorted(times)


async def test_a_link_can_be_tapped_alone(hub: RunningHub) -> None:
    async with talking(hub, Event("agent.busy")):
        process = await tap(hub, "agent.*", "--link", "hub", "--count", "1")
        reporting = asyncio.create_task(_report(hub))
        code, out, _ = await ended(process)
        reporting.cancel()

    assert code == 0
    assert json.loads(out)["link"] == "hub"


async def _report(hub: RunningHub) -> None:
    while True:
        await asyncio.to_thread(hub.report, "alone", "busy")
        await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("nobody.says.this", "--for", "0.5"), 4, "no message"),
        (("--link", "telex", "--for", "5"), 3, "use one of hub, bus"),
        (("a.b*",), 2, "only for whole segments"),
        (("--count", "0"), 2, "count"),
    ],
)
async def test_a_tap_ends_with_a_code_that_says_why(
    hub: RunningHub, args: tuple[str, ...], code: int, reason: str
) -> None:
    found, out, err = await ended(await tap(hub, *args))

    assert (found, out) == (code, "")
    assert reason in err
    assert len(err.splitlines()) == 1


async def test_a_tap_ends_quietly_when_nobody_reads_it(hub: RunningHub) -> None:
    reading, writing = os.pipe()
    async with talking(hub, Event("build.web.done")):
        process = await tap(hub, stdout=writing)
        os.close(writing)
        await asyncio.to_thread(os.read, reading, 1)
        os.close(reading)
        code, _, err = await ended(process)

    assert (code, err) == (1, "")


async def test_a_tap_on_a_terminal_is_aligned_coloured_and_ends_with_ctrl_c(
    hub: RunningHub,
) -> None:
    main, side = pty.openpty()
    ioctl(side, TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    said = Event("build.web.done", {"text": "\x1b]0;owned\x07 " + "x" * 200})
    async with talking(hub, said):
        process = await tap(hub, "build.**", stdout=side)
        os.close(side)
        shown = ""
        while shown.count("\n") < 4:
            shown += (await asyncio.to_thread(os.read, main, 4096)).decode()
        process.send_signal(signal.SIGINT)
        code, _, err = await ended(process)
    os.close(main)
    lines = shown.splitlines()[:3]

    assert (code, err.strip()) == (130, "")
    assert {line.index("build.web.done") for line in lines} == {
        lines[0].index("build.web.done")
    }
    assert all("\x1b[2m" in line for line in lines)
    assert "\x1b]" not in shown
    assert "\x07" not in shown


# --- the dashboard -------------------------------------------------------------------


async def opened(app: SwarmApp, pilot: Pilot[None]) -> TrafficScreen:
    """Open the mode Traffic, and wait until the hub shows what goes by."""
    await pilot.press("4")
    await until(lambda: isinstance(app.view, TrafficScreen) and app.view.ready, pilot)
    view = app.view
    assert isinstance(view, TrafficScreen)
    await until(lambda: bool(view.tap.pattern and app.model.links), pilot)
    return view


def shows(view: TrafficScreen, link: str, subject: str) -> bool:
    """Say whether a message is on show."""
    return any(
        (one.link, one.subject) == (link, subject) for one in view.messages.shown
    )


def rate(view: TrafficScreen, link: str) -> float:
    """Return how many messages a second came in over a link."""
    row = view.pane.links.get(link)
    return row.rate_in if row else 0.0


async def test_messages_of_the_bus_stand_between_the_hubs_own(
    fresh: RunningHub,
) -> None:
    async with (
        talking(fresh, Event("build.web.done", {"n": 1})),
        dashboard(fresh) as (app, pilot),
    ):
        view = await opened(app, pilot)
        await until(lambda: shows(view, "bus", "build.web.done"), pilot)
        await asyncio.to_thread(fresh.report, "a1", "busy")
        await until(lambda: shows(view, "hub", "agent.busy"), pilot)
        await until(lambda: rate(view, "bus bus") > 0, pilot)
        times = [one.at for one in view.messages.shown]

        assert times == sorted(times)
        assert sum(view.pane.links["bus bus"].buckets) > 0
        assert view.pane.links["hub says"].state == "connected"


async def test_a_letter_that_is_requeued_is_handled(fresh: RunningHub) -> None:
    mended, handled = asyncio.Event(), asyncio.Event()

    async def keep(event: Event) -> None:
        if not mended.is_set():
            raise ValueError(f"the log of build {event.data['n']} is cut off")
        handled.set()

    hub = Endpoint(fresh.url, fresh.token)
    async with (
        HubTransport(hub, name="archive") as archive,
        dashboard(fresh) as (app, pilot),
    ):
        await archive.subscribe("build.*", keep, name="logs", retry=Retry(attempts=1))
        view = await opened(app, pilot)
        await archive.publish(Event("build.web", {"n": 7}))
        await until(lambda: bool(view.pane.letters), pilot)
        (letter,) = view.pane.letters.values()
        assert letter.reason == "ValueError: the log of build 7 is cut off"

        mended.set()
        await pilot.press("left")
        await until(lambda: [*view.letters()] == [letter], pilot)
        await pilot.press("r")
        await asyncio.wait_for(handled.wait(), 10)
        await until(lambda: not view.pane.letters, pilot)


async def test_messages_of_a_broker_are_shown_with_their_link(
    start: Start, tmp_path: Path
) -> None:
    with RedisServer(tmp_path) as server:
        hub = start("--store", "memory", "--bridge", server.url)
        async with open_transport(server.url) as redis, dashboard(hub) as (app, pilot):
            view = await opened(app, pilot)
            speaking = asyncio.create_task(_publish(redis))
            await until(lambda: shows(view, "redis", "sensor.1"), pilot)
            await until(lambda: rate(view, "redis redis") > 0, pilot)
            process = await tap(hub, "--link", "redis", "--count", "1", "--for", "20")
            code, out, _ = await ended(process)
            speaking.cancel()

            assert code == 0
            assert json.loads(out)["data"] == {"value": 4}
            assert view.pane.links["redis redis"].state == "connected"


async def _publish(transport: Any) -> None:
    while True:
        await transport.publish(Event("sensor.1", {"value": 4}))
        await asyncio.sleep(0.1)
