"""Reading a shape: the fields as it has them, or a sentence on what will not do."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from agentkit.errors import Invalid

WANTS: Final = {
    "greater_than_equal": "the least is {ge}, so choose a larger number",
    "less_than_equal": "the most is {le}, so choose a smaller number",
}
"""What would do instead, by pydantic's name of the error, where it does not say so."""


def valid(shape: TypeAdapter[Any], fields: Mapping[str, Any]) -> Any:
    """Return the fields as the shape has them.

    Raises:
        Invalid: one sentence about the first field that will not do.
    """
    try:
        return shape.validate_python(fields)
    except ValidationError as refusal:
        raise Invalid(sentence(refusal)) from None


def sentence(refusal: ValidationError) -> str:
    """Tell what is wrong first: the field, its value, and what would do."""
    first = refusal.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"]) or "the message"
    wants = first["msg"].removeprefix("Value error, ")
    wants = wants[0].lower() + wants[1:]
    if first["type"] in WANTS:
        wants = WANTS[first["type"]].format_map(first["ctx"])
    if first["type"] == "missing":
        return f"{path} is missing: add it"
    if first["type"] == "json_invalid":
        return f"this is not JSON: {wants}"
    value = repr(first["input"])
    if len(value) > 60:
        value = value[:57] + "..."
    return f"{path} cannot be {value}: {wants}"
