"""What every wish is held to before it is decided: ids, texts, capabilities."""

from collections.abc import Mapping
from typing import Any

from agentkit.codec import dumps
from agentkit.errors import Invalid
from server.core.rules import Rules


def check_id(rules: Rules, what: str, value: str) -> None:
    """Refuse an id that is empty, too long or would spoil a terminal."""
    if not value:
        raise Invalid(f"the {what} is empty; give it an id")
    if len(value) > rules.id_length:
        raise Invalid(
            f"the {what} has {len(value):,} characters; "
            f"at most {rules.id_length} are allowed"
        )
    if not value.isprintable():
        raise Invalid(f"the {what} {value!r} has control characters; leave them out")


def check_new_id(rules: Rules, what: str, value: str) -> None:
    """Refuse an id for a message that the hub may give to another one."""
    check_id(rules, what, value)
    if value[0] in "bm" and value[1:].isdecimal():
        raise Invalid(
            f"the id {value!r} is of the form that the hub itself gives to messages: "
            "choose another, or leave it out"
        )


def check_text(rules: Rules, what: str, value: str) -> None:
    """Refuse a text that is too long."""
    if len(value) > rules.text_length:
        raise Invalid(
            f"the {what} has {len(value):,} characters, at most "
            f"{rules.text_length:,} are allowed; send a shorter one, or a link"
        )


def check_result(rules: Rules, result: Mapping[str, Any]) -> None:
    """Refuse a result that is too large: it stays in memory and goes to watchers."""
    _check_size("result", result, rules.result_bytes)


def check_body(rules: Rules, what: str, body: Mapping[str, Any]) -> None:
    """Refuse a body of an agent that is too large: it stays in memory as it waits."""
    _check_size(f"body of the {what}", body, rules.message_bytes)


def _check_size(what: str, value: Mapping[str, Any], most: int) -> None:
    size = len(dumps(value).encode()) if value else 0
    if size > most:
        raise Invalid(
            f"the {what} has {size:,} bytes as JSON, at most {most:,} are allowed; "
            "keep it elsewhere and send a link"
        )


def require_text(rules: Rules, what: str, value: str) -> None:
    """Refuse a text that is empty or too long."""
    if not value.strip():
        raise Invalid(f"the {what} is empty; say something")
    check_text(rules, what, value)


def check_capabilities(rules: Rules, capabilities: tuple[str, ...]) -> None:
    """Refuse too many capabilities, and any that is not a good id."""
    if len(capabilities) > rules.capabilities:
        raise Invalid(
            f"{len(capabilities)} capabilities are named; "
            f"at most {rules.capabilities} are allowed"
        )
    for capability in capabilities:
        check_id(rules, "capability", capability)
