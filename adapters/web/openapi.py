"""`GET /openapi.json`: the routes that this process serves, as an OpenAPI 3.1 document. Pure.

The doors describe themselves; what this front answers in their place is added here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.web.receiver import Receiver
from bot import __version__

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TROUBLES: Schema = {"type": "array", "items": _TEXT}
_NONE: Schema = {"type": "array", "maxItems": 0}
_SOME: Schema = {**_TROUBLES, "minItems": 1}


def document(receivers: Mapping[str, Receiver]) -> Schema:
    """The whole document, with a path for each of `receivers`."""
    schemes: Schema = {}
    paths: Schema = {
        "/healthz": {
            "get": _get(
                "Whether Nod can tell people by itself",
                _json("It can", {"status": {"const": "alive"}}),
                _json("It cannot, and why", {"status": {"const": "in trouble"}, "troubles": _SOME}),
            )
        },
        "/readyz": {
            "get": _get(
                "Whether Nod can do its work",
                _json("It can", {"status": {"const": "ready"}, "troubles": _NONE}),
                _json("It cannot, and why", {"status": {"const": "not ready"}, "troubles": _SOME}),
            )
        },
        "/metrics": {"get": _get("What happened, for Prometheus", _plain("Counters by event"))},
        "/openapi.json": {"get": _get("This document", _json("OpenAPI 3.1", {"openapi": _TEXT}))},
    }
    for path, receiver in receivers.items():
        paths[path] = {"post": _posted(receiver.operation)}
        schemes |= receiver.schemes
    return {
        "openapi": "3.1.0",
        "info": {"title": "Nod", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": schemes},
    }


def _get(summary: str, well: Schema, unwell: Schema | None = None) -> Schema:
    return {
        "summary": summary,
        "security": [],
        "responses": {"200": well} | ({"503": unwell} if unwell else {}),
    }


def _posted(operation: Mapping[str, Any]) -> Schema:
    own = {
        "408": _plain("The body did not arrive in time"),
        "413": _plain("The body is too large"),
    }
    return {**operation, "responses": own | operation["responses"]}


def _plain(description: str) -> Schema:
    return {"description": description, "content": {"text/plain": {"schema": _TEXT}}}


def _json(description: str, fields: Mapping[str, Schema]) -> Schema:
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
