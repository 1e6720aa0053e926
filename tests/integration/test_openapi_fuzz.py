"""Every operation that the hub describes is called with what it describes, and with
what it does not: it answers as described, never with an error of its own.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from server.http import ROUTES
from tests.integration.conftest import RunningHub, launch

EXAMPLES = 12
"""Calls of each operation, half of them with what is not described."""

load_all_checks()
PROMISES = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    ]
)
OPERATIONS = sorted({(route.method, route.path) for route in ROUTES})
"""Told here so that each is a test of its own; the description is the hub's."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    hub = launch(tmp_path_factory.mktemp("hub"), "--client-rate", "1000000")
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def description(hub: RunningHub) -> Any:
    return schemathesis.openapi.from_dict(hub.get("/openapi.json").json())


def impatient(case: Any) -> Any:
    """Leave out what makes the hub wait."""
    for part in (case.query, case.body):
        if isinstance(part, dict):
            part.pop("wait", None)
    return case


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_hub_answers_as_it_describes(
    hub: RunningHub, description: Any, method: str, path: str, mode: GenerationMode
) -> None:
    operation = description[path][method]
    cases = operation.as_strategy(generation_mode=mode)

    @seed(2026)
    @settings(
        max_examples=EXAMPLES // 2,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases.map(impatient))
    def called(case: Any) -> None:
        case.call_and_validate(
            base_url=hub.url,
            headers={"Authorization": f"Bearer {hub.token}"},
            checks=PROMISES,
            timeout=20,
        )

    # Where nothing is described there is nothing to be contrary to.
    with suppress(Unsatisfiable):
        called()

    assert json.loads(hub.get("/readyz").text)["ready"]
