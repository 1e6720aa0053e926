"""The description says what is served, whole and without loose ends."""

import json
import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from server.http import ROUTES
from server.openapi import Description
from server.routes import Route


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return Description().document(ROUTES, "1.2.3")


def operation(document: dict[str, Any], route: Route) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][route.path][route.method.lower()]
    return found


def test_every_route_is_described_once(document: dict[str, Any]) -> None:
    described = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
    }

    assert described == {(route.method, route.path) for route in ROUTES}
    assert len(described) == len(ROUTES)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))

    assert names <= set(document["components"]["schemas"])


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation(document, route)["operationId"] for route in ROUTES]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.method + route.path)
def test_every_parameter_of_a_path_is_described(
    document: dict[str, Any], route: Route
) -> None:
    named = set(re.findall(r"{(\w+)}", route.path))
    described = {
        parameter["name"]
        for parameter in operation(document, route)["parameters"]
        if parameter["in"] == "path"
    }

    assert described == named


def test_fields_of_a_post_are_its_body(document: dict[str, Any]) -> None:
    status = document["paths"]["/v1/agents/{agent}/status"]["post"]
    schema = status["requestBody"]["content"]["application/json"]["schema"]

    assert "report" in schema["required"]
    assert "agent" not in schema["properties"]
    assert {"spool", "seq", "task"} <= set(schema["properties"])


def test_fields_of_a_get_are_its_query(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/v1/agents"]["get"]["parameters"]

    assert {(one["name"], one["in"]) for one in parameters} == {
        ("q", "query"),
        ("after", "query"),
        ("limit", "query"),
    }


def test_errors_are_problems(document: dict[str, Any]) -> None:
    refused = document["paths"]["/v1/tasks"]["post"]["responses"]["default"]

    assert "application/problem+json" in refused["content"]


def test_only_health_and_the_description_need_no_token(
    document: dict[str, Any],
) -> None:
    bare = {
        route.path for route in ROUTES if not operation(document, route)["security"]
    }

    assert bare == {"/healthz", "/readyz", "/openapi.json"}


def test_rows_are_described_field_by_field(document: dict[str, Any]) -> None:
    from agentkit.rows import Agent

    fields = TypeAdapter(Agent).json_schema()["properties"]

    assert set(document["components"]["schemas"]["Agent"]["properties"]) == set(fields)
