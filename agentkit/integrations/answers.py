"""How each product is told: to go on with something, or what it should know."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agentkit.integrations.events import Form, Product


def go_on(product: "Product", text: str) -> "dict[str, Any]":
    """Return the answer to the end of a turn that makes the session go on.

    Nothing but what the product knows: some refuse an answer with more.
    """
    if product.more == "reason":
        return {"decision": "block", "reason": text}
    return {product.more: text}


def refuse(text: str) -> "dict[str, Any]":
    """Return the answer to a prompt that the session is not to begin with."""
    return {"decision": "block", "reason": text}


def context(form: "Form", event: str, text: str) -> "dict[str, Any]":
    """Return the answer to an event that tells the session something."""
    match form:
        case "specific":
            said = {"hookEventName": event, "additionalContext": text}
            return {"hookSpecificOutput": said}
        case "plain":
            return {"additionalContext": text}
        case "snake":
            return {"additional_context": text}
    return {}
