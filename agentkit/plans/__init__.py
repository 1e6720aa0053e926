"""Plans: what a run does, as data.

`compile_plan` turns the document of a plan into a `Flow`, which the hub follows.
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
from agentkit.plans.values import ExpressionError

__all__ = [
    "AgentStep",
    "Call",
    "Expression",
    "ExpressionError",
    "Flow",
    "Machine",
    "Retry",
    "Stage",
    "Template",
    "Transition",
    "compile_plan",
]
