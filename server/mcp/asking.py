"""Tools about others: people who answer, agents who are told, and how one stands."""

from collections.abc import Sequence
from typing import Final

from agentkit.protocol import Logged, MessageSent, Send
from agentkit.rows import Broadcast, Delivery, HelpRequest
from server.core import Swarm
from server.core.messages import sent_before
from server.limits import cost_of
from server.mcp.desk import Answer, Desk, Said, is_mail, task_view
from server.mcp.working import report

SHOWN: Final = ("id", "status", "task", "message", "capabilities", "cost", "completed")
"""What an agent is told of itself."""


async def ask(desk: Desk, said: Said) -> Answer:
    """Ask, or go on waiting for the answer to what was asked."""
    seconds = said.pop("wait", 0.0)
    row = await _asked(desk, said)
    key = row.id if row else said.get("id") or desk.own_id("h")
    if row is None:
        question = said.pop("question")
        await report(desk, "help", message=question, **{**said, "id": key})
    patience = seconds if row is None or row.is_open else 0.0

    def answers(delivery: Delivery) -> bool:
        return (delivery.kind, delivery.ref) == ("answer", key)

    letters = await desk.await_mail(answers, patience)
    now = await _request(desk, key)
    value = {
        "help": key,
        "state": now.state if now else "resolved",
        "answer": now.answer if now and now.state == "answered" else None,
    }
    await desk.hand_over(letters)
    return Answer(value, [letter.delivery for letter in letters])


async def _asked(desk: Desk, said: Said) -> HelpRequest | None:
    """Return the request that this asks once more, if it does."""
    if "id" in said:
        row = await _request(desk, said["id"])
        return row if row is not None and row.agent == desk.agent else None

    def same(swarm: Swarm) -> HelpRequest | None:
        agent = swarm.agents.get(desk.agent)
        row = swarm.helps.get(agent.help) if agent else None
        if row is None or not row.is_open or row.kind != "help":
            return None
        asked = (said["question"], said.get("choices", ()))
        return row if asked == (row.question, row.choices) else None

    return await desk.office.hub.ask(same)


async def _request(desk: Desk, key: str) -> HelpRequest | None:
    row = await desk.office.hub.ask(lambda swarm: swarm.helps.get(key))
    return row or await desk.office.hub.store.help(key)


async def send(desk: Desk, said: Said) -> Answer:
    """Send a message."""
    office = desk.office
    office.slow_down(desk.agent, cost_of(said["to"], office.hub.agents) - 1)
    wish = Send(agent=desk.agent, **{"id": desk.own_id("s"), **said})

    def read(swarm: Swarm, events: Sequence[Logged]) -> Broadcast | None:
        made = (event.message for _, event in events if isinstance(event, MessageSent))
        return swarm.broadcasts.get(next(made, "")) or sent_before(swarm, wish)

    row: Broadcast | None = (await desk.submit(wish, read=read)).value
    sent = {"recipients": row.recipients, "left_out": row.left_out} if row else {}
    return Answer({"message": row.id if row else wish.id, **sent})


async def status(desk: Desk, _said: Said) -> Answer:
    """Tell an agent what the hub knows of it, and hand over its mail."""

    def look(swarm: Swarm) -> Said:
        row = swarm.agent(desk.agent)
        held = swarm.held.get(row.id, ())
        question = swarm.helps.get(row.help)
        asked = question if question is not None and question.is_open else None
        return {
            **{name: getattr(row, name) for name in SHOWN},
            "tasks": [task_view(swarm.tasks[key]) for key in held],
            "help": {"id": asked.id, "question": asked.question} if asked else None,
        }

    value = await desk.office.hub.ask(look)
    letters = await desk.await_mail(is_mail, 0.0)
    mail = await desk.hand_over(letters)
    return Answer({**value, "mail": mail}, [letter.delivery for letter in letters])
