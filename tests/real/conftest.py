"""The real programs, when somebody says where they are; else all is skipped."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import launch
from tests.real.bench import Bench
from tests.real.model import Model
from tests.real.products import PROGRAMS, REAL
from tests.real.tmux import end_all

HOW = "tests/real/get.sh FOLDER fetches it, SWARMTUI_REAL=FOLDER/bin has it tried"


@pytest.fixture(params=PROGRAMS)
def word(request: pytest.FixtureRequest) -> str:
    """Which program is tried; a test may name those that it is about."""
    return str(request.param)


@pytest.fixture
def bench(word: str, tmp_path: Path) -> Iterator[Bench]:
    """A hub, a model and a fresh home for a program, which all end with the test."""
    program = PROGRAMS[word]
    if not REAL:
        pytest.skip(f"{word} was not tried, for SWARMTUI_REAL is not set: {HOW}")
    if program.path is None:
        pytest.skip(f"{word} was not tried, for it is not in {REAL}: {HOW}")
    if shutil.which("tmux") is None:
        pytest.skip(f"{word} was not tried, for there is no tmux: install it")
    (tmp_path / "hub").mkdir()
    hub = launch(tmp_path / "hub", "--store", "memory")
    with Model().listening() as model:
        tried = Bench(program, model, hub, tmp_path)
        yield tried
        end_all(tried.home)
    hub.stop()
