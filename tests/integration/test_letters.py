"""Letters from a handler that failed to whoever gives them back, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentkit import Coordinator
from agentkit.settings import Endpoint
from agentkit.transports import Event, Letter, Retry
from agentkit.transports.hub import HubTransport
from tests.integration.conftest import RunningHub, Start
from tests.integration.test_views import next_of

QUICK = Retry(attempts=2, first=0.001, most=0.002)


@asynccontextmanager
async def transport(hub: RunningHub, name: str) -> AsyncIterator[HubTransport]:
    async with HubTransport(Endpoint(hub.url, hub.token), name=name) as made:
        yield made


class Worker:
    """A handler that fails until it is well."""

    def __init__(self) -> None:
        self.well = False
        self.done = asyncio.Queue[Event]()

    async def __call__(self, event: Event) -> None:
        if not self.well:
            raise ValueError("unwell")
        await self.done.put(event)


async def eventually(found: Callable[[], list[Any]]) -> list[Any]:
    """Ask the hub until it has something to show."""
    while True:
        rows = await asyncio.to_thread(found)
        if rows:
            return rows
        await asyncio.sleep(0.02)


def letters(hub: RunningHub, subscription: str, **query: Any) -> list[dict[str, Any]]:
    rows = hub.get("/v1/letters", params={"limit": 1000, **query}).json()["letters"]
    return [row for row in rows if row["subscription"] == subscription]


async def fail(hub: RunningHub, worker: Worker, name: str, **data: Any) -> str:
    """Have a message given up; return the id of its letter."""
    async with transport(hub, f"{name}-1") as works, transport(hub, "says") as says:
        await works.subscribe(f"{name}.*", worker, name=name, retry=QUICK)
        await says.publish(Event(f"{name}.made", data))
        (row,) = await eventually(lambda: letters(hub, name))
    key: str = row["id"]
    return key


async def test_a_message_that_a_handler_gave_up_is_kept(
    hub: RunningHub, me: str
) -> None:
    key = await fail(hub, Worker(), me, n=1)

    (row,) = letters(hub, me)
    assert (row["state"], row["id"]) == ("dead", key)
    assert (row["message"]["name"], row["message"]["data"]) == (f"{me}.made", {"n": 1})
    assert (row["pattern"], row["transport"]) == (f"{me}.*", f"{me}-1")
    assert (row["reason"], row["attempts"]) == ("ValueError: unwell", 2)
    assert (row["link"], row["told"]) == ("bus", f"{me}-1")


async def test_a_letter_is_given_to_the_subscription_that_failed(
    hub: RunningHub, me: str
) -> None:
    worker, other = Worker(), Worker()
    other.well = True
    async with transport(hub, "works") as works, transport(hub, "says") as says:
        await works.subscribe(f"{me}.*", worker, name=me, retry=QUICK)
        await works.subscribe(f"{me}.*", other, name=f"{me} other")
        await says.publish(Event(f"{me}.made", {"n": 1}))
        await other.done.get()
        (row,) = await eventually(lambda: letters(hub, me))
        worker.well = True
        reply = hub.post(f"/v1/letters/{row['id']}/requeue", {}).json()
        event = await worker.done.get()

    assert (event.data, event.id) == ({"n": 1}, row["message"]["id"])
    assert reply["letter"]["state"] == "requeued"
    assert reply["events"][0]["subject"] == "letter.requeued"
    assert letters(hub, me, state="dead") == []
    assert other.done.empty()


async def test_a_letter_outlives_hub_and_transport(start: Start) -> None:
    worker = Worker()
    hub = start()
    port = str(hub.port)
    key = await fail(hub, worker, "lasts", n=7)
    hub.process.kill()
    hub.process.wait()

    hub = start("--port", port)
    worker.well = True
    async with transport(hub, "again") as works:
        await works.subscribe("lasts.*", worker, name="lasts")
        hub.post(f"/v1/letters/{key}/requeue", {}).raise_for_status()
        event = await worker.done.get()

    assert event.data == {"n": 7}


async def test_a_requeued_letter_that_fails_again_is_another(
    hub: RunningHub, me: str
) -> None:
    async with transport(hub, "works") as works, transport(hub, "says") as says:
        await works.subscribe(f"{me}.*", Worker(), name=me, retry=QUICK)
        await says.publish(Event(f"{me}.made"))
        (first,) = await eventually(lambda: letters(hub, me))
        hub.post(f"/v1/letters/{first['id']}/requeue", {}).raise_for_status()
        (second,) = await eventually(lambda: letters(hub, me, state="dead"))

    assert second["id"] != first["id"]
    assert second["message"]["letter"] == first["id"]


async def test_a_letter_is_discarded_once(hub: RunningHub, me: str) -> None:
    key = await fail(hub, Worker(), me)

    done = hub.post(f"/v1/letters/{key}/discard", {})
    again = hub.post(f"/v1/letters/{key}/discard", {})
    shown = hub.get(f"/v1/letters/{key}").json()["letter"]

    assert done.json()["letter"]["state"] == "discarded"
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (shown["state"], shown["by"]) == ("discarded", "operator")


async def test_letters_come_in_pages(hub: RunningHub, me: str) -> None:
    async with transport(hub, "tells") as tells:
        for number in range(5):
            await tells.tell(told(f"{me}-{number}", me))

    ids: list[str] = []
    after: dict[str, int] = {}
    while True:
        page = hub.get("/v1/letters", params={"limit": 2, **after}).json()
        ids += [row["id"] for row in page["letters"] if row["subscription"] == me]
        if page["next"] is None:
            break
        after = {"before": page["next"]}

    assert ids == [f"{me}-{number}" for number in reversed(range(5))]


def told(key: str, subscription: str, **data: Any) -> Event:
    """Return what tells the hub of a letter."""
    letter = Letter(
        id=key,
        event=Event("job.made", data),
        pattern="job.*",
        subscription=subscription,
        transport="worker",
        reason="ValueError: no",
        attempts=3,
    )
    return Event("_dead", letter.as_data())


@pytest.mark.parametrize("key", ["unknown", "%00", "a/b"])
@pytest.mark.parametrize("step", ["", "/requeue", "/discard"])
async def test_an_unknown_letter_is_not_found(
    hub: RunningHub, key: str, step: str
) -> None:
    path = f"/v1/letters/{key}{step}"
    reply = hub.post(path, {}) if step else hub.get(path)

    assert reply.status_code == 404


async def test_what_is_no_letter_is_refused(hub: RunningHub) -> None:
    async with hub.open("/v1/bus") as line:
        await line.say("hello", name="lies")
        await line.hear("welcome")
        for number, data in enumerate(({}, {"id": 1}, {"id": "x", "event": "none"})):
            event = {"id": "1", "name": "_dead", "data": data}
            await line.say("publish", id=number, event=event)
            refused = await line.hear("error")
            assert (refused["id"], refused["code"]) == (number, "invalid")


async def test_only_an_operator_gives_letters_back(hub: RunningHub, me: str) -> None:
    key = await fail(hub, Worker(), me)
    viewer = hub.post("/v1/tokens/viewer/derive").json()["token"]
    headers = {"Authorization": f"Bearer {viewer}"}

    seen = hub.get("/v1/letters", headers=headers)
    done = hub.post(f"/v1/letters/{key}/requeue", {}, headers=headers)

    assert seen.status_code == 200
    assert done.status_code == 403


async def test_a_coordinator_sees_letters_and_gives_them_back(
    hub: RunningHub, me: str
) -> None:
    worker = Worker()
    async with (
        Coordinator(Endpoint(hub.url, hub.token)) as swarm,
        transport(hub, "works") as works,
    ):
        changes = swarm.changes()
        await works.subscribe(f"{me}.*", worker, name=me, retry=QUICK)
        await works.publish(Event(f"{me}.made"))
        turn = await next_of(changes, "turn")
        worker.well = True
        (letter,) = [row for row in await swarm.letters() if row.subscription == me]
        await swarm.unbury(letter.id)
        await worker.done.get()
        await swarm.discard(letter.id)
        states = {row.id: row.state for row in await swarm.letters(dead=False)}

    assert [heard.subject for heard in turn.events] == ["letter.dead"]
    assert (letter.subject, letter.state) == (f"{me}.made", "dead")
    assert states[letter.id] == "discarded"
