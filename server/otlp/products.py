"""What products tell of cost and tokens: which metrics and log records, in which words.

Several of them tell of the same use twice, in metrics and in logs, or in their own
words and in those of OpenTelemetry: each way is a `Source`. Tokens in are all that a
model read, from a cache too; tokens out are all that it wrote, thoughts too. Where a
product counts the cached, or the thoughts, as a part of another number, that part is
left out.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

Counted: TypeAlias = Literal["cost", "tokens_in", "tokens_out"]

Source: TypeAlias = Literal["metric", "gen_ai", "inference", "log"]
"""A way in which use is told: a product's own metrics, those of the semantic
conventions for generative AI, older and newer, log records."""


class Meter(NamedTuple):
    """A metric that tells of use."""

    source: Source
    by: str = ""
    """The attribute that says what a point counts; empty: all count the same."""
    kinds: Mapping[str, Counted] = {}
    """What is counted, by the value of that attribute; others are parts of these."""
    all: Counted = "cost"
    """What is counted if all points count the same."""


class Record(NamedTuple):
    """A log record that tells of use."""

    counts: Mapping[str, Counted]
    """What each attribute counts."""
    when: tuple[str, str] = ("", "")
    """The attribute and the value that it takes, else it tells of something else."""


METERS: Final[Mapping[str, Meter]] = {
    "claude_code.cost.usage": Meter("metric"),
    "claude_code.token.usage": Meter(
        "metric",
        "type",
        {
            "input": "tokens_in",
            "cacheRead": "tokens_in",
            "cacheCreation": "tokens_in",
            "output": "tokens_out",
        },
    ),
    "gemini_cli.token.usage": Meter(
        "metric",
        "type",
        {
            "input": "tokens_in",
            "tool": "tokens_in",
            "output": "tokens_out",
            "thought": "tokens_out",
        },
    ),
    "codex.turn.token_usage": Meter(
        "metric", "token_type", {"input": "tokens_in", "output": "tokens_out"}
    ),
    "gen_ai.client.token.usage": Meter(
        "gen_ai",
        "gen_ai.token.type",
        {"input": "tokens_in", "output": "tokens_out"},
    ),
    "gen_ai.client.inference.usage.input_tokens": Meter("inference", all="tokens_in"),
    "gen_ai.client.inference.usage.output_tokens": Meter("inference", all="tokens_out"),
}
"""By the name of the metric."""

RECORDS: Final[Mapping[str, Record]] = {
    "claude_code.api_request": Record(
        {
            "cost_usd": "cost",
            "input_tokens": "tokens_in",
            "cache_read_tokens": "tokens_in",
            "cache_creation_tokens": "tokens_in",
            "output_tokens": "tokens_out",
        }
    ),
    "gemini_cli.api_response": Record(
        {
            "input_token_count": "tokens_in",
            "tool_token_count": "tokens_in",
            "output_token_count": "tokens_out",
            "thoughts_token_count": "tokens_out",
        }
    ),
    "codex.sse_event": Record(
        {"input_token_count": "tokens_in", "output_token_count": "tokens_out"},
        when=("event.kind", "response.completed"),
    ),
}
"""By the name of the event."""

SESSION: Final = (
    "session.id",
    "conversation.id",
    "gen_ai.conversation.id",
)
"""Attributes that name a session, the first that is there."""

AGENT: Final = "swarm.agent"
"""The attribute that names an agent of the swarm."""
