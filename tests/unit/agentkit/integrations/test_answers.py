"""What we answer is what each product has a word for."""

import json

import pytest

from agentkit.integrations import answers, plain
from agentkit.integrations.events import PRODUCTS
from tests.unit.agentkit.integrations.captured import faults, schema

TEXT = 'Task T1 was assigned: say "hi" to Zoë\n\x1b'


def test_codex_takes_our_answer_to_the_end_of_a_turn() -> None:
    rules = schema("stop")
    answer = json.loads(plain.written(answers.go_on(PRODUCTS["codex"], TEXT)))

    assert faults(answer, rules, rules) == []
    assert answer == {"decision": "block", "reason": TEXT}


@pytest.mark.parametrize(
    ("event", "name"),
    [("SessionStart", "session-start"), ("UserPromptSubmit", "user-prompt-submit")],
)
def test_codex_takes_what_we_tell_it(event: str, name: str) -> None:
    rules = schema(name)
    answer = answers.context("specific", event, TEXT)

    assert faults(answer, rules, rules) == []


def test_codex_takes_our_refusal_of_a_prompt() -> None:
    rules = schema("user-prompt-submit")

    assert faults(answers.refuse(TEXT), rules, rules) == []


def test_the_schemas_refuse_what_codex_does() -> None:
    rules = schema("stop")

    assert faults({"decision": "block", "followup_message": "x"}, rules, rules)
    assert faults({"decision": "go on"}, rules, rules)
    assert faults(answers.context("specific", "Stop", "x"), rules, rules)


@pytest.mark.parametrize(
    "product", ["claude", "gemini", "copilot", "goose", "opencode"]
)
def test_most_go_on_with_a_reason(product: str) -> None:
    answer = answers.go_on(PRODUCTS[product], TEXT)

    assert answer == {"decision": "block", "reason": TEXT}


def test_cursor_goes_on_with_a_message() -> None:
    assert answers.go_on(PRODUCTS["cursor"], TEXT) == {"followup_message": TEXT}


def test_context_has_the_form_that_the_product_reads() -> None:
    assert answers.context("plain", "sessionStart", "x") == {"additionalContext": "x"}
    assert answers.context("snake", "sessionStart", "x") == {"additional_context": "x"}
    assert answers.context("", "Stop", "x") == {}
