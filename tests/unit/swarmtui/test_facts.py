"""What the detail pane says of agents and their work."""

from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import Any

from agentkit.coordinator import Heard
from agentkit.protocol import MessageSent
from agentkit.rows import Delivery
from swarmtui.facts import agent_facts, leases, mailbox, why
from swarmtui.model import Batch, Model
from swarmtui.screens.columns import FLEET, LINK, WAITING
from swarmtui.work_facts import letter_facts, recipients, story, task_facts
from tests.unit.swarmtui.conftest import NOW, STORY, agent, ledger, task

DEAD = Delivery(
    agent="a",
    seq=7,
    kind="broadcast",
    ref="b1",
    state="dead",
    queued=NOW,
    attempts=2,
    reason="KeyError",
)


def test_an_agent_that_promises_at_most_once_says_so() -> None:
    risky, safe = agent("a", guarantee="at-most-once"), agent("b")

    assert "at most once" in agent_facts(risky, NOW, 60).plain
    assert "at most once" not in agent_facts(safe, NOW, 60).plain
    assert (LINK.text(risky, NOW), LINK.text(safe, NOW)) == ("live¹", "live")


def test_what_an_agent_says_is_told_in_a_few_lines() -> None:
    long = agent("a", message="allow Bash " + "npm install " * 30)
    told = agent_facts(long, NOW, 39).plain.splitlines()

    first = next(n for n, line in enumerate(told) if line.startswith("says"))
    assert told[first + 3].startswith(" " * 9)
    assert told[first + 3].endswith("…")
    assert told[first + 4].startswith("can")
    assert max(map(len, told)) <= 39


def test_an_agent_is_told_with_what_it_costs() -> None:
    used: dict[str, Any] = {"tokens_in": 1_240_000, "tokens_out": 48_000}
    spent: dict[str, Any] = {"cost": 19.55, "spent": 4.2, "spent_on": "2026-01-01"}
    paid = agent_facts(agent("a", **used, **spent), NOW, 39).plain
    tomorrow = agent_facts(agent("a", **spent), NOW + timedelta(days=1), 39).plain

    assert "cost     $19.55, $4.20 today\ntokens   1.2M in, 48k out\n" in paid
    assert "cost     $19.55\nlink" in tomorrow


def test_an_agent_over_budget_is_marked_in_words_wherever_it_is_listed() -> None:
    spent: dict[str, Any] = {
        "over_budget": True,
        "spent": 5.02,
        "spent_on": "2026-01-01",
    }
    poor = agent("a", task="T1", capabilities=("sql",), **spent)
    row = {column.key: column.text(poor, NOW) for column in FLEET}
    waits = [column.text(poor, NOW) for column in WAITING]

    assert "■ over budget, no new work" in agent_facts(poor, NOW, 39).plain
    assert row["doing"] == "over budget  T1"
    assert row["today"] == "$5.02"
    assert waits[-1] == "over budget  sql"
    assert "over budget: $5.02 on 2026-01-01 (UTC), no new work that day" in (
        why(poor, [], NOW, 72).plain
    )


def test_the_leases_of_an_agent_are_told_with_what_is_left() -> None:
    until = NOW + timedelta(seconds=30)
    held = task("T1", "a", state="leased", lease=60.0, lease_until=until, fence=4)
    model = Model()
    rows = (held, task("T2", "a", state="working"), task("T3", "b", state="leased"))
    model.apply(Batch(reset=True, tasks={row.id: row for row in rows}))

    mine = model.held_by("a")
    lines = leases(mine, NOW, 40).plain.splitlines()
    assert [row.id for row in mine] == ["T2", "T1"]
    assert lines[0].endswith("no lease")
    assert lines[1].endswith("━━┄┄┄  30s")


def test_dead_mail_is_told_with_its_reason() -> None:
    assert "† KeyError" in mailbox(Model(), [DEAD], 60).plain


def test_mail_from_another_agent_is_told_with_who_sent_it_and_what() -> None:
    model = Model()
    said: Any = {"at": NOW, "agent": "b", "to": "a", "recipients": ("a",)}
    messages = (
        MessageSent(message="x", text="the build\nis red", **said),
        MessageSent(message="y", body={"method": "add"}, **said),
    )
    model.apply(Batch(events=deque(Heard(n, one) for n, one in enumerate(messages))))
    mail = [replace(DEAD, kind="message", ref=ref, state="done") for ref in "xyz"]

    lines = mailbox(model, mail, 60).plain.splitlines()

    assert lines[0].endswith("b: “the build is red”")
    assert lines[1].endswith("b: {'method': 'add'}")
    assert lines[2].endswith("z")


def test_a_task_tells_how_far_it_is_and_who_watches() -> None:
    held = task(
        "T1", "a", state="leased", progress=0.42, note="4 of 10", watchers=("b", "c")
    )

    told = task_facts(Model(), held, NOW, 60).plain
    line = leases([held], NOW, 60).plain
    untold = task_facts(Model(), task("T2", "a", state="leased"), NOW, 60).plain

    assert "▰▰▱▱▱  42%" in told
    assert "4 of 10" in told
    assert "by b, c" in told
    assert "▰▰▱▱▱  42%" in line
    assert "progress" not in untold


def test_a_dead_delivery_is_told_in_full() -> None:
    told = letter_facts(Model(), DEAD, NOW, 60).plain

    for words in ("KeyError", "7@a", "2 times"):
        assert words in told


def test_a_task_that_waits_says_who_is_able_to_do_it() -> None:
    model = Model()
    able = agent("a", ticket=1, capabilities=("python", "sql", "rust"))
    other = agent("b", capabilities=("python",))
    lost = agent("c", lost=True, capabilities=("python", "sql", "rust"))
    rows = {row.id: row for row in (able, other, lost)}
    model.apply(Batch(reset=True, agents=rows))

    some = task("T1", "", needs=("python", "sql", "rust", "video"))
    none = task("T2", "", needs=("law",))
    assert "1 agent, 1 idle" in task_facts(model, some, NOW, 60).plain
    assert "no agent covers enough" in task_facts(model, none, NOW, 60).plain


def test_a_result_is_shown_and_what_is_said_already_is_not() -> None:
    row = task(
        "T1", "a", state="done", result={"pages": 3}, body={"id": "T1", "ref": "#8"}
    )
    told = task_facts(Model(), row, NOW, 60).plain

    assert "pages    3" in told
    assert "ref      #8" in told
    assert "id       T1" not in told


def test_the_way_of_each_delivery_is_shown_the_dead_first() -> None:
    first, *rest = recipients(ledger("b1"), 60, 8).plain.splitlines()

    assert first.endswith("queued→sent→acked→dead")
    assert any(line.endswith("acked ×2") for line in rest)  # noqa: RUF001


def test_the_history_of_a_task_does_not_repeat_its_name() -> None:
    told = story("T4", STORY, 60).plain.splitlines()

    assert [line.split(maxsplit=2)[2] for line in told] == [
        "dead      s  disk quota",
        "claimed   s  attempt 2",
        "failed    s  disk quota",
    ]
