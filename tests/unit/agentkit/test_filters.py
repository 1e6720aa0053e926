"""What a filter lets through, and what it says when it cannot be read."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import BadFilter
from agentkit.filters import BadTerm, compile_filter, parse, quote
from agentkit.rows import Agent

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
AGENT = Agent(
    id="session-1",
    status="busy",
    since=NOW - timedelta(minutes=12),
    heard=NOW - timedelta(seconds=40),
    joined=NOW - timedelta(hours=2),
    task="P0.1.2-design",
    message="Waiting for the Codec",
    capabilities=("video", "ndi"),
    cost=5.5,
    tokens_in=1_200_000,
    tokens_out=48_000,
    spent_on="2026-01-01",
    spent=2.5,
    completed=3,
    via="ws",
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "state:busy",
        "state:idle,busy",
        "STATE:busy",
        "!state:idle",
        "!lost",
        "!idle",
        "cap:video",
        "cap:audio,ndi",
        "cap:video cap:ndi",
        "cap:vid*",
        "task:P0.*",
        "task:P0.?.2-*",
        'task:"P0.1.2-design"',
        "presence:late",
        "agent:session-1",
        "agent:other,session-*",
        "id:session-1",
        "via:ws",
        "cost>5",
        "cost>=5.5",
        "cost<=5.5",
        "cost=5.5",
        "!cost>6",
        "spent>2",
        "spent=2.5",
        "tokens>1m",
        "tokens<1.3M",
        "tokens>1200k",
        "tokens=1248000",
        "budget:within",
        "!budget:over",
        "done>2",
        "done<4",
        "age>10m",
        "age<0.5h",
        "age>=720",
        "age=720s",
        "heard<1m",
        "heard>30",
        "age<1d",
        "CODEC",
        "session",
        "p0.1",
        "vide",
        '"for the"',
        "!nothing",
        "state:busy,blocked cap:video cost>5 age>10m task:P0.* !lost codec",
    ],
)
def test_a_filter_lets_the_agent_through(text: str) -> None:
    assert compile_filter(text)(AGENT, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "state:idle",
        "state:lost",
        "!state:busy",
        "!busy",
        "cap:audio",
        "cap:Video",
        "cap:vid",
        "cap:video cap:audio",
        "task:P0",
        'task:"P0.*"',
        "presence:live",
        "agent:SESSION-1",
        "via:http,cli",
        "cost>5.5",
        "done=2",
        "age<10m",
        "heard>5m",
        "nothing",
        "state:busy nothing",
        "!codec",
    ],
)
def test_a_filter_keeps_the_agent_out(text: str) -> None:
    assert not compile_filter(text)(AGENT, NOW)


def test_a_lost_agent_is_lost_whatever_it_said_last() -> None:
    lost = replace(AGENT, lost=True)

    assert compile_filter("state:lost presence:lost")(lost, NOW)
    assert not compile_filter("state:busy")(lost, NOW)
    assert not compile_filter("!lost")(lost, NOW)


def test_a_new_day_begins_with_nothing_spent() -> None:
    tomorrow = NOW + timedelta(days=1)

    assert compile_filter("spent=0 cost>5")(AGENT, tomorrow)
    assert compile_filter("budget:over")(replace(AGENT, over_budget=True), NOW)


@pytest.mark.parametrize(
    ("text", "span", "says"),
    [
        ("stat:busy", (0, 9), "no key 'stat'; did you mean state?"),
        ("lost caps:video", (5, 15), "no key 'caps'; did you mean cap?"),
        ("zzz:1", (0, 5), "the keys are state, presence, budget, cap"),
        ("state:bussy", (0, 11), "'bussy' is not a state; use busy"),
        ("state:xx", (0, 8), "use idle, busy, blocked, help or lost"),
        ("presence:here", (0, 13), "'here' is not a presence"),
        ("state:", (0, 6), "it has no value; write state:VALUE"),
        ("cap:,", (0, 5), "it has no value"),
        ("cap=video", (0, 9), "cap takes a colon; write cap:video"),
        ("a !cost:5", (2, 9), "cost is compared with a number; write cost>5"),
        ("cost==5", (0, 7), "cost is compared with a number"),
        ("cost>much", (0, 9), "'much' is not a number; write cost>5"),
        ("cost>5m", (0, 7), "'5m' is not a number"),
        ("tokens>1g", (0, 9), "'1g' is not a number; write tokens>1.5m, with k or m"),
        ("budget:none", (0, 11), "'none' is not a budget; use within or over"),
        ("age>10y", (0, 7), "'10y' is not a time; write age>10m, with s, m, h or d"),
        ("age>-1", (0, 6), "'-1' is not a time"),
        ("age>" + "9" * 400, (0, 404), "is too long; write age>10m"),
        ("age>99999999999999d", (0, 19), "99999999999999d is too long"),
        ("a " * 2049, (4096, 4098), "the filter has 4,098 characters and 4,096"),
        ('busy "open', (5, 10), "the quotation mark at character 6 is not closed"),
        ("busy ! lost", (5, 6), "the ! at character 6 has no term after it"),
    ],
)
def test_a_bad_term_is_named_with_its_place_and_remedy(
    text: str, span: tuple[int, int], says: str
) -> None:
    with pytest.raises(BadTerm) as caught:
        compile_filter(text)

    assert says in str(caught.value)
    assert (caught.value.start, caught.value.end) == span
    assert caught.value.code == "bad_filter"


def test_quoted_values_keep_their_spaces_and_commas() -> None:
    agent = replace(AGENT, task="draw, then cut", id="a b")

    assert compile_filter('task:"draw, then cut" id:x,"a b"')(agent, NOW)


def test_terms_know_where_they_stand() -> None:
    terms = parse('!lost  cost>5 "two words"')

    assert [(t.text, t.start, t.end) for t in terms] == [
        ("!lost", 0, 5),
        ("cost>5", 7, 13),
        ('"two words"', 14, 25),
    ]
    assert [(t.key, t.operator, t.value) for t in terms][:2] == [
        ("state", ":", "lost"),
        ("cost", ">", "5"),
    ]


def test_only_filters_on_time_change_with_time() -> None:
    assert compile_filter("age>5m").timed
    assert compile_filter("!presence:late").timed
    assert compile_filter("spent>2").timed
    assert not compile_filter("state:busy cost>5 text").timed


@given(st.text(min_size=1, max_size=30))
def test_a_quoted_id_finds_its_agent(name: str) -> None:
    assert compile_filter(f"agent:{quote(name)}")(replace(AGENT, id=name), NOW)


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_bad_filter(text: str) -> None:
    with suppress(BadFilter):
        assert compile_filter(text)(AGENT, NOW) in (True, False)
