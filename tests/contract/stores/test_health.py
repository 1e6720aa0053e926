"""Whether a store can be written, and which one it is; what is noted in it."""

from datetime import timedelta
from pathlib import Path

from agentkit.protocol import (
    HubStarted,
    Logged,
)
from agentkit.rows import (
    Receipt,
)
from server.core.tables import Tables, Turn
from server.store import MemoryStore, SQLiteStore, Store
from tests.contract.stores.rows import (
    NOW,
    agent_row,
    joined,
    reopen,
    write,
)


async def test_a_store_proves_that_it_can_be_written(store: Store) -> None:
    await write(store, joined("a1"), rows=(agent_row("a1"),))
    before = await store.load()

    assert await store.check() == "writable"
    assert await store.load() == before


async def test_closing_twice_is_harmless(store: Store) -> None:
    await store.close()
    await store.close()

    await store.open()


async def test_a_store_is_recognised_when_it_is_opened_again(store: Store) -> None:
    before = store.identity

    await reopen(store)

    assert before
    assert store.identity == before


async def test_another_store_is_another(store: Store, tmp_path: Path) -> None:
    other = SQLiteStore(tmp_path / "other.db")
    await other.open()
    await other.close()

    assert store.identity not in ("", other.identity, MemoryStore().identity)


async def test_a_note_stays_until_the_next_one_under_its_name(store: Store) -> None:
    assert await store.note("alerts") == ""

    await store.put_note("alerts", "old")
    await store.put_note("alerts", "new")
    await store.put_note("others", "é")
    await reopen(store)

    assert await store.note("alerts") == "new"
    assert await store.note("others") == "é"


async def test_a_note_is_not_trimmed_with_the_log(store: Store) -> None:
    await store.put_note("alerts", "{}")
    await write(store, joined("a1"), rows=(agent_row("a1"),))

    await store.trim(NOW + timedelta(days=1), 0)

    assert await store.note("alerts") == "{}"


async def test_a_receipt_is_read_however_many_came_after_it(store: Store) -> None:
    receipts = {
        key: Receipt(key=key, at=NOW, first=1, last=1, wish="Enqueue")
        for key in ("agent:ann:k 1", "k2")
    }
    event = Logged(1, HubStarted(at=NOW, version="1"))
    await store.turn(lambda _: Turn((event,), Tables(receipts=dict(receipts))))

    assert await store.receipt("agent:ann:k 1") == receipts["agent:ann:k 1"]
    assert await store.receipt("k3") is None
