"""`POST /api/messages` in the terms of OpenAPI 3.1: what `receive` takes, and every answer that it gives. Pure.

Activities: bot-docs, "Activity schema", as far as Nod reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def operation(*, signed: bool) -> Schema:
    """The operation; `signed` unless the bot has no app id, and then only this machine may speak to it."""
    refused = {"401": _plain("No token of Teams' own")} if signed else {}
    return {
        "summary": "What people press in Teams, and where Nod is installed",
        "security": [{"bot_connector": []}] if signed else [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ACTIVITY}}},
        "responses": refused
        | {
            "200": {
                "description": "Taken; only an invoke is told more, with a status of its own",
                "content": {
                    "application/json": {"schema": {"anyOf": [_ANSWER, _EMPTY]}},
                    "text/plain": {"schema": {"const": ""}},
                },
            },
            "400": _plain("No activity that Teams would send"),
            "403": _plain("For another bot, or from another channel, tenant or service address"),
            "415": _plain("No JSON"),
        },
    }


def schemes(*, signed: bool) -> Schema:
    """The token that the Bot Connector sends along."""
    return {"bot_connector": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}} if signed else {}


def _object(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def _plain(description: str) -> Schema:
    return {"description": description, "content": {"text/plain": {"schema": _TEXT}}}


_TEXT: Schema = {"type": "string"}
_MAYBE: Schema = {"type": ["string", "null"]}
_GIVEN: Schema = {"type": "string", "minLength": 1, "maxLength": 3000}
_ACCOUNT = _object({"id": _GIVEN}, name=_MAYBE, aadObjectId=_MAYBE)
_MEMBERS: Schema = {"type": ["array", "null"], "items": _object({"id": _TEXT})}
_ACTION = _object({"type": _TEXT, "verb": _TEXT, "data": {"type": "object"}})
#: Of an invoke; in a message of an older client it is what `data` is.
_VALUE: Schema = {
    "anyOf": [
        _object({"action": _ACTION}, trigger={"enum": ["manual", "automatic"]}),
        {"type": ["object", "string", "null"]},
    ]
}
_ACTIVITY = _object(
    {
        "type": _GIVEN,
        "serviceUrl": _GIVEN,
        "channelId": _GIVEN,
        "conversation": _object({"id": _GIVEN}, name=_MAYBE, conversationType=_MAYBE, tenantId=_MAYBE),
        "from": _ACCOUNT,
        "recipient": _ACCOUNT,
        "channelData": _object({"tenant": _object({"id": _GIVEN})}),
    },
    name=_GIVEN,
    id=_GIVEN,
    replyToId=_GIVEN,
    action=_GIVEN,
    value=_VALUE,
    membersAdded=_MEMBERS,
    membersRemoved=_MEMBERS,
)
_ANSWER = _object({"statusCode": {"enum": [200, 400, 500]}, "type": _TEXT, "value": {"type": "object"}})
_EMPTY: Schema = {"type": "object", "maxProperties": 0}
