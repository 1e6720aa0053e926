"""What titles mean."""

import pytest

from agentkit.running.titles import SIGNS, meaning


@pytest.mark.parametrize(
    ("title", "means"),
    [
        ("✳ Claude Code", "idle"),
        ("◐ Claude Code", "busy"),
        ("⠂ Fix the tests", "busy"),
        ("⠙ codex", "busy"),
        ("⣿ whatever spins", "busy"),
        ("✻ something else", "busy"),
        ("◇  Ready (project)", "idle"),
        ("✦  Working… (project)", "busy"),
        ("✋  Action Required (project)", "help"),
        ("  ⠙ codex", "busy"),
    ],
)
def test_a_sign_in_front_says_how_a_program_is(title: str, means: str) -> None:
    assert meaning(title, known=False) == meaning(title, known=True) == means


@pytest.mark.parametrize("title", ["codex", "", "me@host: ~/project", "vim ⠙"])
def test_without_a_sign_a_title_says_something_only_after_one_that_did(
    title: str,
) -> None:
    assert meaning(title, known=False) is None
    assert meaning(title, known=True) == "idle"


def test_each_sign_is_one_character() -> None:
    assert {len(sign) for sign in SIGNS} == {1}
