"""The desk: what it notes, what it finds at a start, and a store that is full."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkit.protocol import Claim, Fail, Launch, Notify, TaskLeased, Tick
from server.alerts import desk as desk_module
from server.alerts.desk import NOTE, Desk
from server.alerts.targets import targets
from server.auth import Keys
from server.hub import Hub
from server.serve import furnish
from server.settings import load_settings
from server.store.base import StoreError
from server.store.memory import MemoryStore
from tests.integration.receivers import Hooks, hooks
from tests.unit.server.alerts.test_facts import PLAN


class Full(MemoryStore):
    """A store with room for the log, and for no note while it is full."""

    full = False

    async def put_note(self, name: str, text: str) -> None:
        if self.full:
            raise StoreError("the disk is full: free some space there, then try again")
        await super().put_note(name, text)


class Place:
    """Hubs over one store, and the desk of the one that runs."""

    def __init__(self, folder: Path, receiver: Hooks) -> None:
        self.store = Full()
        self.receiver = receiver
        self._folder = folder
        self.hub: Hub
        self.desk: Desk

    async def start(self, **flags: Any) -> None:
        settings = load_settings({"data_dir": str(self._folder), **flags})
        self.hub = Hub(self.store)
        await self.hub.start()
        keys = Keys.load(settings.folder, settings.token_file)
        found = targets([f"json://{self.receiver.place}/x"])
        self.desk = Desk(furnish(settings, self.hub, keys), found)

    async def stop(self) -> None:
        await self.desk.close()
        await self.hub.stop()

    async def ask(self, agent: str) -> None:
        await self.hub.submit(Notify(agent=agent, report="help", message="?"))

    async def hear(self) -> str:
        post = await asyncio.to_thread(self.receiver.next)
        return str(post.body["title"]).removeprefix("swarmtui: ")

    async def noted(self) -> str:
        return await self.store.note(NOTE)

    async def noted_anew(self, before: str) -> str:
        """Return the note once it is another one than before."""
        async with asyncio.timeout(30):
            while (now := await self.noted()) == before:
                await asyncio.sleep(0.01)
        return now

    async def fail_one(self) -> None:
        """Let an agent fail at an item of a run, for good."""
        claimed = await self.hub.submit(Claim(agent="a1", capabilities=("first",)))
        leased = next(e for _, e in claimed.events if isinstance(e, TaskLeased))
        task, fence = leased.task, leased.fence
        await self.hub.submit(Fail(agent="a1", task=task, fence=fence, final=True))


@pytest.fixture
def receiver() -> Iterator[Hooks]:
    with hooks() as running:
        yield running


@pytest.fixture
async def place(
    tmp_path: Path, receiver: Hooks, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    monkeypatch.setattr(desk_module, "GATHER", 0.01)
    monkeypatch.setattr(desk_module, "LOOK", 0.01)
    place = Place(tmp_path, receiver)
    await place.start()
    yield place
    await place.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_desk_that_never_began_notes_nothing(place: Place) -> None:
    await place.store.put_note(NOTE, "what was told")

    await place.desk.close()

    assert await place.noted() == "what was told"


async def test_what_is_open_is_noted_before_anything_is_told(place: Place) -> None:
    await place.ask("web-1")

    await place.desk.open()

    assert '"help"' in await place.noted()


async def test_what_alerts_are_not_about_is_not_told_after_a_start(
    place: Place,
) -> None:
    await place.desk.open()
    await place.stop()
    await place.start(alerts_about="lost")
    await place.ask("web-1")
    await place.desk.open()
    await place.stop()

    await place.start()
    await place.desk.open()

    assert await place.hear() == "web-1 needs help"


async def test_what_was_told_already_and_comes_up_once_more_is_noted_too(
    place: Place,
) -> None:
    await place.desk.open()
    await place.hub.submit(Launch(id="R", plan=PLAN))
    await place.hub.submit(Tick())
    await place.fail_one()
    assert await place.hear() == "in run R an item failed for good"
    before = await place.noted_anew('{"told":[],"owed":{}}')

    await place.fail_one()

    assert await place.noted_anew(before)


async def test_what_could_not_be_noted_is_noted_when_there_is_room_again(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    await place.desk.open()
    place.store.full = True
    await place.ask("web-1")
    assert await place.hear() == "web-1 needs help"
    await until(lambda: "is not noted" in caplog.text)
    before = await place.noted()

    place.store.full = False

    assert '"help"' in await place.noted_anew(before)
    assert "the disk is full" in caplog.text
