"""Whatever is wrong with a setting or an address, its secrets are shown to nobody."""

from collections.abc import Callable

import pytest

from agentkit.a2a.peer import Address, Peer
from agentkit.errors import AgentkitError
from agentkit.readers import masked
from agentkit.settings import KitSettings, entries, load
from agentkit.transports import open_transport
from agentkit.transports.nats_address import Address as NatsAddress
from agentkit.transports.redis_address import Address as RedisAddress
from server.settings import Settings
from swarmtui.preferences import Preferences

SECRET = "hunter2"
TABLES: dict[str, type] = {"kit": KitSettings, "hub": Settings, "me": Preferences}
GUARDED = {
    *(("kit", "token"), ("kit", "url")),
    *((table, "storage_master_key") for table in ("kit", "hub")),
    *((table, "storage_master_key_previous") for table in ("kit", "hub")),
    *(("hub", "bridge"), ("hub", "alerts")),
}
"""The settings that may hold a secret."""

BROKEN = (
    f"redis://me:{SECRET}@host\x07",
    f"http://me:{SECRET}@host",
    f"http://:{SECRET}@host",
    f"http://me:pa/{SECRET}@host",
    f"http://host/?token={SECRET}",
    f"http://host/#{SECRET}",
    f"redis//me:{SECRET}@host",
    f"redis://me:{SECRET}@host:port",
    f"redis://me:pa?{SECRET}@host",
    f"redis://me:pa?{SECRET}=x@host",
    f"redis://me:pa?name=\x07{SECRET}@host",
    f"nats://me:pa://{SECRET}@host",
    f"nats://me:{SECRET}@host:port",
    f"kafka://me:{SECRET}@host",
    f"{SECRET}@host",
)
"""Addresses that nobody can use."""


def complaint(use: Callable[[], object]) -> str:
    """Return what is said against something; empty when it is fine."""
    try:
        use()
    except AgentkitError as error:
        return str(error)
    return ""


async def find(url: str) -> None:
    async with Peer.found(Address(url)):
        raise AssertionError("it is an address after all")


def test_the_settings_that_may_hold_a_secret_are_known() -> None:
    found = {
        (key, name)
        for key, table in TABLES.items()
        for name, entry in entries(table).items()
        if entry.shown is not repr
    }

    assert found == GUARDED


@pytest.mark.parametrize(("table", "name"), sorted(GUARDED))
@pytest.mark.parametrize("raw", [*BROKEN, f"{SECRET}\x07", [f"{SECRET}\x07"], {SECRET}])
def test_a_setting_that_cannot_be_read_is_named_and_not_shown(
    table: str, name: str, raw: object
) -> None:
    said = complaint(lambda: load(TABLES[table], flags={name: raw}, environ={}))

    assert not said or said.startswith(f"{name} cannot be ")
    assert SECRET not in said or (name == "url" and raw not in BROKEN)


@pytest.mark.parametrize("url", BROKEN)
@pytest.mark.parametrize(
    "use",
    [
        open_transport,
        lambda url: RedisAddress(url=url),
        lambda url: NatsAddress(url=url),
    ],
    ids=["transport", "redis", "nats"],
)
def test_an_address_of_a_broker_is_shown_without_its_login(
    use: Callable[[str], object], url: str
) -> None:
    assert SECRET not in complaint(lambda: use(url))


@pytest.mark.parametrize("url", BROKEN)
async def test_an_address_of_an_agent_is_shown_without_its_login(url: str) -> None:
    with pytest.raises(AgentkitError) as caught:
        await find(url)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://host:80/path", "'http://host:80/path'"),
        (f"http://me:{SECRET}@host/", "'http://…@host/'"),
        (f"nats://me:{SECRET}@one,two", "'nats://…@one,two'"),
        (f"me:{SECRET}@host", "'…@host'"),
        (f"http://host/?token={SECRET}", "'http://host/?…'"),
        (f"http://{SECRET}@host\n", "'http://…@host\\n'"),
    ],
)
def test_of_an_address_what_is_no_secret_is_shown(address: str, shown: str) -> None:
    assert masked(address) == shown
