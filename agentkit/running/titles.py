"""What the title of a window says of the program in it.

Programs put a sign in front of their title. A spinner means that one works, whatever
its name is; when the spinner is gone, it waits. Signs that are none of that are here by
the program that shows them.
"""

from typing import Final, Literal, TypeAlias

Meaning: TypeAlias = Literal["busy", "idle", "help"]

BRAILLE: Final = range(0x2800, 0x2900)
"""The spinner of Codex, of Claude Code, and of whoever spins with dots."""

SPINNERS: Final = frozenset(
    "◐◓◑◒"  # Claude Code
    "◴◷◶◵◰◳◲◱◜◠◝◞◡◟"
    "✶✻✽✢"
    "⏳⌛"
)
"""Other signs that turn while something works."""

SIGNS: Final[dict[str, Meaning]] = {
    "✳": "idle",  # Claude Code
    "◇": "idle",  # Gemini CLI: Ready
    "✦": "busy",  # Gemini CLI: Working
    "⏲": "busy",  # Gemini CLI: Working, and silent
    "✋": "help",  # Gemini CLI: Action Required
}
"""Signs with a meaning of their own."""


def meaning(title: str, *, known: bool) -> Meaning | None:
    """Return what a title means; None when it says nothing.

    Args:
        title: of the window, cleaned.
        known: whether an earlier one of this program said something: then a title
            without a sign means that it waits.
    """
    sign = title.lstrip()[:1]
    if sign in SIGNS:
        return SIGNS[sign]
    if sign and (sign in SPINNERS or ord(sign) in BRAILLE):
        return "busy"
    return "idle" if known else None
