"""Push endpoints are known by task, once each, and survive a crash in a file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentkit import endpoints as module
from agentkit.boxes import Box
from agentkit.endpoints import Endpoints, FileEndpoints

Open = Callable[[], FileEndpoints]


@pytest.fixture
def unpack(tmp_path: Path) -> Iterator[Open]:
    """Open the file, closing it first if it is open."""
    opened: list[Box] = []

    def unpack() -> FileEndpoints:
        while opened:
            opened.pop().close()
        opened.append(Box(tmp_path / "a.db"))
        return FileEndpoints(opened[0])

    yield unpack
    for box in opened:
        box.close()


@pytest.fixture(params=["memory", "file"])
def endpoints(request: pytest.FixtureRequest, unpack: Open) -> Endpoints:
    return Endpoints() if request.param == "memory" else unpack()


async def test_endpoints_are_known_by_task_in_order_and_once(
    endpoints: Endpoints,
) -> None:
    said = [("T1", "b"), ("T2", "b"), ("T1", "a"), ("T1", "b")]

    new = [await endpoints.add(task, address) for task, address in said]

    assert new == [True, True, True, False]
    assert endpoints.of("T1") == ("b", "a")
    assert endpoints.of("T2") == ("b",)
    assert endpoints.of("T3") == ()


async def test_no_more_endpoints_of_one_task_are_kept_than_of_all(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 3)

    for number in range(5):
        await endpoints.add("T", f"a{number}")

    assert endpoints.of("T") == ("a2", "a3", "a4")


async def test_the_oldest_go_first(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 3)

    for number in range(5):
        await endpoints.add(f"T{number}", "a")

    assert [endpoints.of(f"T{number}") for number in range(5)] == [
        (),
        (),
        *[("a",)] * 3,
    ]


async def test_what_was_registered_is_there_after_a_crash(
    unpack: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    before = unpack()
    for number in range(5):
        await before.add(f"T{number}", "a")

    after = unpack()

    assert [bool(after.of(f"T{number}")) for number in range(5)] == [
        *[False] * 2,
        *[True] * 3,
    ]
    assert not await after.add("T4", "a")
