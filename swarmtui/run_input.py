"""What a run is given, as it is said on the command line."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from agentkit.readers import json_object


def run_input(source: str | None, pairs: Sequence[str]) -> dict[str, Any]:
    """Return the input of a run: a file's, with what was set over it.

    Raises:
        click.BadParameter: it cannot be read, it is no object, or a pair is none.
    """
    found = _file_input(source) if source is not None else {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.BadParameter(
                f"{pair!r} sets nothing; write KEY=VALUE", param_hint="--set"
            )
        found[key] = _value(value)
    return found


def _file_input(source: str) -> dict[str, Any]:
    try:
        if source.endswith((".yml", ".yaml")):
            return _yaml_object(Path(source))
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        return json_object(text)
    except ValueError as error:
        raise click.BadParameter(
            f'{source} {error}; write an object such as {{"tasks": []}}',
            param_hint="--input",
        ) from None
    except OSError as error:
        told = (error.strerror or str(error)).lower()
        raise click.BadParameter(
            f"{source} cannot be read: {told}; correct the path", param_hint="--input"
        ) from None


def _yaml_object(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError:
        raise ValueError("is not YAML") from None
    if not isinstance(found, dict):
        raise ValueError("is not an object")  # noqa: TRY004 - as `json_object` says it
    return found


def _value(text: str) -> Any:
    """Return a value as it was typed: JSON, or else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
