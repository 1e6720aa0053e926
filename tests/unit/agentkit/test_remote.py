"""A call is done in time, or answered as too late."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentkit.messages import message_frame, on_the_wire
from agentkit.remote import Methods
from agentkit.shelf import Mail

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Called:
    """Methods, and what they answer."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.said: list[Any] = []
        self.methods = Methods(self._say, now=lambda: NOW)
        self.methods.add("do", self._do)

    async def _say(self, frame: Any) -> None:
        self.said.append(frame)

    async def _do(self, n: int) -> None:
        self.done.append(n)

    async def call(self, expires: datetime | None) -> None:
        message: dict[str, Any] = {
            "sender": "a",
            "call": "c",
            "body": {"method": "do", "params": {"n": 1}},
            "expires": expires and expires.isoformat(),
        }
        await self.methods.handle(
            Mail(seq=1, attempt=1, kind="message", ref="m", at=NOW, message=message)
        )


@pytest.mark.parametrize("expires", [None, NOW + timedelta(seconds=1)])
async def test_a_call_is_done_in_time(expires: datetime | None) -> None:
    called = Called()

    await called.call(expires)

    assert called.done == [1]
    assert called.said[0]["body"] == {"result": None}


@pytest.mark.parametrize("late", [0, 1])
async def test_an_expired_call_is_not_done_and_yet_answered(late: int) -> None:
    called = Called()

    await called.call(NOW - timedelta(seconds=late))

    assert not called.done
    assert called.said[0]["answers"] == "c"
    assert "came too late" in called.said[0]["body"]["error"]


@pytest.mark.parametrize(("left", "within"), [(7.5, 7.5), (-1, 0.0)])
def test_how_long_is_waited_is_told_and_not_until_when(
    left: float, within: float
) -> None:
    expires = (NOW + timedelta(seconds=left)).isoformat()
    kept = dict(message_frame("b", "?", call="c", expires=expires))

    sent = on_the_wire(kept, NOW)

    del kept["expires"]
    assert sent == {**kept, "within": within}
    assert on_the_wire({"report": "idle"}, NOW) == {"report": "idle"}
