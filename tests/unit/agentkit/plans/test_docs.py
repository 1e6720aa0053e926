"""The page on plans has every key, and its example is a plan."""

import re
from pathlib import Path

import pytest

from agentkit.plans import compile_plan, keys, read_plan
from agentkit.plans.filters import FILTERS, METHODS, TESTS

PAGE = (Path(__file__).parents[4] / "docs" / "plans.md").read_text("utf-8")

KEYS = [
    *keys.MACHINE,
    *keys.AGENT,
    *keys.STAGE,
    *keys.EXECUTION,
    *keys.TRANSITION,
    *keys.SETTINGS,
    *keys.PERSISTENCE,
]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_explained(key: str) -> None:
    assert re.search(rf"[`{{ ]{key}[:`]", PAGE)


@pytest.mark.parametrize("key", [*keys.REFUSED_STAGE, *keys.REFUSED_MACHINE])
def test_what_is_refused_is_told(key: str) -> None:
    assert f"`{key}`" in PAGE or key == "stages"


def test_every_filter_test_and_method_is_named() -> None:
    words = [*FILTERS, *(name for name in TESTS if name.isalpha())]

    assert [word for word in words if f"`{word}`" not in PAGE] == []
    assert [word for word in METHODS if f"`.{word}()`" not in PAGE] == []


def test_the_example_is_a_plan(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    file = tmp_path / "report.yml"
    file.write_text(example.group(1))

    reading = read_plan(file)

    assert reading.problems == ()
    assert set(compile_plan(reading.document).machines) == {"report", "print"}
