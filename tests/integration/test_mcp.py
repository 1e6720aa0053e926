"""Agents over MCP, with the official client: both transports, every era it speaks."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from server.auth import Keys
from server.mcp.tools import TOOLS
from tests.integration.conftest import RunningHub, Start, launch
from tests.integration.shell import MAIN, Shell

Mode = Literal["auto", "legacy", "2026-07-28"]

VERSIONS: dict[Mode, str] = {
    "auto": "2026-07-28",
    "legacy": "2025-11-25",
    "2026-07-28": "2026-07-28",
}
"""What each mode of the client comes to speak with us."""

NAMES = map("agent-{}".format, count())


class Way(NamedTuple):
    """How a client reaches the hub."""

    transport: Literal["http", "stdio"]
    mode: Mode

    @asynccontextmanager
    async def client(
        self, hub: RunningHub, agent: str = "", token: str = ""
    ) -> AsyncIterator["Talk"]:
        """Connect; with a token, as whoever that is for."""
        if self.transport == "stdio":
            target: Any = stdio(hub, agent, token)
            async with Client(target, mode=self.mode) as client:
                yield Talk(client)
            return
        headers = {"Authorization": f"Bearer {token or hub.token}"}
        address = f"{hub.url}/mcp" + (f"?agent={agent}" if agent else "")
        async with (
            httpx2.AsyncClient(headers=headers, timeout=70, trust_env=False) as http,
            Client(
                streamable_http_client(address, http_client=http), mode=self.mode
            ) as client,
        ):
            yield Talk(client)


class Talk:
    """A client, and the progress that it was told of."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.version = client.protocol_version
        self.progress: list[tuple[float, float | None]] = []

    async def raw(self, tool: str, **said: Any) -> CallToolResult:
        async def hear(
            progress: float, total: float | None, message: str | None
        ) -> None:
            self.progress.append((progress, total))

        return await self.client.call_tool(tool, said, progress_callback=hear)

    async def __call__(self, tool: str, **said: Any) -> dict[str, Any]:
        """Call a tool that does what it should."""
        result = await self.raw(tool, **said)
        assert not result.is_error, result
        assert isinstance(result.structured_content, dict)
        assert json.loads(text_of(result)) == result.structured_content
        return result.structured_content

    async def refused(self, tool: str, **said: Any) -> str:
        """Call a tool that refuses; return the sentence."""
        result = await self.raw(tool, **said)
        assert result.is_error, result
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert content.type == "text"
    return content.text


def stdio(hub: RunningHub, agent: str, token: str = "") -> StdioServerParameters:
    ours = {"SWARMTUI_AGENT": agent, "SWARMTUI_TOKEN": token}
    return StdioServerParameters(
        command=sys.executable,
        args=["-c", MAIN, "mcp"],
        env={
            "SWARMTUI_HOME": str(hub.home),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **{name: value for name, value in ours.items() if value},
        },
    )


WAYS = [
    Way(transport, mode)
    for transport in ("http", "stdio")
    for mode in VERSIONS
]  # fmt: skip


@pytest.fixture(params=WAYS, ids="-".join)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.fixture
def me() -> str:
    return next(NAMES)


def enqueue(hub: RunningHub, task: str, **fields: Any) -> None:
    hub.post("/v1/tasks", {"id": task, "title": task, **fields}).raise_for_status()


def task_of(hub: RunningHub, task: str) -> dict[str, Any]:
    row: dict[str, Any] = hub.get(f"/v1/tasks/{task}").json()["task"]
    return row


def agent_of(hub: RunningHub, agent: str) -> dict[str, Any]:
    row: dict[str, Any] = hub.get(f"/v1/agents/{agent}").json()["agent"]
    return row


async def until_waiting(hub: RunningHub, waiting: int) -> None:
    """Wait until so many calls are under way in the hub."""
    wanted = f"swarmtui_staying {waiting:.1f}"
    while wanted not in hub.get("/metrics").text.splitlines():
        await asyncio.sleep(0.02)


# --- every transport and era ---


async def test_an_agent_does_its_days_work(hub: RunningHub, way: Way, me: str) -> None:
    async with way.client(hub, me) as call:
        await call("notify", status="idle", capabilities=[me])
        waiting = asyncio.create_task(call("wait_for_task", wait=30))
        await until_waiting(hub, 1)
        enqueue(hub, f"T-{me}", needs=[me], body={"page": 7})
        task = (await waiting)["task"]
        busy = await call("notify", status="busy", task=task["id"], progress=0.5)
        extended = task_of(hub, task["id"])
        done = await call("complete", task=task["id"], result={"pages": 3}, cost=0.5)
        again = await call("complete", task=task["id"], result={"pages": 3})

    assert call.version == VERSIONS[way.mode]
    assert (task["title"], task["body"]["page"]) == (f"T-{me}", 7)
    assert busy["status"] == "busy"
    assert extended["progress"] == 0.5
    assert (done["state"], again["state"]) == ("done", "done")
    assert task_of(hub, task["id"])["result"] == {"pages": 3}
    assert agent_of(hub, me)["completed"] == 1
    assert agent_of(hub, me)["status"] == "idle"
    assert call.progress
    assert all(total and done <= total for done, total in call.progress)


async def test_a_person_answers_a_question(hub: RunningHub, way: Way, me: str) -> None:
    async with way.client(hub, me) as call:
        asked = await call("help", question="which?", choices=["a", "b"])
        same = await call("help", question="which?", choices=["a", "b"])
        waiting = asyncio.create_task(
            call("help", question="which?", id=asked["help"], wait=30)
        )
        hub.post(f"/v1/help/{asked['help']}/answer", {"text": "a"}).raise_for_status()
        answered = await waiting
        later = await call("help", question="which?", id=asked["help"])
        mail = (await call("status"))["mail"]

    assert asked == same == {"help": asked["help"], "state": "open", "answer": None}
    assert answered == later
    assert answered["answer"] == "a"
    assert mail == []


async def test_mail_is_handed_over_once(hub: RunningHub, way: Way, me: str) -> None:
    async with way.client(hub, me) as call:
        await call("notify", status="idle")
        waiting = asyncio.create_task(call("wait_for_task", wait=30))
        await until_waiting(hub, 1)
        sent = await call("send", to=me, text="hi", id=f"m-{me}")
        once_more = await call("send", to=me, text="hi", id=f"m-{me}")
        heard = await waiting
        nothing = await call("wait_for_task", wait=0)

    assert sent["recipients"] == 1
    assert once_more["message"] == sent["message"]
    assert heard["task"] is None
    assert [mail["message"]["text"] for mail in heard["mail"]] == ["hi"]
    assert nothing == {"task": None, "mail": []}


async def test_a_blocked_agent_is_seen(hub: RunningHub, way: Way, me: str) -> None:
    async with way.client(hub, me) as call:
        await call("blocked", reason="no key for staging", severity="high")
        status = await call("status")

    assert agent_of(hub, me)["status"] == "blocked"
    assert status["status"] == "blocked"
    assert status["help"]["question"] == "no key for staging"


async def test_a_task_that_failed_is_tried_again(
    hub: RunningHub, way: Way, me: str
) -> None:
    async with way.client(hub, me) as call:
        await call("notify", status="idle")
        enqueue(hub, f"T-{me}", agent=me)
        await call("claim", task=f"T-{me}")
        failed = await call("complete", task=f"T-{me}", failed="the disk is full")

    assert failed["state"] == "scheduled"
    assert task_of(hub, f"T-{me}")["reason"] == "the disk is full"


async def test_what_is_refused_is_an_answer_with_a_remedy(
    hub: RunningHub, way: Way, me: str
) -> None:
    async with way.client(hub, me) as call:
        await call("notify", status="idle")
        unknown = await call.refused("complete", task="T-nowhere")
        wrong = await call.refused("notify", status="asleep")
        missing = await call.refused("blocked")
        extra = await call.refused("claim", tusk="T1")
        both = await call.refused("complete", task="T1", result="x", failed="y")
        with pytest.raises(MCPError, match="there is no tool 'dance': there are"):
            await call.raw("dance")
        alive = await call("status")

    assert "T-nowhere" in unknown
    assert wrong.startswith("status cannot be 'asleep'")
    assert missing == "reason is missing: add it"
    assert extra.startswith("claim has no field 'tusk': it takes agent, task")
    assert both.endswith("send one of them")
    assert alive["id"] == me


async def test_an_agents_token_is_that_agent_and_no_other(
    hub: RunningHub, way: Way, me: str
) -> None:
    token = Keys.load(hub.home).derive(f"agent:{me}")
    async with way.client(hub, token=token) as call:
        tools = (await call.client.list_tools()).tools
        own = await call("notify", status="idle")
        other = await call.refused("notify", status="idle", agent="somebody")

    assert [tool.name for tool in tools] == list(TOOLS)
    assert all("agent" not in tool.input_schema["properties"] for tool in tools)
    assert own["agent"] == me
    assert "use that agent's token" in other


async def test_two_clients_at_once_share_the_work(
    hub: RunningHub, way: Way, me: str
) -> None:
    tasks = {f"T-{me}-{n}" for n in range(6)}

    async def work(agent: str) -> list[str]:
        done = []
        async with way.client(hub, agent) as call:
            await call("notify", status="idle", capabilities=[me])
            while task := (await call("wait_for_task", wait=1))["task"]:
                await call("complete", task=task["id"], fence=task["fence"])
                done.append(task["id"])
        return done

    for task in tasks:
        enqueue(hub, task, needs=[me])
    one, other = await asyncio.gather(work(f"{me}-a"), work(f"{me}-b"))

    assert len(one) + len(other) == len(tasks)
    assert {*one, *other} == tasks
    assert {task_of(hub, task)["state"] for task in tasks} == {"done"}


async def test_a_wait_that_is_called_off_claims_nothing(
    hub: RunningHub, way: Way, me: str
) -> None:
    async with way.client(hub, me) as call:
        await call("notify", status="idle")
        waiting = asyncio.create_task(call("wait_for_task", wait=50))
        await until_waiting(hub, 1)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await until_waiting(hub, 0)
        enqueue(hub, f"T-{me}", agent=me)
        claimed = await call("claim")

    assert claimed["task"]["attempt"] == 1


# --- a hub that goes and comes back ---


@pytest.mark.parametrize("mode", VERSIONS)
async def test_the_bridge_waits_on_when_the_hub_is_killed(
    start: Start, mode: Mode
) -> None:
    hub = start()
    async with Way("stdio", mode).client(hub, "me") as call:
        await call("notify", status="idle")
        waiting = asyncio.create_task(call("wait_for_task", wait=50))
        await until_waiting(hub, 1)
        hub.process.kill()
        hub.process.wait()
        again = start("--port", str(hub.port))
        enqueue(again, "T1", agent="me")
        task = (await waiting)["task"]
        done = await call("complete", task="T1", fence=task["fence"])

    assert task["id"] == "T1"
    assert done["state"] == "done"
    assert task_of(again, "T1")["attempts"] == 1
    assert [done for done, _ in call.progress] == sorted(d for d, _ in call.progress)


@pytest.mark.parametrize("mode", VERSIONS)
async def test_a_client_over_http_goes_on_with_a_hub_that_is_back(
    start: Start, mode: Mode
) -> None:
    hub = start()
    async with Way("http", mode).client(hub, "me") as call:
        waiting = asyncio.create_task(call("wait_for_task", wait=50))
        while not call.progress:  # an answer has begun: the client survives its end
            await asyncio.sleep(0.02)
        hub.process.kill()
        hub.process.wait()
        with pytest.raises(MCPError):
            await waiting
        again = start("--port", str(hub.port))
        enqueue(again, "T1", agent="me")
        task = (await call("wait_for_task", wait=30))["task"]

    assert task["id"] == "T1"


def test_a_key_that_is_used_again_claims_the_same_task(
    hub: RunningHub, me: str
) -> None:
    hub.report(me, "idle")
    enqueue(hub, f"T-{me}-1", agent=me)
    enqueue(hub, f"T-{me}-2", agent=me)

    first, again = (ask(hub, me, "claim", key=f"k-{me}") for _ in range(2))

    assert first["task"]["id"] == again["task"]["id"]
    assert first["task"]["fence"] == again["task"]["fence"]


# --- at the door ---


def post(hub: RunningHub, body: object, **headers: str) -> Any:
    return hub.http.post("/mcp", json=body, headers=headers)


def frame(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def ask(hub: RunningHub, agent: str, tool: str, key: str, **said: Any) -> Any:
    body = frame("tools/call", name=tool, arguments={"agent": agent, **said})
    reply = post(hub, body, **{"idempotency-key": key}).json()
    return reply["result"]["structuredContent"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421), ({"origin": "http://evil.example"}, 403),
        ({"authorization": ""}, 401), ({"authorization": "Bearer guess"}, 401),
        ({"content-type": "text/plain"}, 415),
        ({"mcp-session-id": "guess"}, 404),
        ({"mcp-protocol-version": "1999-01-01"}, 400),
    ],
)  # fmt: skip
def test_who_is_not_let_in_is_told_so_in_the_words_of_the_protocol(
    hub: RunningHub, headers: dict[str, str], status: int
) -> None:
    reply = post(hub, frame("ping"), **headers)

    assert reply.status_code == status
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_no_stream_and_nothing_to_delete(hub: RunningHub, method: str) -> None:
    reply = hub.http.request(method, "/mcp")

    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


def test_a_viewer_may_not(hub: RunningHub) -> None:
    viewer = Keys.load(hub.home).derive("viewer")

    reply = post(hub, frame("ping"), authorization=f"Bearer {viewer}")

    assert reply.status_code == 403


def test_a_notification_is_accepted_and_not_answered(hub: RunningHub) -> None:
    said = {"jsonrpc": "2.0", "method": "notifications/initialized"}

    reply = post(hub, said)

    assert (reply.status_code, reply.text) == (202, "")


def test_a_session_is_of_whoever_has_the_token(hub: RunningHub, me: str) -> None:
    greeting = post(hub, frame("initialize", protocolVersion="2025-06-18"))
    session = greeting.headers["mcp-session-id"]
    mine = f"Bearer {Keys.load(hub.home).derive(f'agent:{me}')}"

    own = post(hub, frame("ping"), **{"mcp-session-id": session})
    other = post(
        hub, frame("ping"), **{"mcp-session-id": session, "authorization": mine}
    )

    assert greeting.json()["result"]["protocolVersion"] == "2025-06-18"
    assert (own.status_code, other.status_code) == (200, 404)


def test_whoever_may_be_anybody_has_to_say_who(hub: RunningHub, me: str) -> None:
    nobody = post(hub, frame("tools/call", name="status"))
    tools = post(hub, frame("tools/list")).json()["result"]["tools"]
    somebody = ask(hub, me, "notify", key="", status="idle")

    assert nobody.json()["result"]["isError"]
    assert "say which agent" in nobody.text or "give agent" in nobody.text
    assert all("agent" in tool["inputSchema"]["required"] for tool in tools)
    assert somebody["agent"] == me


def test_a_token_that_is_revoked_ends_a_wait(hub: RunningHub, me: str) -> None:
    made = hub.post("/v1/tokens", {"role": "agent", "agent": me}).json()

    async def wait_until_revoked() -> str:
        async with Way("http", "legacy").client(hub, token=made["token"]) as call:
            waiting = asyncio.create_task(call.refused("wait_for_task", wait=50))
            await until_waiting(hub, 1)
            hub.post(f"/v1/tokens/{made['row']['id']}/revoke", {}).raise_for_status()
            return await waiting

    assert "the token was revoked" in asyncio.run(wait_until_revoked())


# --- whatever comes in ---

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner)
    ),
    max_leaves=6,
)
FIELDS = sorted({name for tool in TOOLS.values() for name in tool.fields} - {"wait"})
ARGUMENTS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4)
CALLS = st.builds(
    lambda tool, said: {"name": tool, "arguments": {**said, "wait": 0}},
    st.sampled_from(sorted(TOOLS)),
    ARGUMENTS,
)
METHODS = st.sampled_from(
    ["initialize", "ping", "tools/list", "server/discover", "tools/call", "x"]
)
FRAMES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | VALUES},
    optional={"id": VALUES, "method": METHODS | VALUES, "params": VALUES},
)
CALLED = st.builds(
    lambda key, call: {
        "jsonrpc": "2.0", "id": key, "method": "tools/call", "params": call
    },
    st.integers() | st.text(), CALLS,
)  # fmt: skip


@pytest.fixture(scope="module")
def sturdy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    hub = launch(
        tmp_path_factory.mktemp("hub"),
        *("--store", "memory", "--client-rate", "1000000", "--agent-rate", "1000000"),
    )
    yield hub
    hub.process.terminate()
    assert hub.process.stderr is not None
    said = hub.process.stderr.read()
    hub.stop()
    assert "Traceback" not in said


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(frame=FRAMES | CALLED | VALUES)
def test_no_frame_brings_the_hub_down(sturdy: RunningHub, frame: Any) -> None:
    body = json.dumps(frame).encode()

    reply = sturdy.http.post(
        "/mcp?agent=fuzz", content=body, headers={"content-type": "application/json"}
    )

    assert reply.status_code in (200, 202, 400, 404)
    if reply.status_code != 202:
        answer = reply.json()
        assert answer["jsonrpc"] == "2.0"
        assert answer.get("error", {}).get("code") != -32603
        assert ("result" in answer) != ("error" in answer)


# --- the bridge as a process ---


def test_the_bridge_writes_nothing_but_the_protocol(run: Shell, me: str) -> None:
    said = "\n".join(
        [
            "hello", "[]", '{"jsonrpc":"2.0","id":1,"method":"ping"}', "",
            json.dumps(frame("tools/call", name="notify", arguments={"status": "idle"})
                       | {"id": "two"}),
            '{"jsonrpc":"2.0","method":"notifications/initialized"}',
        ]
    )  # fmt: skip

    done = run("mcp", "--agent", me, said=said)
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(str(answer["id"]) for answer in answers) == [
        "1",
        "None",
        "None",
        "two",
    ]
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)


def test_a_bridge_that_is_not_let_in_says_why(run: Shell) -> None:
    said = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'

    done = run("mcp", said=said, SWARMTUI_TOKEN="guess")

    assert "the token is not this hub's" in done.stderr
    assert "the token is not this hub's" in json.loads(done.stdout)["error"]["message"]


def test_a_bridge_without_a_hub_says_so(alone: Shell) -> None:
    process = alone.start("mcp", "--url", "http://127.0.0.1:1", stdin=-1)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    process.stdin.flush()
    told = process.stderr.readline()

    said, more = process.communicate(timeout=30)

    assert told.startswith("agentkit: no hub answers at http://127.0.0.1:1")
    assert (said, more, process.returncode) == ("", "", 0)


def test_a_bridge_with_little_around_it_finds_the_hub_of_the_user(
    hub: RunningHub, alone: Shell, tmp_path: Path
) -> None:
    announced = tmp_path / "run" / "swarmtui" / "hub.json"
    announced.parent.mkdir(parents=True)
    announced.write_bytes((hub.home / "hub.json").read_bytes())
    del alone.environ["SWARMTUI_HOME"]
    place = (
        f"from agentkit.commands import mcp; mcp.RUNTIME = {str(tmp_path / 'run')!r}"
    )
    said = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'

    done = alone("mcp", code=f"{place}; {MAIN}", said=said, HOME=str(tmp_path))

    assert done.stderr == ""
    assert json.loads(done.stdout)["result"] == {}


def test_a_bridge_that_is_disabled_says_so(alone: Shell) -> None:
    done = alone("mcp", said="", SWARMTUI_DISABLE="1")

    assert (done.returncode, done.stdout) == (1, "")
    assert "unset it" in done.stderr
