"""`POST /relay/wake` in the terms of OpenAPI 3.1. Pure."""

from __future__ import annotations

from typing import Any

SCHEMES: dict[str, Any] = {
    "relay_token": {"type": "http", "scheme": "bearer", "description": "NOD_RELAY_TOKEN"}
}

OPERATION: dict[str, Any] = {
    "summary": "Poll the platform at once, and learn which runs requests belong to",
    "security": [{"relay_token": []}],
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"runs": {"type": "object", "additionalProperties": {"type": "string"}}},
                }
            }
        },
    },
    "responses": {
        "204": {"description": "Nod polls"},
        "401": {
            "description": "Not the token",
            "headers": {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}},
        },
    },
}
