"""The description of the API (OpenAPI 3.1), generated from the routes."""

from collections.abc import Iterable
from typing import Any, Final

from pydantic import TypeAdapter

from server.replies import Problem
from server.routes import Route

REF: Final = "#/components/schemas/{model}"

TOKEN: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "The operator's token, a viewer's, or an agent's own. A2A agents "
    "may send theirs as X-A2A-Notification-Token.",
}

KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key has no second effect and the same events.",
    "schema": {"type": "string", "maxLength": 256},
}


REFUSED_BY_WEBHOOK: Final = {
    "type": "object",
    "properties": {
        "detail": {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "object"}},
            ]
        }
    },
    "required": ["detail"],
}
"""A refusal as IF.notify words it: a sentence, or one entry for each bad field."""


REFUSED_BY_MCP: Final = {
    "type": "object",
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "integer", "null"]},
        "error": {
            "type": "object",
            "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
            "required": ["code", "message"],
        },
    },
    "required": ["jsonrpc", "id", "error"],
}
"""A refusal as JSON-RPC words it."""

REFUSED: Final = {"webhook": REFUSED_BY_WEBHOOK, "mcp": REFUSED_BY_MCP}


class Description:
    """Collects the operations of routes and the schemas that they speak of."""

    def __init__(self) -> None:
        self._schemas: dict[str, Any] = {}

    def document(self, routes: Iterable[Route], version: str) -> dict[str, Any]:
        """Return the whole document."""
        paths: dict[str, dict[str, Any]] = {}
        for route in routes:
            operation = self._operation(route)
            paths.setdefault(route.path, {})[route.method.lower()] = operation
        return {
            "openapi": "3.1.0",
            "info": {"title": "swarmtui hub", "version": version},
            "paths": paths,
            "components": {
                "schemas": self._schemas,
                "securitySchemes": {"token": TOKEN},
            },
        }

    def _operation(self, route: Route) -> dict[str, Any]:
        fields = self._fields(route)
        operation: dict[str, Any] = {
            "summary": route.summary,
            "operationId": _name(route),
            "tags": [route.tag],
            "security": [{"token": []}] if route.roles else [],
            "parameters": list(_parameters(route, fields)),
            "responses": self._responses(route),
        }
        if route.method not in ("GET", "HEAD"):
            operation["parameters"].append(KEY)
        if route.takes:
            operation["requestBody"] = {"content": {kind: {} for kind in route.takes}}
        elif route.method == "POST":
            operation["requestBody"] = _body(route, fields)
        return operation

    def _fields(self, route: Route) -> dict[str, Any]:
        if route.shape is None:
            return {"type": "object", "properties": {}}
        return self._resolve(self._schema(route.shape, "validation"))

    def _responses(self, route: Route) -> dict[str, Any]:
        found: dict[str, Any] = {"description": "It is so."}
        if route.reply is not None:
            schema = self._schema(TypeAdapter(route.reply), "serialization")
            found["content"] = {"application/json": {"schema": schema}}
        good = {str(status): found for status in (route.status, *route.also)}
        return {**good, "default": self._refusal(route)}

    def _refusal(self, route: Route) -> dict[str, Any]:
        problem = self._schema(TypeAdapter(Problem), "serialization")
        content = {"application/problem+json": {"schema": problem}}
        if route.door in REFUSED:
            content["application/json"] = {"schema": REFUSED[route.door]}
        return {
            "description": "It is not; the detail says why and what helps.",
            "content": content,
        }

    def _schema(self, shape: TypeAdapter[Any], mode: Any) -> dict[str, Any]:
        schema = shape.json_schema(mode=mode, ref_template=REF)
        self._schemas.update(schema.pop("$defs", {}))
        title = schema.get("title")
        if not title:
            return schema
        self._schemas[title] = schema
        return {"$ref": REF.format(model=title)}

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        return self._schemas[name] if name else schema


def _parameters(route: Route, fields: dict[str, Any]) -> Iterable[dict[str, Any]]:
    required = fields.get("required", [])
    for name, schema in fields.get("properties", {}).items():
        in_path = f"{{{name}}}" in route.path
        if in_path or route.method != "POST":
            yield {
                "name": name,
                "in": "path" if in_path else "query",
                "required": in_path or name in required,
                "schema": schema,
            }
    for name in _unnamed(route, fields):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
        }


def _unnamed(route: Route, fields: dict[str, Any]) -> list[str]:
    """Return the parameters of the path that the shape does not have."""
    named = [part[1:-1] for part in route.path.split("/") if part[:1] == "{"]
    return [name for name in named if name not in fields.get("properties", {})]


def _body(route: Route, fields: dict[str, Any]) -> dict[str, Any]:
    properties = {
        name: schema
        for name, schema in fields.get("properties", {}).items()
        if f"{{{name}}}" not in route.path
    }
    required = [name for name in fields.get("required", []) if name in properties]
    schema = {"type": "object", "properties": properties, "required": required}
    return {"content": {"application/json": {"schema": schema}}}


def _name(route: Route) -> str:
    words = [part.strip("{}") for part in route.path.split("/") if part]
    return "_".join([route.method.lower(), *words]).replace(".", "_")
