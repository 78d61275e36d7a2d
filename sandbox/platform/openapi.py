"""`GET /openapi.json`: the routes of this platform as an OpenAPI 3.1 document, for tools that test with one.

Bodies and queries come from the models that read them (`wire`), so the document cannot promise something else.
Answers are those of the real one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.faults import CONTROL_PATH, Rule
from sandbox.platform.schemas import (
    AGENT,
    AUDIT_ERROR,
    ERROR,
    EVENT,
    INVALID,
    KEYED,
    LIST,
    NAMED,
    PAGE,
    RECORD,
    TEXT,
    TOOL,
    UPLOAD,
    Schema,
    object_of,
    wrapped,
)
from sandbox.platform.wire import AgentBody, AuditQuery, DecisionBody, RunBody

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel


def document(*, faults: bool = False) -> Schema:
    """The whole document; with `faults` also the routes by which something goes wrong on request."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "GL AIP, as Nod's sandbox serves it", "version": "1"},
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
            "schemas": _shared(AgentBody, DecisionBody, RunBody, *([Rule] if faults else [])),
        },
        "security": [{"key": []}],
        "paths": {
            "/health-check": {"get": _operation("It is up", object_of({"status": TEXT}), open_to_all=True)},
            "/openapi.json": {"get": _operation("This document", {"type": "object"}, open_to_all=True)},
            **_approvals(),
            **_agents(),
            **_tools(),
            **(_fault_routes() if faults else {}),
        },
    }


def _approvals() -> Schema:
    taken = object_of({"status": {"const": "ok"}, "message": TEXT})
    return {
        "/agents/hitl/pending": {
            "get": _operation("What waits", {"anyOf": [LIST, wrapped(LIST)]}, errors=KEYED)
        },
        "/agents/hitl/decision": {
            "post": _operation(
                "Decide", taken, body=DecisionBody, errors=_missing() | {409: ERROR, 422: INVALID}
            )
        },
        "/agents/hitl/audit": {
            "get": _operation(
                "What was decided", PAGE, parameters=_query(AuditQuery), errors=_audit_errors(400)
            )
        },
        "/agents/hitl/audit/{request_id}": {
            "get": _operation(
                "How one ended", wrapped(RECORD), parameters=[_in_path("request_id")], errors=_audit_errors(404)
            )
        },
    }  # fmt: skip


def _agents() -> Schema:
    agent_id = _in_path("agent_id")
    return {
        "/agents/": {
            "get": _operation("Agents", _listed(AGENT), parameters=[_in_query("name")], errors=KEYED),
            "post": _operation(
                "Create one", wrapped(object_of({"id": TEXT})), body=AgentBody, status=201,
                errors=KEYED | {409: ERROR, 422: INVALID},
            ),
        },
        "/agents/{agent_id}": {
            "get": _operation("One agent", wrapped(AGENT), parameters=[agent_id], errors=_missing()),
            "delete": _operation("Remove it", None, parameters=[agent_id], status=204, errors=_missing()),
        },
        "/agents/{agent_id}/run": {
            "post": _operation(
                "Run it; with `stream` as server-sent events", wrapped({"type": "object"}), body=RunBody,
                parameters=[agent_id], errors=_missing() | {422: INVALID}, streams=True,
            )
        },
        "/language-models/": {"get": _operation("Models", _listed(NAMED), errors=KEYED)},
    }  # fmt: skip


def _tools() -> Schema:
    tool_id = _in_path("tool_id")
    return {
        "/tools/": {"get": _operation("Tools", _listed(TOOL), parameters=[_in_query("type")], errors=KEYED)},
        "/tools/upload": {
            "post": _operation(
                "Upload one", wrapped(TOOL), form=UPLOAD, errors=KEYED | {400: ERROR, 409: ERROR}
            )
        },
        "/tools/{tool_id}": {
            "get": _operation("One tool", wrapped(TOOL), parameters=[tool_id], errors=_missing()),
            "delete": _operation(
                "Remove one that was uploaded", None, parameters=[tool_id], status=204,
                errors=_missing() | {409: ERROR},
            ),
        },
        "/mcps/": {"get": _operation("MCP servers; there are none", _listed(NAMED), errors=KEYED)},
    }  # fmt: skip


def _fault_routes() -> Schema:
    rules: Schema = {"type": "array", "items": _own(Rule)}
    replace = _operation(
        "Put these rules in place of all others", rules, errors={422: INVALID}, open_to_all=True
    )
    replace["requestBody"] = {"required": True, "content": _json(rules)}
    return {
        CONTROL_PATH: {
            "get": _operation("The rules, and how often each has acted", rules, open_to_all=True),
            "post": replace,
            "delete": _operation("Clear them", rules, open_to_all=True),
        }
    }


def _operation(
    summary: str,
    answer: Schema | None,
    *,
    status: int = 200,
    body: type[BaseModel] | None = None,
    form: Schema | None = None,
    parameters: list[Schema] | None = None,
    errors: Mapping[int, Schema] | None = None,
    streams: bool = False,
    open_to_all: bool = False,
) -> Schema:
    said = ({} if answer is None else _json(answer)) | (
        {"text/event-stream": {"schema": EVENT}} if streams else {}
    )
    responses: Schema = {str(status): {"description": summary} | ({"content": said} if said else {})}
    responses |= {
        str(code): {"description": _REASONS[code], "content": _json(s)} for code, s in (errors or {}).items()
    }
    made: Schema = {"summary": summary, "responses": responses}
    if body is not None:
        made["requestBody"] = {"required": True, "content": _json(_own(body))}
    if form is not None:
        made["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    if parameters:
        made["parameters"] = parameters
    return made | ({"security": []} if open_to_all else {})


def _schema_of(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(ref_template="#/components/schemas/{model}")


def _own(model: type[BaseModel]) -> Schema:
    """The model's schema without what it refers to."""
    return {key: value for key, value in _schema_of(model).items() if key != "$defs"}


def _shared(*models: type[BaseModel]) -> Schema:
    """What the bodies refer to, where a reference of an OpenAPI document finds it."""
    found: Schema = {}
    for model in models:
        found |= _schema_of(model).get("$defs", {})
    return found


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
    return wrapped({"type": "array", "items": item})


def _missing() -> dict[int, Schema]:
    return KEYED | {404: ERROR}


def _audit_errors(own: int) -> dict[int, Schema]:
    # Where a platform has no audit, its 404 is the general one.
    return {401: AUDIT_ERROR, own: AUDIT_ERROR} | {404: {"anyOf": [AUDIT_ERROR, ERROR]}}


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _in_query(name: str, schema: Schema = TEXT) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _query(model: type[BaseModel]) -> list[Schema]:
    """The model's fields as parameters; one that may be left out is not given as null."""
    fields = model.model_json_schema()["properties"]
    return [_in_query(name, _given(schema)) for name, schema in fields.items()]


def _given(schema: Schema) -> Schema:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema
