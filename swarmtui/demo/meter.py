"""What the agents of the play read and write, told as their telemetry would."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from agentkit.calls import Caller
from agentkit.errors import AgentkitError
from agentkit.settings import Endpoint

EVERY: Final = 2.0
"""Seconds between two exports."""

IN_A_DOLLAR, OUT_OF_A_DOLLAR = 620_000, 14_000
"""Tokens that a dollar buys, most of those that are read from a cache."""

METRIC: Final = "gen_ai.client.token.usage"
DELTA: Final = 1
PATIENCE: Final = 5.0


class Meter:
    """Counts what is spent, and exports it in OTLP, for all agents at once."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)

    def count(self, agent: str, dollars: float) -> None:
        """Count what an agent has spent since the last time."""
        if dollars > 0:
            self._spent[agent] += dollars

    async def tell(self, hub: Endpoint) -> None:
        """Export now and then; what the hub does not take is lost."""
        with Caller(hub, PATIENCE) as caller:
            while True:
                await asyncio.sleep(EVERY)
                spent, self._spent = self._spent, defaultdict(float)
                if spent:
                    with suppress(AgentkitError):
                        await asyncio.to_thread(_export, caller, spent)


def _export(caller: Caller, spent: Mapping[str, float]) -> None:
    caller.request("POST", "/otlp/v1/metrics", _body(spent))


def _body(spent: Mapping[str, float]) -> dict[str, Any]:
    """Return an ExportMetricsServiceRequest of what everybody spent."""
    points = [
        _point(agent, kind, dollars * rate)
        for agent, dollars in spent.items()
        for kind, rate in (("input", IN_A_DOLLAR), ("output", OUT_OF_A_DOLLAR))
    ]
    data = {"aggregationTemporality": DELTA, "isMonotonic": True, "dataPoints": points}
    scope = {"metrics": [{"name": METRIC, "sum": data}]}
    return {"resourceMetrics": [{"scopeMetrics": [scope]}]}


def _point(agent: str, kind: str, tokens: float) -> dict[str, Any]:
    said = {"swarm.agent": agent, "gen_ai.token.type": kind}
    attributes = [
        {"key": key, "value": {"stringValue": text}} for key, text in said.items()
    ]
    return {"attributes": attributes, "asInt": str(round(tokens))}
