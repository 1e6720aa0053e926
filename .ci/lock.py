"""Pin every dependency, direct or not, to the version that uv resolves.

``[tool.uv] constraint-dependencies`` in pyproject.toml is the committed lock: exact
versions of everything that is installed, and no addresses. uv makes its uv.lock from
it; that file stays out of the repository because it names the registries of whoever
made it.

    uv run python .ci/lock.py             # after a dependency was added or dropped
    uv run python .ci/lock.py --upgrade   # the newest versions that fit
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(?ms)^constraint-dependencies = \[\n.*?^\]\n")


def main() -> None:
    """Resolve, then write down what was resolved."""
    upgrade = "--upgrade" in sys.argv[1:]
    if upgrade:
        write([])
    resolve(*(["--upgrade"] if upgrade else []))
    pins = resolved()
    write(pins)
    resolve()
    sys.stdout.write(f"{len(pins)} packages pinned in pyproject.toml\n")


def resolve(*options: str) -> None:
    """Let uv write uv.lock."""
    subprocess.run(["uv", "lock", "--quiet", *options], cwd=ROOT, check=True)


def resolved() -> list[str]:
    """Return ``name==version`` for everything in uv.lock but the project itself."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    return sorted(
        f"{package['name']}=={package['version']}"
        for package in lock["package"]
        if "registry" in package["source"]
    )


def write(pins: list[str]) -> None:
    """Replace the pins in pyproject.toml."""
    path = ROOT / "pyproject.toml"
    lines = "".join(f'  "{pin}",\n' for pin in pins)
    block = f"constraint-dependencies = [\n{lines}]\n"
    path.write_text(BLOCK.sub(lambda _: block, path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
