"""The committed lock: what is installed is what pyproject.toml pins."""

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
INSTALLERS = {"pip", "setuptools", "uv", "wheel"}
"""What a fresh environment brings along."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def pins() -> dict[str, str]:
    constraints = project()["tool"]["uv"]["constraint-dependencies"]
    return dict(pin.split("==") for pin in constraints)


def installed() -> dict[str, str]:
    return {normal(d.name): d.version for d in metadata.distributions()}


def test_everything_installed_is_pinned() -> None:
    unpinned = set(installed()) - set(pins()) - INSTALLERS - {"swarmtui"}

    assert not unpinned, "pin them with: uv run python .ci/lock.py"


def test_every_installed_version_is_the_pinned_one() -> None:
    locked, present = pins(), installed()

    both = locked.keys() & present.keys()

    assert {n: present[n] for n in both} == {n: locked[n] for n in both}


def test_every_direct_dependency_is_pinned() -> None:
    declared = project()
    direct = [
        *declared["project"]["dependencies"],
        *declared["dependency-groups"]["dev"],
    ]

    names = {normal(re.split(r"[<>=!;\[ ]", spec)[0]) for spec in direct}

    assert names <= set(pins())
