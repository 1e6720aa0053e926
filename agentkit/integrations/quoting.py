"""The words of others, given to a session so that they stay the words of others.

A session is told who said something and then what. What was said may look like
anything: like another message, like what the product puts around the words of its user,
like keys for a terminal. So it is one line behind the name, or lines that each begin
with a mark, and it holds nothing that cannot be seen.
"""

MARK = "> "
"""What each line begins with of a text that has several."""

JOINERS = "\t\u200c\u200d"
"""What cannot be seen and is part of writing: tabs, and what joins letters."""

FRAMES = (
    *("system-reminder", "system_reminder", "system_notification"),
    *("hook_prompt", "hook_context", "user-prompt-submit-hook"),
)
"""What products put around words that are not those of their user, as tags."""


def line(text: str) -> str:
    """Return a text as one line."""
    return " ".join(_seen(text).split())


def short(text: str, room: int = 1000) -> str:
    """Return a text as one line, or as much of it as there is room for."""
    found = line(text)
    return found if len(found) <= room else f"{found[: room - 2]} …"


def name(text: str) -> str:
    """Return a name; in quotes if it could be taken for more than one."""
    found = short(text, 256)
    return found if " " not in found else f'"{found}"'


def quoted(text: str) -> str:
    """Return a text as lines that each begin with a mark."""
    return "\n".join(f"{MARK}{_seen(part)}".rstrip() for part in text.splitlines())


def said(text: str) -> str:
    """Return what stands behind a colon: one line, or a quotation below."""
    return f" {line(text)}" if len(text.splitlines()) < 2 else f"\n\n{quoted(text)}"


def cut(text: str, room: int) -> str:
    """Return a text, or as much of it as there is room for and that it is not all."""
    if len(text) <= room:
        return text
    note = f"\n[cut: the first of {len(text)} characters]"
    return text[: max(room - len(note), 0)] + note


def _seen(text: str) -> str:
    """Return one line of text with nothing in it that is not seen, and no frame."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if c.isprintable() or c in JOINERS else "\ufffd" for c in text)
    return _unframed(text) if "<" in text else text


def _unframed(text: str) -> str:
    import re

    tag = rf"<(?=\s*/?\s*(?:{'|'.join(FRAMES)})\b)"
    return re.sub(tag, "&lt;", text, flags=re.IGNORECASE)
