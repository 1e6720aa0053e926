"""Puts the programs that speak as real ones do where a PATH finds them."""

import sys
from pathlib import Path

NAMES = ("claude", "codex", "acp")


def install(folder: Path) -> Path:
    """Put the programs into a folder, under their names; return it."""
    folder.mkdir()
    for name in NAMES:
        words = f"{sys.executable} -m tests.integration.programs.{name}"
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        path.chmod(0o700)
    return folder
