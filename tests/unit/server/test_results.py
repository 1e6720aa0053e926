"""Who waits for a result, and which files are swept while others come and go."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentkit.addresses import Address
from agentkit.errors import Conflict, HubUnavailable
from agentkit.protocol import DeleteResult, WriteResult
from server.hub import Hub
from server.results import Results
from server.retention import Retention
from server.store import SQLiteStore
from server.store.result_files import Draft, LostFile, names

WHERE = Address("r1", "x")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub(SQLiteStore(tmp_path / "hub.db"))
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def results(hub: Hub) -> Results:
    results = Results(hub)
    await results.open()
    return results


def drafted(results: Results, data: bytes) -> Draft:
    draft = results.files.draft()
    draft.write(data)
    draft.finish()
    return draft


def there(results: Results) -> set[str]:
    return set(names(results.files.folder))


async def write(hub: Hub, results: Results, address: Address, data: bytes) -> str:
    draft = drafted(results, data)
    async with results.pinned(draft.digest):
        draft.keep()
        await hub.submit(WriteResult(**address._asdict(), file=draft.digest))
    return draft.digest


async def delete(hub: Hub, results: Results, address: Address) -> None:
    before = await hub.store.result(*address)
    await hub.submit(DeleteResult(**address._asdict()))
    results.replaced(before)


# --- what goes ---


async def test_files_go_with_their_rows_and_no_others(
    hub: Hub, results: Results
) -> None:
    one = await write(hub, results, WHERE, b"one")
    other = await write(hub, results, Address("r1", "y"), b"other")
    await delete(hub, results, WHERE)

    removed = await results.sweep()

    assert removed == 1
    assert there(results) == {other} != {one}
    assert results.load == (1, 5)
    assert await results.sweep() == 0


async def test_a_file_that_two_rows_name_goes_with_the_second(
    hub: Hub, results: Results
) -> None:
    digest = await write(hub, results, WHERE, b"same")
    await write(hub, results, Address("r2", "x"), b"same")

    await delete(hub, results, WHERE)
    await results.sweep()
    first = there(results)
    await delete(hub, results, Address("r2", "x"))
    await results.sweep()

    assert first == {digest}
    assert there(results) == set()


async def test_what_was_left_by_a_killed_hub_is_swept_as_the_next_one_starts(
    hub: Hub, results: Results
) -> None:
    kept = await write(hub, results, WHERE, b"kept")
    drafted(results, b"no row came").keep()
    half = results.files.draft()
    half.write(b"half")

    await Results(hub).open()

    assert there(results) == {kept}
    assert [path.name for path in results.files.folder.glob("part-*")] == []
    half.discard()


async def test_what_is_no_longer_kept_goes_with_its_file(tmp_path: Path) -> None:
    days = 0
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    hub = Hub(
        SQLiteStore(tmp_path / "hub.db"), clock=lambda: begin + timedelta(days=days)
    )
    await hub.start()
    results = Results(hub)
    await results.open()
    await write(hub, results, WHERE, b"old")
    days = 10
    young = await write(hub, results, Address("r2", "x"), b"young")

    await Retention(hub, timedelta(days=7), 1 << 40).round()
    removed = await results.sweep()

    assert removed == 1
    assert there(results) == {young}
    assert await results.find(WHERE) is None
    await hub.stop()


async def test_a_file_whose_row_is_on_its_way_is_not_swept(
    hub: Hub, results: Results
) -> None:
    await write(hub, results, Address("r1", "y"), b"gone")
    await delete(hub, results, Address("r1", "y"))
    draft = drafted(results, b"on its way")

    async with results.pinned(draft.digest):
        draft.keep()
        await results.sweep()
        meanwhile = there(results)
        await hub.submit(WriteResult(**WHERE._asdict(), file=draft.digest))

    assert meanwhile == {draft.digest}


async def test_a_file_that_comes_back_while_the_sweep_is_under_way_stays(
    hub: Hub, results: Results
) -> None:
    """Its row came after the sweep had asked which files there are rows of."""
    for number in range(20):
        await write(hub, results, Address("r1", str(number)), b"%d" % number)
        await delete(hub, results, Address("r1", str(number)))

    sweeping = asyncio.create_task(results.sweep())
    for number in range(20):
        await write(hub, results, Address("r2", str(number)), b"%d" % number)
    await sweeping
    await results.sweep()

    for digest in await hub.store.files():
        with closing(results.files.open(digest)) as content:
            assert content.read()
    assert len(there(results)) == 20


async def test_while_a_copy_is_made_nothing_is_swept(
    hub: Hub, results: Results
) -> None:
    digest = await write(hub, results, WHERE, b"x")
    await delete(hub, results, WHERE)

    async with results.unswept():
        assert await results.sweep() == 0
        assert there(results) == {digest}
    await results.sweep()

    assert there(results) == set()


async def refused(results: Results, draft: Draft) -> None:
    async with results.pinned(draft.digest):
        draft.keep()
        raise Conflict("no")


async def test_a_wish_that_is_refused_leaves_a_file_for_the_next_sweep(
    hub: Hub, results: Results
) -> None:
    draft = drafted(results, b"x")

    with pytest.raises(Conflict):
        await refused(results, draft)

    assert await results.sweep() == 1


# --- what is lost ---


async def test_lost_and_damaged_files_are_told(hub: Hub, results: Results) -> None:
    lost = await write(hub, results, Address("r1", "lost"), b"lost")
    harmed = await write(hub, results, Address("r1", "harmed"), b"harmed")
    await write(hub, results, Address("r1", "sound"), b"sound")
    folder = results.files.folder
    (folder / lost[:2] / lost).unlink()
    (folder / harmed[:2] / harmed).write_bytes(b"harmEd")

    said = await results.problems(20)

    assert sorted(said) == sorted(
        [
            f"the file {lost} of a result is missing",
            f"the file {harmed} of a result is damaged",
        ]
    )
    assert len(await results.problems(1)) == 1


async def test_who_finds_the_file_gone_reads_what_took_its_place(
    hub: Hub, results: Results
) -> None:
    await write(hub, results, WHERE, b"old")
    row = await results.find(WHERE)
    assert row is not None
    await write(hub, results, WHERE, b"new")
    results.replaced(row)
    await results.sweep()

    newer, content = await results.open_content(row)

    with closing(content):
        assert content.read() == b"new"
    assert newer.version > row.version
    await delete(hub, results, WHERE)
    await results.sweep()
    with pytest.raises(LostFile):
        await results.open_content(newer)


# --- who waits ---


async def test_who_waits_is_woken_by_the_write(hub: Hub, results: Results) -> None:
    waiting = asyncio.create_task(results.find_within(WHERE, 60))
    while not results.waiting:
        await asyncio.sleep(0)

    await hub.submit(WriteResult(run="r1", name="other", value=1))
    await hub.submit(WriteResult(**WHERE._asdict(), value=2))

    row = await waiting
    assert row is not None
    assert row.value == 2
    assert results.waiting == 0


async def test_what_is_there_is_not_waited_for(hub: Hub, results: Results) -> None:
    await hub.submit(WriteResult(**WHERE._asdict(), value=None))

    row = await results.find_within(WHERE, 1e9)

    assert row is not None


async def test_nothing_comes_and_the_time_is_over(results: Results) -> None:
    assert await results.find_within(WHERE, 0.01) is None
    assert results.waiting == 0


async def test_a_hub_that_stops_ends_every_wait(results: Results) -> None:
    waiting = asyncio.create_task(results.find_within(WHERE, 60))
    while not results.waiting:
        await asyncio.sleep(0)

    results.release()

    with pytest.raises(HubUnavailable, match="stopping"):
        await waiting
    with pytest.raises(HubUnavailable, match="stopping"):
        await results.find_within(WHERE, 60)


async def test_a_result_outlives_the_hub(
    hub: Hub, results: Results, tmp_path: Path
) -> None:
    data = os.urandom(100_000)
    await write(hub, results, WHERE, data)
    await hub.stop()
    again = Hub(SQLiteStore(tmp_path / "hub.db"))
    await again.start()
    results = Results(again)
    await results.open()

    row = await results.find(WHERE)
    assert row is not None
    _, content = await results.open_content(row)

    with closing(content):
        assert content.read() == data
    await again.stop()
