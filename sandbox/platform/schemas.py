"""The schemas of what this platform answers, for its OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NULLABLE: Schema = {"type": ["string", "null"]}
MOMENT: Schema = {"type": "string", "format": "date-time"}
ARGUMENTS: Schema = {"type": ["object", "string"]}


def object_of(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """An object with these fields, and maybe others."""
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def wrapped(data: Schema, **more: Schema) -> Schema:
    """The platform's envelope around `data`."""
    return object_of({"success": {"const": True}, "data": data, **more}, message=TEXT)


METADATA = object_of(
    {"required": {"const": True}, "decision": {"const": "pending"}, "timeout_at": MOMENT},
    request_id=TEXT,
    timeout_seconds={"type": "number", "exclusiveMinimum": 0},
)
PENDING = object_of(
    {
        "request_id": TEXT,
        "tool": TEXT,
        "arguments": ARGUMENTS,
        "created_at": MOMENT,
        "agent_id": TEXT,
        "run_id": NULLABLE,
        "hitl_metadata": METADATA,
    },
    additional_context={"type": "object"},
)
LIST: Schema = {"type": "array", "items": PENDING}
RECORD = object_of(
    {
        "request_id": TEXT,
        "decision": {"enum": ["approved", "rejected", "skipped", "timeout"]},
        "timestamp": MOMENT,
        "agent": object_of({"id": TEXT, "name": TEXT}),
        "tool": object_of({"name": TEXT, "arguments": ARGUMENTS}),
        "metadata": {"type": "object"},
    }
)
COUNT: Schema = {"type": "integer", "minimum": 0}
PAGE = wrapped(
    {"type": "array", "items": RECORD},
    total=COUNT,
    page=COUNT,
    limit=COUNT,
    has_next={"type": "boolean"},
    has_prev={"type": "boolean"},
)
AGENT = object_of({"id": TEXT, "name": TEXT, "tools": {"type": "array"}}, instruction=TEXT, description=TEXT)
TOOL = object_of({"id": TEXT, "name": TEXT, "tool_type": {"enum": ["custom", "native"]}}, tool_script=NULLABLE)
UPLOAD = object_of(
    {"file": {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}},
    name=TEXT,
    description=TEXT,
)
NAMED = object_of({"id": TEXT, "name": TEXT})
#: One event of a stream; OpenAPI 3.2 has a place of its own for it (`itemSchema`), 3.1 has not.
EVENT = object_of({"data": TEXT})
ERROR = object_of(
    {"success": {"const": False}, "error": TEXT, "message": TEXT, "details": {"type": ["object", "null"]}}
)
AUDIT_ERROR = object_of({"error": TEXT, "message": TEXT}, details={"type": "object"})
PROBLEM = object_of({"loc": {"type": "array"}, "msg": TEXT, "type": TEXT})
KEYED: dict[int, Schema] = {401: ERROR}
INVALID = object_of({"detail": {"type": "array", "items": PROBLEM}})
