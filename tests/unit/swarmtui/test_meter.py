"""The tokens of the demo are told as a hub takes them."""

from server.otlp.reading import read_metrics
from swarmtui.demo.meter import IN_A_DOLLAR, OUT_OF_A_DOLLAR, _body


def test_what_was_spent_is_told_in_tokens_of_each_agent() -> None:
    export = read_metrics(_body({"a": 1.0, "b": 0.5}))
    told = [(use.agent, use.counted, use.amount) for use in export.uses]

    assert (export.other, export.bad) == (0, 0)
    assert told == [
        ("a", "tokens_in", IN_A_DOLLAR),
        ("a", "tokens_out", OUT_OF_A_DOLLAR),
        ("b", "tokens_in", IN_A_DOLLAR / 2),
        ("b", "tokens_out", OUT_OF_A_DOLLAR / 2),
    ]
    assert all(use.series is None for use in export.uses), "what is new, no totals"
