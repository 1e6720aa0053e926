"""The ``agentkit`` command as a process."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

Done = subprocess.CompletedProcess[str]

MAIN = "import sys; from agentkit.cli import main; sys.exit(main())"

PATIENT = f"from agentkit.integrations import line; line.BUDGET = 20; {MAIN}"
"""For hooks of which the answer counts, however busy the machine is."""


class Shell:
    """Runs commands in a folder, with nothing of ours in the environment."""

    def __init__(self, cwd: Path, **environ: str) -> None:
        self.cwd = cwd
        ours = ("SWARMTUI_", "IFNOTIFY_", "FAME_", "SESSION_ID", "CAPABILITIES", "XDG_")
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(ours)},
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **environ,
        }

    def __call__(
        self, *words: str, code: str = MAIN, said: str | None = None, **environ: str
    ) -> Done:
        return subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=self.cwd,
            env={**self.environ, **environ},
            **({"stdin": subprocess.DEVNULL} if said is None else {"input": said}),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *words],
            cwd=self.cwd,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
