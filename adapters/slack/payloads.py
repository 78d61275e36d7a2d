"""Slack's payloads, read strictly into what a person did: pressed a button of ours, or submitted a form.

Shapes: docs.slack.dev/reference/interaction-payloads. Whatever is missing or of another type makes the payload
Malformed; nothing is guessed, because a decision hangs on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.slack.modals import NOTE, REASON, VIEW_ALL, Thread
from adapters.slack.render import ACTION
from bot.card import Button
from bot.protocol import HITLDecision

#: v1.<card id>.<sha-256 of the call>, as `render` writes it.
_VALUE = re.compile(r"v1\.([A-Za-z0-9_:-]{1,100})\.([0-9a-f]{64})")

#: What a button means. View all is the way to an Approve, so the desk is asked as for one.
VERDICTS = {
    Button.APPROVE: HITLDecision.APPROVED,
    Button.VIEW_ALL: HITLDecision.APPROVED,
    Button.REJECT: HITLDecision.REJECTED,
    Button.SKIP: HITLDecision.SKIPPED,
}


class Malformed(Exception):
    """No payload that Slack would send for one of our cards; says which part, never what stood there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The person, and the workspace that the account belongs to."""

    account: str
    team_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A button on one of our cards. `thread` has the card, its channel and the verdict of the button."""

    who: Who
    button: Button
    thread: Thread
    trigger_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One of our forms, with the note that was typed into it."""

    who: Who
    thread: Thread
    note: str | None
    has_note: bool  #: the form has a field for a note, so that an error can stand there
    seen_whole: bool  #: it was the look at the whole call


def read_press(payload: Mapping[str, Any]) -> Press | None:
    """The press that a block_actions payload tells of; None when the button is none of ours.

    Raises Malformed.
    """
    actions = payload.get("actions")
    if not isinstance(actions, list) or len(actions) != 1 or not isinstance(actions[0], dict):
        raise Malformed("actions")
    action_id = _text(actions[0], "action_id")
    try:
        button = Button(action_id.removeprefix(ACTION)) if action_id.startswith(ACTION) else None
    except ValueError:
        button = None
    if button is None:
        return None
    value = _VALUE.fullmatch(_text(actions[0], "value"))
    if value is None:
        raise Malformed("value")
    thread = Thread(
        card_id=value[1],
        digest=value[2],
        channel=_text(_part(payload, "channel"), "id"),
        ref=_text(_part(payload, "container"), "message_ts"),
        verdict=VERDICTS[button],
    )
    return Press(who=_who(payload), button=button, thread=thread, trigger_id=_text(payload, "trigger_id"))


def read_submission(payload: Mapping[str, Any]) -> Submission | None:
    """The form that a view_submission payload brings; None when it is none of ours.

    Raises Malformed.
    """
    view = _part(payload, "view")
    callback_id = view.get("callback_id")
    if callback_id not in (REASON, VIEW_ALL):
        return None
    values = (view.get("state") or {}).get("values") if isinstance(view.get("state"), dict | None) else None
    field = values.get(NOTE) if isinstance(values, dict) else None
    return Submission(
        who=_who(payload),
        thread=_thread(_text(view, "private_metadata")),
        note=_note(field),
        has_note=field is not None,
        seen_whole=callback_id == VIEW_ALL,
    )


def _thread(packed: str) -> Thread:
    try:
        kept = json.loads(packed)
        verdict = HITLDecision(kept["verdict"])
        texts = {name: _text(kept, name) for name in ("card_id", "digest", "channel", "ref")}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Malformed("private_metadata") from error
    return Thread(verdict=verdict, **texts)


def _note(field: Any) -> str | None:
    if field is None:
        return None
    typed = field.get(NOTE) if isinstance(field, dict) else None
    value = typed.get("value") if isinstance(typed, dict) else ""
    if value is not None and not isinstance(value, str):
        raise Malformed("note")
    # PostgreSQL stores no NUL, and nobody types one.
    return (value or "").replace("\x00", "").strip() or None


def _who(payload: Mapping[str, Any]) -> Who:
    user = _part(payload, "user")
    team = user.get("team_id")
    if team is None:
        team = _part(payload, "team").get("id") if payload.get("team") else None
    if team is not None and not isinstance(team, str):
        raise Malformed("team")
    return Who(account=_text(user, "id"), team_id=team)


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = payload.get(name)
    if not isinstance(part, dict):
        raise Malformed(name)
    return part


def _text(payload: Mapping[str, Any], name: str) -> str:
    text = payload.get(name)
    if not isinstance(text, str) or not text:
        raise Malformed(name)
    return text
