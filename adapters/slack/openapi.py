"""`POST /slack/events` in the terms of OpenAPI 3.1: what `receive` takes, and every answer that it gives. Pure.

Payloads: docs.slack.dev/reference/interaction-payloads, as far as Nod reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def _object(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def _some(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _answer(description: str, **content: Schema) -> Schema:
    kinds = {"json": "application/json", "text": "text/plain"}
    found = {kinds[name]: {"schema": schema} for name, schema in content.items()}
    return {"description": description} | ({"content": found} if found else {})


_TEXT: Schema = {"type": "string"}
_GIVEN: Schema = {"type": "string", "minLength": 1, "maxLength": 3000}
_OF = _object({"id": _GIVEN})

_USER = _object({"id": _GIVEN}, team_id=_some(_GIVEN))
_VIEW = _object(
    {"id": _GIVEN, "hash": _GIVEN, "callback_id": _GIVEN, "private_metadata": _TEXT},
    state=_some(_object({"values": {"type": "object"}})),
)
_PRESSED = _object(
    {
        "type": {"const": "block_actions"},
        "user": _USER,
        "actions": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": _object({"action_id": _GIVEN}, value=_GIVEN),
        },
        "trigger_id": _GIVEN,
    },
    team=_some(_OF),
    channel=_OF,
    container=_object({"message_ts": _GIVEN}),
    view=_VIEW,
)
_SUBMITTED = _object({"type": {"const": "view_submission"}, "user": _USER, "view": _VIEW}, team=_some(_OF))
_VERIFIES = _object({"type": {"const": "url_verification"}, "challenge": _TEXT})
_PAYLOAD: Schema = {"oneOf": [_PRESSED, _SUBMITTED]}

#: Both together are Slack's signature; one of them alone is none.
SCHEMES: Schema = {
    "slack_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Slack-Signature",
        "description": "`v0=` and the hex HMAC-SHA256 of `v0:timestamp:raw body` with the signing secret",
    },
    "slack_timestamp": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Slack-Request-Timestamp",
        "description": "Seconds since 1970, no more than 300 away from Nod's clock",
    },
}

OPERATION: Schema = {
    "summary": "What people press and submit in Slack",
    "security": [{"slack_signature": [], "slack_timestamp": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": _object(
                    {
                        "payload": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "contentSchema": _PAYLOAD,
                        }
                    }
                )
            },
            "application/json": {"schema": _VERIFIES},
        },
    },
    "responses": {
        "200": _answer(
            "Taken; maybe with what the form shows next. Nothing comes of events, commands and shortcuts",
            json={"type": "object"},
            text=_TEXT,
        ),
        "400": _answer("Signed, and no payload of Slack's for a card of Nod's", text=_TEXT),
        "401": _answer("Not signed by Slack, or too old", text=_TEXT),
        "503": _answer("Nothing was decided, because Nod is in trouble; Slack tells the person", text=_TEXT),
    },
}
