"""Who looks at the dashboard is not called; who does not, is."""

from pathlib import Path

import pytest

from swarmtui.notices import BELL, Notices
from swarmtui.ringing import Ringer

KITTY = {"TERM": "xterm-kitty"}


def ringer(chosen: Notices = "bell", **environ: str) -> tuple[Ringer, list[str]]:
    """Return a ringer, and what it writes."""
    written: list[str] = []
    return Ringer(chosen, environ or KITTY, written.append), written


async def test_it_rings_when_the_terminal_is_not_in_front() -> None:
    ring, written = ringer()
    for in_front in (False, True, False):
        ring.in_front = in_front
        await ring.ring("a asked")

    assert written == [BELL, BELL]


@pytest.mark.parametrize(("term", "rings"), [("xterm-kitty", 0), ("vt220", 1)])
async def test_a_terminal_that_told_nothing_is_in_front_if_it_would_have(
    term: str, rings: int
) -> None:
    ring, written = ringer(TERM=term)
    await ring.ring("a asked")

    assert written == [BELL] * rings


@pytest.mark.parametrize(
    ("chosen", "turns"),
    [
        ("bell", [("off", True), ("bell", False)]),
        ("both", [("off", True), ("both", False)]),
        ("off", [("both", False), ("off", False)]),
    ],
)
async def test_silence_is_one_switch(
    chosen: Notices, turns: list[tuple[Notices, bool]]
) -> None:
    ring, written = ringer(chosen)
    ring.in_front = False
    found = []
    for _ in turns:
        ring.toggle()
        found.append((ring.chosen, ring.silenced))
        await ring.ring("a asked")

    assert found == turns
    assert len(written) == 1


async def test_tmux_is_asked_where_there_is_one(tmp_path: Path) -> None:
    said = "1\t1\txterm-kitty\tfoot"
    tmux = tmp_path / "tmux"
    tmux.write_text(f"#!/bin/sh\necho \"$*\" >> {tmp_path}/asked\nprintf '{said}'\n")
    tmux.chmod(0o755)
    ring, written = ringer(
        "desktop",
        TMUX="s,1,0",
        TMUX_PANE="%3",
        PATH=f"{tmp_path}:/usr/bin:/bin",
    )
    ring.in_front = False
    await ring.ring("a asked")

    assert written == ["\x1bPtmux;\x1b\x1b]777;notify;swarmtui;a asked\x1b\x1b\\\x1b\\"]
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("display-message -p -t %3 ")


@pytest.mark.parametrize("program", ["", "#!/bin/sh\nexit 1\n"])
async def test_a_tmux_that_does_not_answer_leaves_the_bell(
    program: str, tmp_path: Path
) -> None:
    if program:
        (tmp_path / "tmux").write_text(program)
        (tmp_path / "tmux").chmod(0o755)
    ring, written = ringer("both", TMUX="s,1,0", PATH=str(tmp_path))
    ring.in_front = False
    await ring.ring("a asked")

    assert written == [BELL]
