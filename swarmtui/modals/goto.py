"""Go to a view, an agent, a task or a run by typing some of its name."""

from collections.abc import Sequence

from textual.content import Content

from agentkit.rows import Run, Task
from swarmtui.actions import VIEWS
from swarmtui.modals.pick import Entry, PickSheet
from swarmtui.runs import LOOKS
from swarmtui.runs import sign as run_sign
from swarmtui.text import GLYPHS, safe
from swarmtui.work import SIGNS, sign
from swarmtui.work_facts import INKS


class GotoSheet(PickSheet):
    """Views, agents, tasks, runs; dismissed as ``agent:a1``, say."""

    heading = "Go to"
    prompt = "a view, an agent, a task or a run"

    def entries(self) -> Sequence[Entry]:
        """List the views, and every agent, task and run that is known."""
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
        model = self.console.model
        runs = [
            Entry(
                f"run:{run.id}",
                f"{run.id} {model.plan_name(run)}".lower(),
                _run(run, model.plan_name(run)),
            )
            for run in model.runs.values()
        ]
        return [*views, *agents, *tasks, *runs]


def _run(run: Run, plan: str) -> Content:
    ink = LOOKS[run.state].ink
    return Content.assemble(
        (f"{run_sign(run.state):<12}", f"${INKS.get(ink, f'st-{ink}')}"),
        safe(run.id),
        (f"  {safe(plan)}", "$ink-dim"),
    )


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
