"""JSON with the interpreter's own reader and writer, without the module around them.

Importing `json` takes longer than reading what a product says; what is not there, or
not as it was, is left to it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Rules:
    """What the reader asks for: everything is as usual."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> float:
        """Return what JSON has no word for, such as NaN."""
        return float(name)


def read(text: str) -> "Any":
    """Return the value that a text of JSON is.

    Raises:
        ValueError: it is none.
    """
    try:
        from _json import make_scanner

        scan = make_scanner(_Rules)  # type: ignore[arg-type]
    except (ImportError, AttributeError, TypeError):
        from json import loads

        return loads(text)
    start = len(text) - len(text.lstrip())
    try:
        value, end = scan(text, start)
    except StopIteration:
        raise ValueError("there is no value") from None
    except RecursionError:
        raise ValueError("it goes too deep") from None
    if text[end:].strip():
        raise ValueError("there is more behind its end")
    return value


def read_object(text: str) -> "dict[str, Any]":
    """Return the object that a text of JSON is.

    Raises:
        ValueError: it is none.
    """
    value = read(text)
    if not isinstance(value, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 - a fault of the text
    return value


def written(value: object) -> str:
    """Return a value as JSON in ASCII, without blanks.

    Raises:
        ValueError: it has a text that is not Unicode, or a number that is not finite.
        TypeError: JSON has nothing for it.
    """
    try:
        from _json import encode_basestring_ascii, make_encoder

        write = make_encoder(
            {}, _strange, encode_basestring_ascii, None, ":", ",", False, False, False
        )
        text = "".join(write(value, 0))
    except (ImportError, AttributeError):
        from json import dumps

        text = dumps(value, separators=(",", ":"), allow_nan=False)
    return text


def _strange(value: object) -> object:
    raise TypeError(f"JSON has nothing for {type(value).__name__}")
