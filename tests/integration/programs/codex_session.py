"""A session of Codex as far as its hooks and its queue go.

``codex`` does each line that it reads as a prompt, and what was put into its queue
meanwhile; ``codex queue`` puts something there. What it was told lies in ``heard``, a
line of JSON each; a file ``broken`` makes the queue fail, ``deaf`` lets it lie.
"""

import json
import os
import select
import subprocess
import sys
from pathlib import Path

HERE = Path(os.environ["FAKE_CODEX"])
SESSION = os.environ["FAKE_CODEX_SESSION"]


def queue(text: str) -> int:
    if (HERE / "broken").exists():
        return 1
    fresh = HERE / f"{os.getpid()}.new"
    fresh.write_text(text)
    fresh.rename(HERE / f"{os.getpid()}.queued")
    return 0


def hook(event: str, **said: object) -> dict[str, str]:
    payload = {"session_id": SESSION, "hook_event_name": event, "cwd": str(HERE)}
    done = subprocess.run(
        ["sh", "-c", "agentkit hook codex"],
        input=json.dumps({**payload, **said}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "", done.stderr
    answer: dict[str, str] = json.loads(done.stdout or "{}")
    return answer


def note(what: str, text: str) -> None:
    with (HERE / "heard").open("a") as file:
        file.write(json.dumps([what, text]) + "\n")


def do(text: str) -> None:
    answer = hook("UserPromptSubmit", prompt=text)
    if answer.get("decision") == "block":
        note("refused", text)
        return
    again = False
    while text:
        note("heard", text)
        answer = hook("Stop", stop_hook_active=again, last_assistant_message="done")
        text, again = answer.get("reason", ""), True


def session() -> None:
    hook("SessionStart", source="startup")
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], 0.05)
        line = sys.stdin.readline() if ready else "\n"
        if not line:
            break
        if line.strip():
            do(line.strip())
        for path in () if (HERE / "deaf").exists() else HERE.glob("*.queued"):
            text = path.read_text()
            path.unlink()
            do(text)
    hook("SessionEnd", reason="other")


def main(words: list[str]) -> int:
    if words[:1] == ["queue"]:
        assert words[1:4] == ["--thread", SESSION, "--message"]
        return queue(words[4])
    session()
    return 0


sys.exit(main(sys.argv[1:]))
