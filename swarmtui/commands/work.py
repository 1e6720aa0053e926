"""The words about work: tasks, enqueue, cancel, requeue, retry."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

import click

from agentkit.coordinator import Coordinator
from agentkit.errors import Invalid
from agentkit.integrations.session import of_shell
from agentkit.readers import json_object
from agentkit.rows import Task, TaskState
from agentkit.subjects import matches
from swarmtui import output, words
from swarmtui.asking import (
    NobodyThere,
    ask,
    dead_deliveries,
    each,
    every_task,
    hub_options,
    known,
    look,
    picture,
    utc_now,
)
from swarmtui.model import Model, claim_order
from swarmtui.orders import typed_time
from swarmtui.output import Column, Form
from swarmtui.text import plural
from swarmtui.work import (
    GROUPS,
    Letter,
    compile_work,
    group_of,
    sign,
    tries,
    wanted,
    when,
)

R = TypeVar("R", bound=Letter)

TASKS = (
    Column("state", coloured=True),
    Column("task", flexible=True),
    Column("for", flexible=True, spare=4),
    Column("agent", flexible=True),
    Column("prio", right=True, spare=5),
    Column("tries", right=True, spare=3),
    Column("when", right=True),
    Column("title", flexible=True, spare=1),
    Column("reason", flexible=True, spare=2),
)
CHANGED = (Column("task", flexible=True), Column("agent", flexible=True))
RETRIED = (Column("delivery", flexible=True), Column("agent", flexible=True))
STATES: tuple[TaskState, ...] = get_args(TaskState)
CHOICES = tuple(dict.fromkeys((*GROUPS, *STATES)))


# --- tasks ---------------------------------------------------------------------------


@click.command()
@click.argument("where", metavar="[FILTER]…", nargs=-1)
@click.option(
    "--state",
    "states",
    metavar="STATE",
    help="Only these, with commas between: ready, leased, done, dead, or one state.",
)
@output.form_options
@hub_options
def tasks(*, where: tuple[str, ...], states: str | None, form: Form) -> None:
    """List the tasks and how far they got.

    All of them, or those that a filter chooses:

    \b
    state:leased   need:python   agent:a1   task:P0.*   reason:timeout
    prio>2         tries>1       age>10m    !state:done any text
    """  # noqa: D301 - \b is meant: click leaves these lines as they are
    now = utc_now()
    names = _states(states)
    chosen = [
        task
        for task in _chosen_by(" ".join(where), every_task(), now)
        if not names or {task.state, group_of(task)} & names
    ]
    output.rows(
        form,
        "tasks",
        sorted(chosen, key=_turn),
        TASKS,
        cells=lambda task: _cells(task, now),
    )


def _states(text: str | None) -> set[str]:
    """Return the names of the groups and states that are wanted.

    Raises:
        Invalid: one of them is none.
    """
    names = {name.strip() for name in (text or "").split(",") if name.strip()}
    for name in sorted(names.difference(CHOICES)):
        near = get_close_matches(name, CHOICES, 1)
        remedy = f"did you mean {near[0]}?" if near else f"use {', '.join(CHOICES)}"
        raise Invalid(f"no task has the state {name!r}: {remedy}")
    return names


def _turn(task: Task) -> tuple[bool, bool, int, bool, int, int, str]:
    """Return what tasks are sorted by: held, waiting as they are claimed, settled."""
    group = GROUPS.index(group_of(task)) if task.is_settled else 0
    return (not task.is_held, task.is_settled, group, *claim_order(task))


def _cells(task: Task, now: datetime) -> list[str]:
    return [
        sign(task),
        task.id,
        wanted(task),
        task.agent,
        str(task.priority or ""),
        tries(task),
        when(task, now),
        task.title,
        task.reason,
    ]


def _chosen_by(where: str, rows: Iterable[R], now: datetime) -> list[R]:
    """Return the rows that a filter chooses.

    Raises:
        BadFilter: it cannot be read.
    """
    fits = compile_work(where)
    return [row for row in rows if fits is None or fits(row, now)]


# --- enqueue -------------------------------------------------------------------------


@click.command()
@click.argument("title")
@click.option("--id", "ident", metavar="ID", default="", help="Else the hub names it.")
@click.option(
    "--need", "needs", metavar="C", multiple=True, help="A capability that it takes."
)
@click.option("--agent", metavar="AGENT", help="For this agent only.")
@click.option("--priority", type=int, default=0, help="Higher ones are claimed first.")
@click.option(
    "--not-before", metavar="TIME", help="10m, 21:30 or 2030-12-31T21:30: not earlier."
)
@click.option("--max-attempts", type=int, metavar="N", help="Then it is dead.")
@click.option("--body", metavar="JSON", help="What goes with it; - is standard input.")
@click.option("--key", default="", help="Used again it enqueues nothing else.")
@output.form_options
@hub_options
def enqueue(
    *,
    title: str,
    ident: str,
    needs: tuple[str, ...],
    agent: str | None,
    body: str | None,
    not_before: str | None,
    form: Form,
    **more: Any,
) -> None:
    """Queue a task for whoever can do it.

    With --agent it is for that one only. Prints the id of the task.
    """
    if agent is not None and needs:
        raise click.UsageError("say --agent or --need: an agent is what it is")
    more["body"] = _body(body)
    if not (title.strip() or more["body"]):
        raise click.BadParameter(
            f"{title!r} says nothing, and there is no --body; say what is to be done",
            param_hint="TITLE",
        )
    more["not_before"] = _time(not_before)
    more["giver"] = _giver()

    async def order(swarm: Coordinator) -> Any:
        model = picture(swarm)
        if agent is not None:
            known("agent", agent, model.agents)
            return await swarm.assign(agent, ident, title=title, **more)
        doubt(model, needs)
        return await swarm.enqueue(title, task=ident, needs=needs, **more)

    event = ask(order)
    if form == "table":
        output.line(event.task)
    else:
        output.as_json(enqueued=event)


# --- send ----------------------------------------------------------------------------


@click.command()
@click.argument("to")
@click.argument("text", default="")
@click.option("--body", metavar="JSON", help="What goes with it; - is standard input.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--key", default="", help="Used again it sends nothing else.")
@output.form_options
@hub_options
def send(
    *, to: str, text: str, body: str | None, yes: bool, key: str, form: Form
) -> None:
    """Send a message to agents, by name or by what they can.

    TO is an address. Prints the id of the message.

    \b
    api-1   api-1@swarm   an agent
    cap:review            one of those who can: who waits longest
    "render.*"            all whose names match
    """  # noqa: D301 - \b is meant: click leaves these lines as they are
    said = _body(body)
    if session := of_shell(os.environ):
        raise Invalid(
            f"this is the shell of {session.agent}, and swarmtui send speaks for a "
            "person: say it as that agent with agentkit send"
        )
    if not (text.strip() or said):
        raise click.BadParameter(
            f"{text!r} says nothing, and there is no --body; say something",
            param_hint="TEXT",
        )
    meant = to.rpartition("@")[0] or to
    if "*" in meant:
        model = ask(look)
        matched = sorted(agent for agent in model.agents if matches(meant, agent))
        if not matched:
            raise NobodyThere(
                f"the address {to!r} means nobody out of {len(model.agents):,}: "
                "see swarmtui agents"
            )
        words.agree("Tell", matched, "agent", yes=yes)
    sent = ask(lambda swarm: swarm.send(to, text, body=said, key=key))
    if form == "table":
        told = plural(len(sent.recipients), "agent")
        words.say(f"told {told}; see swarmtui deliveries {sent.message}")
        output.line(sent.message)
    else:
        output.as_json(sent=sent)


def doubt(model: Model, needs: Sequence[str]) -> None:
    """Say what may be a slip: that nobody who is known could do it."""
    if not needs or model.able(needs):
        return
    skills = {skill for agent in model.agents.values() for skill in agent.capabilities}
    for need in needs:
        near = get_close_matches(need, skills, 1)
        if need not in skills and near:
            words.say(f"note: no agent has {need!r}: did you mean {near[0]}?")
            return
    words.say(f"note: no agent that is known can do {', '.join(needs)} yet: it waits")


def _giver() -> str:
    """Return the agent in whose session this runs; empty when a person runs it."""
    session = of_shell(os.environ)
    return session.agent if session else os.environ.get("SWARMTUI_AGENT", "")


def _body(text: str | None) -> dict[str, Any] | None:
    """Read what goes with a task.

    Raises:
        click.BadParameter: it is not an object.
    """
    if text is None:
        return None
    try:
        return json_object(sys.stdin.buffer.read() if text == "-" else text)
    except ValueError as error:
        raise click.BadParameter(
            f'it {error}; write an object such as {{"branch": "main"}}',
            param_hint="--body",
        ) from None


def _time(text: str | None) -> datetime | None:
    """Read a time to come; one without a zone is of this machine.

    Raises:
        click.BadParameter: it is no time.
    """
    if text is None:
        return None
    try:
        return typed_time(text, utc_now()) or datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no time; write 10m, 21:30 or 2030-12-31T21:30",
            param_hint="--not-before",
        ) from None


# --- cancel, requeue, retry ----------------------------------------------------------


def _many(noun: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ids, ``--where`` and ``--yes``."""

    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--yes", is_flag=True, help="Do not ask."),
            click.option("--where", metavar="FILTER", help="Those a filter chooses."),
            click.argument("idents", metavar=f"[{noun}]…", nargs=-1),
        ):
            command = option(command)
        return command

    return give


@click.command()
@_many("ID")
@click.option("--reason", default="", help="Why; whoever has it gets to know.")
@output.form_options
@hub_options
def cancel(
    *, idents: tuple[str, ...], where: str | None, yes: bool, reason: str, form: Form
) -> int:
    """Call tasks off; whoever has one loses it."""
    chosen = _meant(idents, where, every_task, lambda task: not task.is_settled)
    words.agree("Cancel", chosen, "task", yes=yes or where is None)
    done, code = each(chosen, lambda swarm, key: swarm.cancel(key, reason=reason))
    _show_tasks(form, "cancelled", done)
    return code


@click.command()
@_many("ID")
@output.form_options
@hub_options
def requeue(
    *, idents: tuple[str, ...], where: str | None, yes: bool, form: Form
) -> int:
    """Begin tasks anew, with all their attempts.

    Those that are done begin anew as well.
    """
    chosen = _meant(idents, where, every_task)
    words.agree("Requeue", chosen, "task", yes=yes or where is None)
    done, code = each(chosen, lambda swarm, key: swarm.requeue(key))
    _show_tasks(form, "requeued", done)
    return code


@click.command()
@_many("DELIVERY")
@output.form_options
@hub_options
def retry(*, idents: tuple[str, ...], where: str | None, yes: bool, form: Form) -> int:
    """Send dead deliveries once more, as new ones.

    What is dead, and what each is called: swarmtui deliveries --dead.
    """
    chosen = _meant(
        idents,
        where,
        dead_deliveries,
        lambda row: not row.retried,
        seen="swarmtui deliveries --dead",
    )
    words.agree("Retry", chosen, "dead letter", yes=yes or where is None)
    done, code = each(chosen, lambda swarm, key: swarm.retry(key))
    rows = [{"delivery": key, "agent": event.agent} for key, event in done]
    if rows or form != "table":
        output.rows(
            form, "retried", rows, RETRIED, cells=lambda row: list(row.values())
        )
    return code


def _meant(
    idents: Sequence[str],
    where: str | None,
    every: Callable[[], Sequence[R]],
    fits: Callable[[R], bool] = bool,
    *,
    seen: str = "swarmtui tasks",
) -> list[str]:
    """Return the ids that are meant: those said, or those that a filter chooses.

    Args:
        idents: those said.
        where: the filter.
        every: gives all that there are.
        fits: whether the order makes sense for a row.
        seen: the command that lists them.

    Raises:
        click.UsageError: neither was said, or both were.
        NobodyThere: the filter chooses nothing.
    """
    if (where is None) is not bool(idents):
        raise click.UsageError("say which ones, or --where FILTER, and not both")
    if where is None:
        return list(dict.fromkeys(idents))
    rows = every()
    chosen = [row.id for row in _chosen_by(where, rows, utc_now()) if fits(row)]
    if not chosen:
        raise NobodyThere(
            f"the filter {where!r} chooses nothing that this can be done to, out of "
            f"{len(rows):,}: see {seen}"
        )
    return chosen


def _show_tasks(form: Form, what: str, done: Sequence[tuple[str, Any]]) -> None:
    rows = [{"task": key, "agent": event.agent} for key, event in done]
    if rows or form != "table":
        output.rows(form, what, rows, CHANGED, cells=lambda row: list(row.values()))
