"""Plans as people see them."""

from pathlib import Path
from typing import Any

import pytest

from agentkit.plans import compile_plan, read_plan
from swarmtui.plan_drawing import NARROWEST, draw, plain
from swarmtui.text import width

EXAMPLE = (
    Path(__file__).parents[3] / "examples" / "peering" / "config" / "peering_demo.yml"
)

END: dict[str, Any] = {"type": "final"}
REPORT: dict[str, Any] = {
    "name": "report",
    "main": "report",
    "machines": {
        "report": {
            "agents": {"writer": {"capabilities": ["text", "english"]}},
            "machines": {"chapter": "page"},
            "states": {
                "outline": {
                    "type": "initial",
                    "agent": "writer",
                    "execution": {"type": "parallel", "n_samples": 3},
                    "mode": "any",
                    "output_to_context": {"outline": "{{ output }}"},
                    "transitions": [{"to": "pages"}],
                    "on_error": "failed",
                },
                "pages": {
                    "foreach": "{{ context.outline }}",
                    "as": "title",
                    "key": "title.id",
                    "machine": "chapter",
                    "concurrency": 20,
                    "timeout": 60,
                    "execution": {"type": "retry", "backoffs": [2, 8], "jitter": 0.1},
                    "transitions": [
                        {"condition": "{{ output|length == 0 }}", "to": "outline"},
                        {"to": "done"},
                    ],
                },
                "done": {
                    "type": "final",
                    "launch": "audit",
                    "output": {"pages": "{{ context.outline }}"},
                },
                "failed": END,
            },
        },
        "page": {
            "states": {
                "initial": {"agent": "gpu", "transitions": [{"to": "end"}]},
                "end": END,
            }
        },
        "audit": {
            "states": {
                "initial": {"machine": "page", "transitions": [{"to": "end"}]},
                "end": END,
            }
        },
    },
}

DRAWN = """\
╭─ report ──────────────────────────────────────────────── 4 stages ─╮
│ ◉ outline                                                          │
│ │ agent writer, needs text, english                                │
│ │ 3 samples, the first that is done counts                         │
│ │ → context: outline                                               │
│ ├─ × any error ─▸ failed                                           │
│ ▼                                                                  │
│ ○ pages                                                            │
│ │ for each title of context.outline by title.id                    │
│ │ 20 at once, again after 2, 8 s ±10%, within 60 s                 │
│ │ ╭─ chapter: page ─────────────────────────────────── 2 stages ─╮ │
│ │ │ ◉ initial                                                    │ │
│ │ │ │ agent gpu                                                  │ │
│ │ │ ▼                                                            │ │
│ │ │ ◎ end                                                        │ │
│ │ ╰──────────────────────────────────────────────────────────────╯ │
│ ├─ output|length == 0 ─▸ outline                                   │
│ │ else                                                             │
│ ▼                                                                  │
│ ◎ done                                                             │
│   ╭╌ audit ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 2 stages ╌╮ │
│   ┆ ◉ initial                                                    ┆ │
│   ┆ │ ▸ runs page, as above                                      ┆ │
│   ┆ ▼                                                            ┆ │
│   ┆ ◎ end                                                        ┆ │
│   ╰╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╯ │
│   gives pages                                                      │
│                                                                    │
│ ◎ failed                                                           │
╰────────────────────────────────────────────────────────────────────╯

 ◉ first   ○ next   ◎ last   ⇢ launched, not waited for   × on an error
"""  # noqa: RUF001  # the signs


def lines(document: Any, room: int = 80) -> list[str]:
    return plain(draw(compile_plan(document), room))


def test_a_plan_is_drawn() -> None:
    assert "\n".join(lines(REPORT, 70)) + "\n" == DRAWN


@pytest.mark.parametrize("room", [NARROWEST, 60, 80, 133])
def test_a_drawing_fits_and_its_boxes_are_whole(room: int) -> None:
    for document in (REPORT, read_plan(EXAMPLE).document):
        *boxes, legend = lines(document, room)

        assert all(width(line) in (0, room) for line in boxes)
        assert width(legend) <= 80


def test_every_machine_is_drawn_once_however_narrow_it_is() -> None:
    for room in (NARROWEST, 50, 80):
        text = "\n".join(lines(read_plan(EXAMPLE).document, room))

        for name in ("peering_demo", "orchestrator", "worker_node", "worker_task"):
            assert text.count(f"─ {name} ─") == 1
        assert text.count("launches worker_node and goes on") == 1


def test_machines_that_call_one_another_in_a_circle_are_drawn() -> None:
    stages = {"initial": {"machine": "b", "transitions": [{"to": "end"}]}, "end": END}
    other = {"initial": {"machine": "a", "transitions": [{"to": "end"}]}, "end": END}
    document = {"machines": {"a": {"states": stages}, "b": {"states": other}}}

    assert sum("runs a, as above" in line for line in lines(document)) == 1


def test_nothing_that_a_plan_says_acts_on_a_terminal() -> None:
    stages = {
        "initial": {
            "foreach": "{{ input['\x1b[31m\u202e'] }}",
            "agent": "\u4e16" * 60,
            "transitions": [{"condition": "'\x07\n' == 'x'", "to": "end"}],
            "on_error": {"\u00e9\u0301": "end"},
        },
        "end": END,
    }
    drawn = draw(compile_plan({"machines": {"a": {"states": stages}}}))

    assert all(line.isprintable() and width(line) <= 80 for line in plain(drawn))
