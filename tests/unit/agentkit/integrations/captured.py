"""What the real programs said, and a small reader of JSON Schema."""

import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[3] / "fixtures" / "hooks"


def captured(name: str) -> list[dict[str, Any]]:
    """Return what a program said, in order."""
    text = (FIXTURES / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def schema(name: str) -> dict[str, Any]:
    """Return a schema of Codex."""
    found = json.loads((FIXTURES / "schemas" / f"codex-{name}.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
}


KNOWN = {"$ref", "$schema", "additionalProperties", "allOf", "const", "default"} | {
    *("definitions", "description", "enum", "properties", "required", "title", "type")
}


def faults(value: Any, rule: Any, root: dict[str, Any], at: str = "it") -> list[str]:
    """Return what a value has against a schema, of the words that Codex uses."""
    if rule is True:
        return []
    assert set(rule) <= KNOWN, set(rule) - KNOWN
    rules = list(rule.get("allOf", ()))
    if "$ref" in rule:
        rules.append(root["definitions"][rule["$ref"].rpartition("/")[2]])
    found = [fault for part in rules for fault in faults(value, part, root, at)]
    kinds = rule.get("type", list(KINDS))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not any(isinstance(value, KINDS[kind]) for kind in kinds):
        found.append(f"{at} is no {kinds}")
    if value not in rule.get("enum", [value]) or value != rule.get("const", value):
        found.append(f"{at} has another value")
    return found + (_members(value, rule, root, at) if isinstance(value, dict) else [])


def _members(
    value: dict[str, Any], rule: dict[str, Any], root: dict[str, Any], at: str
) -> list[str]:
    members = rule.get("properties", {})
    found = [f"{at} lacks {n}" for n in rule.get("required", ()) if n not in value]
    for name, part in value.items():
        if name in members:
            found += faults(part, members[name], root, f"{at}.{name}")
        elif rule.get("additionalProperties") is False:
            found.append(f"{at} has {name}")
    return found
