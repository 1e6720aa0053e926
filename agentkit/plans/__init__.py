"""Plans: what a run does, as data.

`read_plan` makes a document of a plan's files and tells what is wrong with them.
`compile_plan` turns a document into a `Flow`, which the hub follows.
Expressions and templates are pure; they give JSON or raise `ExpressionError`.
"""

from agentkit.plans.compiling import compile_plan
from agentkit.plans.expressions import Expression, Template
from agentkit.plans.model import (
    AgentStep,
    Call,
    Flow,
    Machine,
    Retry,
    Stage,
    Transition,
)
from agentkit.plans.reading import Problem, Reading, read_plan
from agentkit.plans.values import Cost, ExpressionError

__all__ = [
    "AgentStep",
    "Call",
    "Cost",
    "Expression",
    "ExpressionError",
    "Flow",
    "Machine",
    "Problem",
    "Reading",
    "Retry",
    "Stage",
    "Template",
    "Transition",
    "compile_plan",
    "read_plan",
]
