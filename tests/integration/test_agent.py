"""The agents' client against a real hub: nothing lost, nothing twice."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Coordinator, questions
from agentkit.agent import Mail
from agentkit.errors import Conflict, HubRefused, HubUnavailable, Unanswered
from agentkit.rows import Delivery, HelpRequest
from agentkit.settings import Endpoint

Start = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let clients find the hub that a test starts."""
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    for name in ("SWARMTUI_URL", "SWARMTUI_TOKEN", "SWARMTUI_AGENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def me(hub: Any, monkeypatch: pytest.MonkeyPatch, home: Path) -> str:
    """Let clients find the hub that all tests share; return an agent of one's own."""
    monkeypatch.setenv("SWARMTUI_HOME", str(hub.home))
    return home.name


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


async def tasks_reported(swarm: Coordinator, agent: str) -> list[str]:
    """Return the tasks of an agent's reports, oldest first."""
    events = await swarm.history(agent, limit=1000)
    found = [e.event for e in reversed(events) if e.event.subject == "agent.busy"]
    return [getattr(event, "task") for event in found]  # noqa: B009


def asked(swarm: Coordinator, agent: str) -> list[HelpRequest]:
    return [request for request in swarm.helps.values() if request.agent == agent]


async def mail_of(swarm: Coordinator, agent: str) -> dict[str, Delivery]:
    return {row.ref: row for row in await swarm.mailbox(agent)}


async def test_reports_reach_the_hub_in_order(me: str) -> None:
    async with Coordinator() as swarm, Agent(me, capabilities=["video"]) as agent:
        for number in range(20):
            await agent.busy(f"T{number}")
        await agent.flush()

        assert await tasks_reported(swarm, me) == [f"T{n}" for n in range(20)]
        await until(lambda: swarm.agents[me].task == "T19")
        row = swarm.agents[me]
        assert (row.status, row.via, row.linked) == ("busy", "ws", True)
        assert row.capabilities == ("video",)


async def test_changed_capabilities_go_out_with_the_next_report(me: str) -> None:
    async with Coordinator() as swarm, Agent(me, capabilities=["video"]) as agent:
        agent.capabilities = ("audio",)
        await agent.idle()
        await agent.flush()

        await until(lambda: swarm.agents[me].capabilities == ("audio",))


async def test_nothing_is_lost_or_twice_when_the_hub_is_killed(start: Start) -> None:
    hub = start()
    async with Agent("a1") as agent:
        for number in range(100):
            if number in (30, 60):
                hub.process.kill()
            if number in (45, 75):
                hub = start()
            await agent.busy(f"T{number}")
            await asyncio.sleep(0)
        await agent.flush(10)

        async with Coordinator() as swarm:
            expected = [f"T{n}" for n in range(100)]
            assert await tasks_reported(swarm, "a1") == expected


async def test_reports_do_not_wait_for_a_hub_that_is_away(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async with Agent("a1") as agent:
        assert caplog.text.count("no hub answers at http://127.0.0.1:8765") == 1
        await agent.busy("T1")
        with pytest.raises(HubUnavailable, match="1 reports of a1 are not stored"):
            await agent.flush(0.01)

        start()
        await agent.flush(10)


async def test_a_hub_without_memory_gets_what_is_left(start: Start) -> None:
    hub = start("--store", "memory")
    async with Agent("a1") as agent:
        await agent.busy("T1")
        await agent.flush()
        hub.process.kill()
        await until(lambda: agent.link.state != "live")
        await agent.busy("T2")

        start("--store", "memory")
        await agent.flush(10)

        async with Coordinator() as swarm:
            assert await tasks_reported(swarm, "a1") == ["T2"]


async def test_a_durable_outbox_survives_the_process(start: Start) -> None:
    async with Agent("a1", durable=True) as agent:
        await agent.busy("T1")
        await agent.busy("T2")

    start()
    async with Agent("a1", durable=True) as agent, Coordinator() as swarm:
        await agent.flush()

        assert await tasks_reported(swarm, "a1") == ["T1", "T2"]


async def test_a_durable_agent_runs_once(home: Path) -> None:
    async with Agent("a1", durable=True):
        with pytest.raises(Conflict, match="another process is the same agent"):
            await Agent("a1", durable=True).__aenter__()


async def test_a_task_is_done_when_it_is_reported_completed(me: str) -> None:
    async with Coordinator() as swarm, Agent(me) as agent:
        mails: list[Mail] = []

        @agent.on_task
        async def work(mail: Mail) -> None:
            mails.append(mail)
            await agent.busy(mail.ref)
            await agent.completed(mail.ref)

        await swarm.assign(me, f"{me}-T", title="Draw", body={"file": "map.png"})

        await until(lambda: swarm.tasks[f"{me}-T"].state == "done")
        (mail,) = mails
        assert (mail.ref, mail.text, mail.by) == (f"{me}-T", "Draw", "operator")
        assert mail.body["file"] == "map.png"


async def test_a_handled_broadcast_is_done(me: str) -> None:
    async with Coordinator() as swarm, Agent(me) as agent:
        heard: list[str] = []

        @agent.on_broadcast
        async def listen(mail: Mail) -> None:
            heard.append(mail.text)

        sent = await swarm.broadcast("stop at ten", where=f"agent:{me}")

        await until(lambda: swarm.broadcasts[sent.broadcast].done == 1)
        assert heard == ["stop at ten"]


async def test_mail_without_a_handler_waits_for_one(me: str) -> None:
    async with Coordinator() as swarm, Agent(me) as agent:
        sent = await swarm.broadcast("early", where=f"agent:{me}")
        await until(lambda: swarm.broadcasts[sent.broadcast].acked == 1)
        heard = asyncio.Event()

        @agent.on_broadcast
        async def listen(_: Mail) -> None:
            heard.set()

        await asyncio.wait_for(heard.wait(), 5)


async def test_a_slow_handler_delays_no_other_kind(me: str) -> None:
    async with Coordinator() as swarm, Agent(me) as agent:
        heard, release = asyncio.Event(), asyncio.Event()

        @agent.on_task
        async def work(_: Mail) -> None:
            await release.wait()

        @agent.on_broadcast
        async def listen(_: Mail) -> None:
            heard.set()

        await swarm.assign(me, f"{me}-T")
        await swarm.broadcast("hello", where=f"agent:{me}")
        await asyncio.wait_for(heard.wait(), 5)
        release.set()


async def test_a_task_whose_handler_fails_blocks_the_agent(
    me: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Coordinator() as swarm, Agent(me) as agent:

        @agent.on_task
        async def work(_: Mail) -> None:
            raise ValueError("no such file")

        await swarm.assign(me, f"{me}-T")

        await until(lambda: swarm.agents[me].status == "blocked")
        assert "ValueError: no such file" in swarm.agents[me].message
        assert swarm.tasks[f"{me}-T"].state != "done"
        assert f"the handler of task {me}-T failed" in caplog.text


async def test_mail_that_came_while_away_is_handed_out_once(start: Start) -> None:
    hub = start()
    heard: list[str] = []
    async with Agent("a1") as agent:

        @agent.on_broadcast
        async def listen(mail: Mail) -> None:
            heard.append(mail.text)

        async with Coordinator() as swarm:
            for text in ("one", "two"):
                await swarm.broadcast(text)
            await until(lambda: heard == ["one", "two"])
        hub.process.kill()
        start()
        async with Coordinator() as swarm:
            sent = await swarm.broadcast("three")
            await until(lambda: heard == ["one", "two", "three"])
            await until(lambda: swarm.broadcasts[sent.broadcast].done == 1)

            states = {row.state for row in (await mail_of(swarm, "a1")).values()}
            assert states == {"done"}


@pytest.mark.parametrize("durable", [False, True])
async def test_a_hub_with_another_and_longer_log_skips_no_mail(
    start: Start, *, durable: bool
) -> None:
    hub = start("--store", "memory")
    heard: list[str] = []
    async with Agent("a1", durable=durable) as agent:

        @agent.on_broadcast
        async def listen(mail: Mail) -> None:
            heard.append(mail.text)

        async with Coordinator() as swarm:
            await swarm.broadcast("one")
            await until(lambda: heard == ["one"])
        hub.process.kill()
        await until(lambda: agent.link.state != "live")

        other = start("--store", "memory", "--port", "0", home=hub.home / "other")
        other.report("a1", "idle")
        other.http.post("/v1/broadcasts", json={"text": "two"}).raise_for_status()
        for number in range(20):
            other.report(f"b{number}", "idle")
        told = hub.home / "hub.json"
        told.write_text((hub.home / "other" / "hub.json").read_text())
        await until(lambda: heard == ["one", "two"])


async def test_a_question_is_answered(me: str) -> None:
    async with Coordinator() as swarm:
        async with Agent(me) as agent:
            asking = asyncio.create_task(
                agent.ask("which one?", choices=["a", "b"], severity="high", timeout=10)
            )
            await until(lambda: bool(asked(swarm, me)))
            (request,) = asked(swarm, me)
            assert (request.question, request.choices) == ("which one?", ("a", "b"))
            assert request.severity == "high"

            await swarm.answer(request.id, "b")

            assert await asking == "b"
        assert (await mail_of(swarm, me))[request.id].state == "done"


async def test_an_answer_survives_a_restart_of_the_hub(start: Start) -> None:
    hub = start()
    async with Agent("a1") as agent:
        asking = asyncio.create_task(agent.ask("which one?", timeout=20))
        await asyncio.sleep(0)
        await agent.flush()
        hub.process.kill()
        start()
        async with Coordinator() as swarm:
            (request,) = swarm.helps.values()
            await swarm.answer(request.id, "b")

            assert await asking == "b"


async def test_a_late_answer_goes_to_the_handler(me: str) -> None:
    async with Coordinator() as swarm, Agent(me) as agent:
        late: list[str] = []

        @agent.on_answer
        async def listen(mail: Mail) -> None:
            late.append(mail.text)

        with pytest.raises(TimeoutError, match="nobody answered 'which one\\?'"):
            await agent.ask("which one?", timeout=0.01)
        await until(lambda: bool(asked(swarm, me)))
        await swarm.answer(asked(swarm, me)[0].id, "b")

        await until(lambda: late == ["b"])


async def test_who_waits_for_an_answer_learns_that_there_will_be_none(
    me: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "LOOK", 0.01)
    async with Coordinator() as swarm, Agent(me) as agent:
        asking = asyncio.create_task(agent.ask("which one?"))
        await until(lambda: bool(asked(swarm, me)))
        await swarm.resolve(asked(swarm, me)[0].id, note="it does not matter")

        with pytest.raises(Unanswered, match=r"(?s)which one.*it does not matter"):
            await asking


async def test_a_helper_is_told_whom_to_help(me: str) -> None:
    async with Coordinator() as swarm, Agent(me) as asker, Agent(f"{me}-2") as helper:
        calls: list[Mail] = []

        @helper.on_helper
        async def listen(mail: Mail) -> None:
            calls.append(mail)

        await asker.help("how?")
        await until(lambda: bool(asked(swarm, me)))
        await swarm.assign_helper(asked(swarm, me)[0].id, f"{me}-2", note="you know it")

        await until(lambda: bool(calls))
        assert calls[0].text == "how?"
        assert calls[0].body["agent"] == me


async def test_a_newer_connection_takes_over_for_good(me: str) -> None:
    async with Agent(me) as older:
        async with Agent(me) as newer:
            with pytest.raises(HubRefused, match="a newer connection of agent"):
                await asyncio.wait_for(older.run_forever(), 5)
            with pytest.raises(HubRefused):
                await older.busy("T1")
            await newer.busy("T2")
            await newer.flush()
        assert older.link.state == "closed"


async def test_a_wrong_token_is_refused_on_entering(me: str, hub: Any) -> None:
    wrong = Endpoint(hub.url, "wrong")

    with pytest.raises(HubRefused, match="token"):
        await Agent(me, hub=wrong).__aenter__()


async def test_what_is_no_hub_is_refused_on_entering() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(HubRefused, match="is not a swarmtui hub"):
            await Agent("a1", hub=Endpoint(f"http://127.0.0.1:{port}")).__aenter__()


async def test_leaving_says_goodbye(me: str) -> None:
    async with Coordinator() as swarm:
        async with Agent(me) as agent:
            await agent.busy("T1")

        await until(lambda: me in swarm.agents and not swarm.agents[me].linked)
        events = await swarm.history(me, limit=1)
        assert getattr(events[0].event, "reason") == "it said goodbye"  # noqa: B009
        assert swarm.agents[me].task == "T1"
