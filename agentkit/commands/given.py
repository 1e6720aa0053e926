"""Objects of JSON that a command is given, as an argument or on standard input."""

import sys
from typing import Any

from agentkit.errors import Invalid
from agentkit.readers import json_object


def json_of(text: str, what: str, example: str) -> dict[str, Any]:
    """Read an object; ``-`` reads standard input.

    Args:
        text: as it was given.
        what: what the object is called in an error.
        example: what would do.

    Raises:
        Invalid: it is not an object.
    """
    try:
        return json_object(sys.stdin.buffer.read() if text == "-" else text)
    except ValueError as error:
        raise Invalid(f"the {what} {error}: send an object such as {example}") from None
