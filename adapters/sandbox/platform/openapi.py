"""`GET /openapi.json`: the routes of this platform as an OpenAPI 3.1 document, for tools that test with one.

Bodies and queries come from the models that read them (`wire`), so the document cannot promise something else.
Answers are those of protocol.md, Contract and Errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.sandbox.platform.wire import AgentBody, AuditQuery, DecisionBody, RunBody

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NULLABLE: Schema = {"type": ["string", "null"]}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_ARGUMENTS: Schema = {"type": ["object", "string"]}


def _object(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def _wrapped(data: Schema, **more: Schema) -> Schema:
    return _object({"success": {"const": True}, "data": data, **more}, message=_TEXT)


_METADATA = _object(
    {"required": {"const": True}, "decision": {"const": "pending"}, "timeout_at": _MOMENT},
    request_id=_TEXT,
    timeout_seconds={"type": "number", "exclusiveMinimum": 0},
)
_PENDING = _object(
    {
        "request_id": _TEXT,
        "tool": _TEXT,
        "arguments": _ARGUMENTS,
        "created_at": _MOMENT,
        "agent_id": _TEXT,
        "run_id": _NULLABLE,
        "hitl_metadata": _METADATA,
    },
    additional_context={"type": "object"},
)
_LIST: Schema = {"type": "array", "items": _PENDING}
_RECORD = _object(
    {
        "request_id": _TEXT,
        "decision": {"enum": ["approved", "rejected", "skipped", "timeout"]},
        "timestamp": _MOMENT,
        "agent": _object({"id": _TEXT, "name": _TEXT}),
        "tool": _object({"name": _TEXT, "arguments": _ARGUMENTS}),
        "metadata": {"type": "object"},
    }
)
_COUNT: Schema = {"type": "integer", "minimum": 0}
_PAGE = _wrapped(
    {"type": "array", "items": _RECORD},
    total=_COUNT,
    page=_COUNT,
    limit=_COUNT,
    has_next={"type": "boolean"},
    has_prev={"type": "boolean"},
)
_AGENT = _object({"id": _TEXT, "name": _TEXT, "tools": {"type": "array"}}, instruction=_TEXT, description=_TEXT)
_NAMED = _object({"id": _TEXT, "name": _TEXT})
_ERROR = _object(
    {"success": {"const": False}, "error": _TEXT, "message": _TEXT, "details": {"type": ["object", "null"]}}
)
_AUDIT_ERROR = _object({"error": _TEXT, "message": _TEXT}, details={"type": "object"})
_PROBLEM = _object({"loc": {"type": "array"}, "msg": _TEXT, "type": _TEXT})
_KEYED: dict[int, Schema] = {401: _ERROR}
_INVALID = _object({"detail": {"type": "array", "items": _PROBLEM}})


def document() -> Schema:
    """The whole document."""
    taken = _object({"status": {"const": "ok"}, "message": _TEXT})
    agent_id, request_id = _in_path("agent_id"), _in_path("request_id")
    return {
        "openapi": "3.1.0",
        "info": {"title": "GL AIP, as Nod's sandbox serves it", "version": "1"},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}},
        "security": [{"key": []}],
        "paths": {
            "/health-check": {"get": _operation("It is up", _object({"status": _TEXT}), open_to_all=True)},
            "/openapi.json": {"get": _operation("This document", {"type": "object"}, open_to_all=True)},
            "/agents/hitl/pending": {
                "get": _operation("What waits", {"anyOf": [_LIST, _wrapped(_LIST)]}, errors=_KEYED)
            },
            "/agents/hitl/decision": {
                "post": _operation(
                    "Decide", taken, body=DecisionBody, errors=_missing() | {409: _ERROR, 422: _INVALID}
                )
            },
            "/agents/hitl/audit": {
                "get": _operation(
                    "What was decided", _PAGE, parameters=_query(AuditQuery), errors=_audit_errors(400)
                )
            },
            "/agents/hitl/audit/{request_id}": {
                "get": _operation(
                    "How one ended", _wrapped(_RECORD), parameters=[request_id], errors=_audit_errors(404)
                )
            },
            "/agents/": {
                "get": _operation("Agents", _listed(_AGENT), parameters=[_in_query("name")], errors=_KEYED),
                "post": _operation(
                    "Create one", _wrapped(_object({"id": _TEXT})), body=AgentBody, status=201,
                    errors=_KEYED | {409: _ERROR, 422: _INVALID},
                ),
            },
            "/agents/{agent_id}": {
                "get": _operation("One agent", _wrapped(_AGENT), parameters=[agent_id], errors=_missing())
            },
            "/agents/{agent_id}/run": {
                "post": _operation(
                    "Run it; with `stream` as server-sent events", _wrapped({"type": "object"}), body=RunBody,
                    parameters=[agent_id], errors=_missing() | {422: _INVALID}, streams=True,
                )
            },
            "/language-models/": {"get": _operation("Models", _listed(_NAMED), errors=_KEYED)},
            "/tools/": {"get": _operation("Tools", _listed(_NAMED), errors=_KEYED)},
            "/tools/upload": {
                "post": _operation("Upload one", _wrapped(_NAMED), status=201, errors=_KEYED | {400: _ERROR})
            },
            "/mcps/": {"get": _operation("MCP servers; there are none", _listed(_NAMED), errors=_KEYED)},
        },
    }  # fmt: skip


def _operation(
    summary: str,
    answer: Schema,
    *,
    status: int = 200,
    body: type[BaseModel] | None = None,
    parameters: list[Schema] | None = None,
    errors: Mapping[int, Schema] | None = None,
    streams: bool = False,
    open_to_all: bool = False,
) -> Schema:
    said = _json(answer) | ({"text/event-stream": {"schema": _TEXT}} if streams else {})
    responses = {str(status): {"description": summary, "content": said}}
    responses |= {
        str(code): {"description": _REASONS[code], "content": _json(s)} for code, s in (errors or {}).items()
    }
    made: Schema = {"summary": summary, "responses": responses}
    if body is not None:
        made["requestBody"] = {"required": True, "content": _json(body.model_json_schema())}
    if parameters:
        made["parameters"] = parameters
    return made | ({"security": []} if open_to_all else {})


_REASONS = {
    400: "A parameter is not taken",
    401: "No key, or a wrong one",
    404: "Not there",
    409: "Already decided, or the name is taken",
    422: "The body is not valid",
}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _listed(item: Schema) -> Schema:
    return _wrapped({"type": "array", "items": item})


def _missing() -> dict[int, Schema]:
    return _KEYED | {404: _ERROR}


def _audit_errors(own: int) -> dict[int, Schema]:
    # Where a platform has no audit, its 404 is the general one.
    return {401: _AUDIT_ERROR, own: _AUDIT_ERROR} | {404: {"anyOf": [_AUDIT_ERROR, _ERROR]}}


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _in_query(name: str, schema: Schema = _TEXT) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _query(model: type[BaseModel]) -> list[Schema]:
    """The model's fields as parameters; one that may be left out is not given as null."""
    fields = model.model_json_schema()["properties"]
    return [_in_query(name, _given(schema)) for name, schema in fields.items()]


def _given(schema: Schema) -> Schema:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema
