"""Every payload that a real program sent is the moment that the guide tells of."""

import re
from typing import Any

import pytest

from agentkit.integrations.events import MOMENTS, PRODUCTS
from agentkit.integrations.happening import Happening, happening
from tests.unit.agentkit.integrations.captured import captured, faults, schema

SESSION = re.compile(r"[0-9a-f-]{36}|[0-9]{8}_[0-9]+|ses_\w{26}")

Seen = tuple[str, str, dict[str, str]]

ALLOWED = "allow? Bash touch /home/u/project/x1"

CLAUDE: list[Seen | None] = [
    ("start", "idle", {}),
    ("prompt", "busy", {"task": "hello"}),
    None,  # MessageDisplay
    ("turn", "idle", {}),
    None,  # PreToolUse
    ("tool", "busy", {}),
    None,  # PostToolBatch
    None,
    ("turn", "idle", {}),
    ("end", "idle", {"message": "its session has ended (other)"}),
    ("start", "idle", {}),
    ("ask", "help", {"message": ALLOWED}),
    ("ask", "help", {"message": "Claude needs your permission"}),
    ("end", "idle", {"message": "its session has ended (prompt_input_exit)"}),
]

CODEX: list[Seen | None] = [
    ("start", "idle", {}),
    ("prompt", "busy", {"task": "hello"}),
    ("turn", "idle", {}),
    ("turn", "idle", {}),
    ("end", "idle", {"message": "its session has ended (other)"}),
]

HELLO = {"task": "<hook_context>CTX-FROM-HUB</hook_context> hello gemini"}

GEMINI: list[Seen | None] = [
    ("start", "idle", {}),
    ("prompt", "busy", HELLO),
    None,  # PreCompress
    ("turn", "idle", {}),
    ("prompt", "busy", {"task": "[swarm] Task T-1: say hi"}),
    None,
    ("turn", "idle", {}),
    ("prompt", "busy", {"task": "[swarm] Task T-2: say hi"}),
    None,
    ("turn", "idle", {}),
    ("prompt", "busy", {"task": "[swarm] Task T-3: say hi"}),
    None,
    ("turn", "idle", {}),
    ("end", "idle", {"message": "its session has ended (exit)"}),
]

COPILOT: list[Seen | None] = [
    ("prompt", "busy", {"task": "hi"}),
    ("prompt", "busy", {"task": "hi"}),
    ("turn", "idle", {}),
    ("prompt", "busy", {"task": "[swarm] Task T-1: say hi"}),
    ("turn", "idle", {}),
    ("end", "idle", {"message": "its session has ended (complete)"}),
]

COPILOT_HELPER: list[Seen | None] = [
    ("prompt", "busy", {"task": "use a painter"}),
    ("prompt", "busy", {"task": "use a painter"}),
    None,  # what the helper is asked to do
    ("ask", "help", {"message": "Run command: touch red"}),
    ("tool", "busy", {}),
    None,  # what the helper answers
    ("tool", "busy", {}),
    ("turn", "idle", {}),
    ("end", "idle", {"message": "its session has ended (user_exit)"}),
]

GOOSE: list[Seen | None] = [
    ("start", "idle", {}),
    ("prompt", "busy", {"task": "hello"}),
    ("turn", "idle", {}),
    ("prompt", "busy", {"task": "paint the door"}),
    None,  # PreToolUse
    None,  # BeforeShellExecution
    ("tool", "busy", {}),
    None,  # AfterShellExecution
    ("turn", "idle", {}),
    ("prompt", "busy", {"task": "scratch it"}),
    None,
    None,
    ("tool", "busy", {}),
    ("turn", "idle", {}),
    ("prompt", "busy", {"task": "break"}),
    ("fail", "blocked", {"message": "Goose did not say why it failed"}),
    ("end", "idle", {"message": "its session has ended"}),
]

OPENCODE: list[Seen | None] = [
    ("start", "idle", {}),
    ("prompt", "busy", {"task": "hello"}),
    ("turn", "idle", {}),
    ("prompt", "busy", {"task": "paint the door"}),
    ("ask", "help", {"message": "allow? bash touch red"}),
    ("tool", "busy", {}),
    ("tool", "busy", {}),
    ("turn", "idle", {}),
    ("prompt", "busy", {"task": "break it"}),
    ("fail", "blocked", {"message": "you have no credit left"}),
    ("end", "idle", {"message": "its session has ended"}),
]

TOLD = [
    ("claude", "claude-2.1.329", CLAUDE),
    ("codex", "codex-0.169.0", CODEX),
    (
        "gemini",
        "gemini-permission-0.61.0",
        [("ask", "help", {"message": "allow? touch painted"})],
    ),
    ("codex", "codex-notify-0.169.0", [("rest", "idle", {})] * 2),
    ("gemini", "gemini-0.61.0", GEMINI),
    ("copilot", "copilot-1.0.102", COPILOT),
    ("copilot", "copilot-helper-1.0.102", COPILOT_HELPER),
    ("goose", "goose-1.52.0", GOOSE),
    ("opencode", "opencode-1.18.33", OPENCODE),
]


def read(product: str, said: dict[str, Any]) -> Happening | None:
    """Read what was captured; Copilot names its events on the command line."""
    event, payload = (
        ("", said) if "stdin" not in said else (said["event"], said["stdin"])
    )
    return happening(PRODUCTS[product], event, payload)


def seen(what: Happening | None) -> Seen | None:
    return (what.moment, what.report, what.said("")) if what else None


@pytest.mark.parametrize(
    ("product", "name", "expected"), TOLD, ids=[name for _, name, _ in TOLD]
)
def test_what_the_real_programs_say_is_understood(
    product: str, name: str, expected: list[Seen | None]
) -> None:
    told = [seen(read(product, said)) for said in captured(name)]

    assert told == expected


@pytest.mark.parametrize(("product", "name", "_"), TOLD)
def test_every_event_names_its_session(product: str, name: str, _: Any) -> None:
    for said in captured(name):
        what = read(product, said)
        assert what is None or SESSION.fullmatch(what.session)


def test_a_helper_of_copilot_is_a_part_of_its_session() -> None:
    found = [read("copilot", said) for said in captured("copilot-helper-1.0.102")]

    assert len({what.session for what in found if what}) == 1


def test_what_was_used_is_told_as_the_hub_takes_it() -> None:
    told = [read("opencode", said) for said in captured("opencode-1.18.33")]
    used = [what.spent for what in told if what is not None and what.spent]

    assert used == [
        {"tokens_in": 100, "tokens_out": 20},
        {"tokens_in": 200, "tokens_out": 40},
    ]


ELSEWHERE: list[tuple[str, str, dict[str, Any], Seen | None]] = [
    # as documented, and not captured
    (
        "claude",
        "",
        {
            "hook_event_name": "StopFailure",
            "error": "rate_limit",
            "error_details": "limit reached\nuntil 5pm",
        },
        ("fail", "blocked", {"message": "limit reached until 5pm"}),
    ),
    (
        "claude",
        "",
        {"hook_event_name": "StopFailure", "error": "overloaded"},
        ("fail", "blocked", {"message": "overloaded"}),
    ),
    (
        "claude",
        "",
        {"hook_event_name": "Notification", "notification_type": "idle_prompt"},
        None,
    ),
    ("claude", "", {"hook_event_name": "SessionStart", "source": "compact"}, None),
    (
        "claude",
        "",
        {"hook_event_name": "Stop", "background_tasks": [{}, {}]},
        ("turn", "busy", {"task": "2 in the background"}),
    ),
    (
        "gemini",
        "",
        {
            "hook_event_name": "Notification",
            "notification_type": "ToolPermission",
            "message": "Tool write_file wants to run",
        },
        ("ask", "help", {"message": "Tool write_file wants to run"}),
    ),
    (
        "copilot",
        "errorOccurred",
        {"error": {"name": "E", "message": "no quota"}},
        ("fail", "blocked", {"message": "no quota"}),
    ),
    (
        "cursor",
        "stop",
        {"status": "completed", "loop_count": 0},
        ("turn", "idle", {}),
    ),
    ("cursor", "stop", {"status": "aborted"}, ("interrupt", "idle", {})),
    (
        "cursor",
        "stop",
        {"status": "error"},
        ("fail", "blocked", {"message": "error"}),
    ),
    ("opencode", "session.idle", {}, ("turn", "idle", {})),
    ("opencode", "session.rest", {}, ("rest", "idle", {})),
    (
        "opencode",
        "dispose",
        {},
        ("end", "idle", {"message": "its session has ended"}),
    ),
    (
        "opencode",
        "session.error",
        {"error": {"name": "ProviderAuthError", "data": {"message": "no key"}}},
        ("fail", "blocked", {"message": "no key"}),
    ),
    (
        "opencode",
        "session.error",
        {"error": {"name": "MessageAbortedError", "data": {}}},
        ("interrupt", "idle", {}),
    ),
    (
        "opencode",
        "permission.asked",
        {"permission": "bash", "patterns": ["rm -r x"]},
        ("ask", "help", {"message": "allow? bash rm -r x"}),
    ),
    ("tmux", "alert-silence", {}, ("rest", "idle", {})),
    (
        "tmux",
        "alert-bell",
        {},
        ("ask", "help", {"message": "it rang the bell"}),
    ),
]


@pytest.mark.parametrize(("product", "event", "payload", "expected"), ELSEWHERE)
def test_what_is_documented_is_understood(
    product: str, event: str, payload: dict[str, Any], expected: Seen | None
) -> None:
    session = {PRODUCTS[product].session[0]: "s-1"}

    assert seen(happening(PRODUCTS[product], event, {**payload, **session})) == expected


CODEX_SAYS = {
    "session_id": "01a1fac2-7a18-7ee3-84d4-2a6c07cdb86f",
    "turn_id": "t",
    "transcript_path": None,
    "cwd": "/home/u/project",
    "model": "m",
    "permission_mode": "default",
}


def test_codex_asks_for_a_permission() -> None:
    tool = {"tool_name": "shell", "tool_input": {"command": "rm x"}}
    said = {**CODEX_SAYS, **tool, "hook_event_name": "PermissionRequest"}
    rules = schema("permission-request-input")
    assert faults(said, rules, rules) == []

    assert seen(read("codex", said)) == (
        "ask",
        "help",
        {"message": "allow? shell rm x"},
    )


def test_codex_is_interrupted() -> None:
    said = {**CODEX_SAYS, "hook_event_name": "Interrupt"}
    rules = schema("interrupt-input")
    assert faults(said, rules, rules) == []

    assert seen(read("codex", said)) == ("interrupt", "idle", {})


def test_a_session_that_holds_a_task_is_busy_with_that() -> None:
    said = captured("claude-2.1.329")[1]
    what = read("claude", said)

    assert what is not None
    assert what.said("T1") == {"task": "T1"}


def test_a_long_prompt_is_one_short_line() -> None:
    prompt = "fix\n\n  this\t" + "x" * 500
    said = {"session_id": "s", "hook_event_name": "UserPromptSubmit", "prompt": prompt}
    what = read("claude", said)

    assert what is not None
    assert what.said("") == {"task": "fix this " + "x" * 111}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"session_id": "s"},
        {"hook_event_name": "Stop"},
        {"session_id": "s", "hook_event_name": "Tomorrow"},
        {"session_id": None, "hook_event_name": "Stop"},
        {"session_id": "s", "hook_event_name": ["Stop"]},
    ],
)
def test_what_means_nothing_to_us_is_nothing(said: dict[str, Any]) -> None:
    assert read("claude", said) is None


@pytest.mark.parametrize("product", PRODUCTS)
def test_what_a_product_says_may_be_of_any_kind(product: str) -> None:
    keys = {key.partition(".")[0] for key in PRODUCTS[product].session}
    strange: list[Any] = [7, None, [], {}, "x\x1b[2J\n", {"message": 3, "data": []}]
    for value in strange:
        every = dict.fromkeys(
            (
                "prompt",
                "message",
                "error",
                "tool_input",
                "tool_name",
                "patterns",
                "cwd",
            ),
            value,
        )
        for event in PRODUCTS[product].events:
            what = happening(
                PRODUCTS[product], event, {**every, **dict.fromkeys(keys, "s-1")}
            )
            words = what.said("").values() if what else ()
            assert all(isinstance(word, str) for word in words)


def test_every_moment_of_the_table_is_known() -> None:
    moments = {
        event.moment
        for product in PRODUCTS.values()
        for events in product.events.values()
        for event in events
    }

    assert moments == set(MOMENTS)
