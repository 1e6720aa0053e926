"""What a program asks for: put to a person, or settled by a rule of whoever started it.

Nothing is allowed unless a person chose an answer that allows it, or the rule does.
"""

from typing import Literal, TypeAlias, get_args

from agentkit.workers.driver import Asked, Choice

Rule: TypeAlias = Literal["ask", "reject", "allow"]
"""Who decides: a person, or nobody, one way or the other."""

RULES: tuple[Rule, ...] = get_args(Rule)


def ruled(rule: Rule, asked: Asked) -> Choice | None:
    """Return what a rule chooses: never what lasts; None allows nothing."""
    wanted = rule == "allow"
    fits = [choice for choice in asked.choices if choice.allows == wanted]
    return next((choice for choice in fits if not choice.lasts), None)


def chosen(asked: Asked, answer: str) -> Choice | None:
    """Return the choice that an answer names; None when it names none."""
    said = answer.strip().casefold()
    names = ((choice.name, choice) for choice in asked.choices)
    return next((choice for name, choice in names if name.casefold() == said), None)
