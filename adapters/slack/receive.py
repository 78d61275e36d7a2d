"""One HTTP request to Slack's endpoint: verified by us, then bolt's; whatever it is, it gets an answer.

Payloads: docs.slack.dev/reference/interaction-payloads, as far as Nod reads them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest

from adapters.slack.verify import verify

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


Reply = tuple[int, dict[str, str], bytes]  #: status, headers, body

#: Seconds that bolt waits for a listener's ack (slack_bolt.listener.asyncio_runner); its 404 before that is
#: about a payload that no listener takes.
BOLT_WAITS = 3.0
#: Slack shows a warning beside the button; a decision that is stored by then counts all the same.
LATE = b"Nod did not answer in time"

log = structlog.get_logger(__name__)


async def receive(
    headers: Mapping[str, str],
    body: bytes,
    *,
    app: AsyncApp,
    secret: str | None,
    now: datetime,
    count: Callable[[str], None],
) -> Reply:
    """The answer to one request. Without a secret (Socket Mode) every request is refused.

    `count` is told `slack_request_refused` for each that was not Slack's or not readable, and
    `slack_request_not_used` for each that is Slack's and of no use to Nod.
    """
    if secret is None:
        return _refusal(404, "Nod takes its clicks over a socket", count)
    verdict = verify(headers, body, secret=secret, now=now)
    if not verdict.ok:
        return _refusal(verdict.status, verdict.text, count)
    if not verdict.used:
        count("slack_request_not_used")
        return 200, {}, b""
    try:
        request = AsyncBoltRequest(body=body.decode(), headers=dict(headers))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        # bolt reads ids out of parts of the body whose types it takes for granted.
        return _refusal(400, "not a payload of Slack's", count)
    begun = time.monotonic()
    response = await app.async_dispatch(request)
    if response.status == 404 and time.monotonic() - begun < BOLT_WAITS:
        return _refusal(400, "not a payload of Slack's", count)
    if response.status == 404:  # bolt gave up waiting for our listener, which goes on
        count("click_late")
        log.warning("click_late")
        return 503, {"content-type": "text/plain; charset=utf-8"}, LATE
    if response.status == 500:  # bolt's own word for a body that it cannot read; ours would be 503
        return _refusal(400, "not a payload of Slack's", count)
    return response.status, response.first_headers(), response.body.encode()


def _refusal(status: int, text: str, count: Callable[[str], None]) -> Reply:
    count("slack_request_refused")
    log.warning("slack_request_refused", status=status, cause=text)
    return status, {"content-type": "text/plain; charset=utf-8"}, text.encode()
