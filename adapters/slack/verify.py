"""Is this request Slack's? Asked of the raw bytes, before anything is parsed.

slack-bolt parses a body first and verifies it afterwards, and answers some bodies with HTTP 500; so our own
check runs first, and bolt gets what it read. Nothing of a body reaches the logs. The rule: v0 HMAC-SHA256 over
`v0:timestamp:raw body`, five minutes (docs.slack.dev, Verifying requests from Slack).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from adapters.chat.payload import is_readable
from bot.canonical import read_json

BODY = 256 * 1024  #: bytes; a payload with the largest message and form is far below
WINDOW = 300.0  #: seconds between a request's timestamp and our clock, either way

#: The payloads that Slack sends to an interactivity URL which asks for no more than Nod does.
KINDS = frozenset({"block_actions", "view_submission", "url_verification"})

#: What Slack sends, too, where an app is set up for more than Nod uses (events, commands, shortcuts): it is
#: taken, and nothing comes of it. Slack repeats what is refused, and tells people that the app does not work.
UNUSED = frozenset(
    {
        "app_rate_limited",
        "block_suggestion",
        "dialog_cancellation",
        "dialog_submission",
        "dialog_suggestion",
        "event_callback",
        "interactive_message",
        "message_action",
        "shortcut",
        "view_closed",
        "workflow_step_edit",
    }
)

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
#: How Slack sends a payload: everything but these characters escaped.
_PLAIN = re.compile(rb"payload=((?:[A-Za-z0-9_.~*+-]++|%[0-9A-Fa-f]{2})++)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to answer: 200 means go on, everything else is final. `text` names the cause, never content."""

    status: int
    text: str
    used: bool = True  #: False for what is Slack's own, and nothing that Nod does anything with
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: what goes on to bolt

    @property
    def ok(self) -> bool:
        """Slack sent it, and it has a known shape."""
        return self.status == 200


def verify(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> Verdict:
    """Check one request. Header names are compared without regard to case."""
    given = {name.lower(): value for name, value in headers.items()}
    if len(body) > BODY:
        return Verdict(413, "too large")
    if not _signed(given, body, secret=secret, now=now):
        return Verdict(401, "not signed by Slack, or too old")
    payload = _payload(given.get("content-type", ""), body)
    kind = payload.get("type") if isinstance(payload, dict) else None
    if kind in UNUSED if isinstance(kind, str) else _is_command(given.get("content-type", ""), body):
        return Verdict(200, "not used", used=False)
    if not isinstance(kind, str) or kind not in KINDS or not is_readable(payload):
        return Verdict(400, "not a Slack payload")
    return Verdict(200, "ok", payload=payload)


def _signed(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> bool:
    timestamp = headers.get("x-slack-request-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now.timestamp() - int(timestamp)) > WINDOW:
        return False
    signed = b"v0:" + timestamp.encode() + b":" + body
    expected = b"v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
    signature = headers.get("x-slack-signature", "").encode("utf-8", "surrogateescape")
    return hmac.compare_digest(expected, signature)


def _payload(content_type: str, body: bytes) -> Any:
    """The payload of a form or a JSON body; None for what is neither."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode()
        if kind == _FORM and (plain := _PLAIN.fullmatch(body)):
            # `=7B` for `%7B`, for a decoder in C: urllib takes longer for this than all else here does.
            text = binascii.a2b_qp(plain[1].replace(b"+", b" ").replace(b"%", b"=")).decode(errors="replace")
        elif kind == _FORM:
            # Slack sends this one field.
            fields = parse_qs(text, keep_blank_values=True, strict_parsing=True, max_num_fields=20)
            if set(fields) != {"payload"} or text.startswith("{"):
                return None
            (text,) = fields["payload"]
        elif kind != _JSON:
            return None
        return read_json(text)
    except (ValueError, KeyError, RecursionError):
        return None


def _is_command(content_type: str, body: bytes) -> bool:
    """Whether this is a slash command (docs.slack.dev/interactivity/implementing-slash-commands)."""
    if content_type.partition(";")[0].strip().lower() != _FORM:
        return False
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=40)
    except ValueError:
        return False
    named = fields.get("command", [])
    return "payload" not in fields and len(named) == 1 and named[0].startswith("/")
