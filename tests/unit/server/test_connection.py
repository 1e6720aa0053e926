"""Frames made by hand, and reasons that fit into a close."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from server.connection import REASON_BYTES, shorten, text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_frame_is_what_a_server_sends(size: int) -> None:
    text = b"x" * size

    assert text_frame(text) == Frame(Opcode.TEXT, text).serialize(mask=False)


@given(st.text(max_size=300))
def test_a_reason_fits_and_keeps_its_beginning(reason: str) -> None:
    short = shorten(reason)

    assert len(short.encode()) <= REASON_BYTES
    assert reason.startswith(short.removesuffix("…"))


@given(st.text(max_size=30))
def test_a_short_reason_is_kept(reason: str) -> None:
    assert shorten(reason) == reason
