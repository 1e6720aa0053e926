"""Go to a view, an agent or a task by typing some of its name."""

from collections.abc import Sequence

from textual.content import Content

from agentkit.rows import Task
from swarmtui.actions import VIEWS
from swarmtui.modals.pick import Entry, PickSheet
from swarmtui.text import GLYPHS, safe
from swarmtui.work import SIGNS, sign
from swarmtui.work_facts import INKS


class GotoSheet(PickSheet):
    """Views first, then agents, then tasks; dismissed as ``agent:a1``, say."""

    heading = "Go to"
    prompt = "a view, an agent or a task"

    def entries(self) -> Sequence[Entry]:
        """List the views, every agent and every task that is known."""
        views = [
            Entry(f"view:{name}", name, Content(f"{key} {name.capitalize()}"))
            for key, name in enumerate(VIEWS, 1)
        ]
        agents = [
            Entry(f"agent:{agent.id}", agent.id.lower(), _prompt(agent.id, agent.state))
            for agent in self.console.model.agents.values()
        ]
        tasks = [
            Entry(f"task:{task.id}", f"{task.id} {task.title}".lower(), _task(task))
            for task in self.console.model.tasks.values()
        ]
        return [*views, *agents, *tasks]


def _task(task: Task) -> Content:
    ink = SIGNS[task.state].ink
    return Content.assemble(
        (f"{sign(task):<12}", f"${INKS.get(ink, f'st-{ink}')}"),
        safe(task.id),
        (f"  {safe(task.title)}", "$ink-dim"),
    )


def _prompt(agent: str, state: str) -> Content:
    return Content.assemble(
        (f"{GLYPHS[state]} ", f"$st-{state}"), safe(agent), (f"  {state}", "$ink-dim")
    )
