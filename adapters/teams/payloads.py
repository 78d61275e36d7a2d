"""Teams' activities, read strictly into what a person did: pressed a button of ours, or its fallback.

The SDK answers what it cannot read, and a bad token, with HTTP 500, so this check of our own comes first.
Nothing of a body reaches the logs.

Shapes: bot-docs, "Activity schema"; msteams-docs, work-with-universal-actions (`adaptiveCard/action`). Whatever
is missing or of another type makes the activity Malformed; nothing is guessed, because a decision hangs on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.chat.forms import NOTE, PRESET, filled, reason_of
from adapters.chat.payload import Malformed, is_readable, maybe_part, part, text
from adapters.teams.buttons import SHOW, VERB, Data, data_from
from adapters.teams.conversations import account_of, base_of
from bot.canonical import read_json


class Untrusted(Exception):
    """Not from Teams, or not meant for us: the HTTP status to answer with, and the cause, never content."""

    def __init__(self, status: int, cause: str) -> None:
        super().__init__(cause)
        self.status = status


BODY = 256 * 1024  #: bytes; an activity with our largest form is far below


def activity_in(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The activity of a request whose header names are in small letters.

    Raises Untrusted with the status to answer: 413, 415 or 400.
    """
    if len(body) > BODY:
        raise Untrusted(413, "too large")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Untrusted(415, "no JSON")
    try:
        activity = read_json(body.decode())
    except (ValueError, RecursionError) as error:
        raise Untrusted(400, "no JSON") from error
    if not isinstance(activity, dict) or not is_readable(activity):
        raise Untrusted(400, "no activity")
    try:
        check_shape(activity)
    except Malformed as error:
        raise Untrusted(400, f"not a Teams activity ({error})") from error
    return activity


#: The invoke that a press of an Action.Execute sends.
ACTION = "adaptiveCard/action"
#: The one word that is answered.
HELP = "help"
#: How a mention of the bot looks in a text (msteams-docs, channel-and-group-conversations).
_MENTION = re.compile(r"<at>[^<]{0,200}</at>", re.IGNORECASE)
#: Characters of an input's text: a note may have 1,000, and who pastes more is told so.
INPUT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One activity, as far as Nod reads it."""

    type: str
    name: str | None
    id: str | None
    service_url: str
    conversation: str  #: with `;messageid=`, where it was in a thread
    kind: str  #: of the conversation: channel, groupChat or personal
    title: str  #: the conversation's name, where Teams tells it
    tenant: str  #: in small letters
    user: str  #: the `29:` id of the person who did it
    aad: str  #: and the Entra object id, in small letters; empty for a bot
    bot: str
    reply_to: str | None
    action: str | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    value: Any
    channel_data: Mapping[str, Any]
    text: str = ""  #: what the person wrote

    @property
    def asks_for_help(self) -> bool:
        """Whether the text is `help`; in a conversation with others it comes with a mention of the bot."""
        return self.type == "message" and _MENTION.sub("", self.text).strip().casefold() == HELP

    @property
    def account(self) -> str:
        """Who did it. Raises Malformed without an Entra account: the click cannot be attributed."""
        if not self.aad:
            raise Malformed("from")
        return account_of(self.tenant, self.aad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A button of ours, pressed by a person, or by Teams for a person who looks at the card."""

    account: str
    user: str  #: their `29:` id
    conversation: str  #: without the thread
    ref: str  #: the message that has the button
    data: Data
    note: str | None
    has_note: bool  #: there was a field for words, so that an error can stand there
    automatic: bool  #: Teams pressed it


def tenants_in(activity: Mapping[str, Any]) -> frozenset[str]:
    """Every tenant that an activity names for its place, in small letters; they must agree."""
    found = set()
    for holder, name in (("channelData", "tenant"), ("conversation", None)):
        place = activity.get(holder)
        place = place.get(name) if name and isinstance(place, dict) else place
        tenant = place.get("id" if name else "tenantId") if isinstance(place, dict) else None
        if isinstance(tenant, str) and tenant:
            found.add(tenant.lower())
    return frozenset(found)


def check_shape(activity: Mapping[str, Any]) -> None:
    """Raises Malformed unless each part that Nod reads is of the kind that Teams sends."""
    for name in ("type", "serviceUrl", "channelId"):
        text(activity, name)
    for name in ("name", "id", "replyToId", "action"):
        if activity.get(name) is not None:
            text(activity, name)
    if not isinstance(activity.get("text") or "", str):  # a press of Action.Submit has an empty one
        raise Malformed("text")
    for name in ("conversation", "from", "recipient"):
        found = part(activity, name)
        text(found, "id")
        for inner in ("name", "aadObjectId", "conversationType", "tenantId"):
            if found.get(inner) is not None and not isinstance(found[inner], str):
                raise Malformed(inner)
    text(maybe_part(part(activity, "channelData"), "tenant"), "id")
    for name in ("membersAdded", "membersRemoved"):
        members = activity.get(name)
        if members is not None and not (
            isinstance(members, list)
            and all(isinstance(m, dict) and isinstance(m.get("id"), str) for m in members)
        ):
            raise Malformed(name)


def arrived_in(activity: Mapping[str, Any]) -> Arrived:
    """What an activity tells whose shape was checked. The SDK's own reading takes ten times as long."""
    place, sender = activity["conversation"], activity["from"]
    return Arrived(
        type=activity["type"],
        name=activity.get("name"),
        id=activity.get("id"),
        service_url=activity["serviceUrl"],
        conversation=place["id"],
        kind=place.get("conversationType") or "",
        title=place.get("name") or "",
        tenant=activity["channelData"]["tenant"]["id"].lower(),
        user=sender["id"],
        aad=(sender.get("aadObjectId") or "").lower(),
        bot=activity["recipient"]["id"],
        reply_to=activity.get("replyToId"),
        action=activity.get("action"),
        added=tuple(member["id"] for member in activity.get("membersAdded") or ()),
        removed=tuple(member["id"] for member in activity.get("membersRemoved") or ()),
        value=activity.get("value"),
        channel_data=activity["channelData"],
        text=activity.get("text") or "",
    )


def read_invoke(arrived: Arrived) -> Press:
    """The press that an `adaptiveCard/action` tells of. Raises Malformed."""
    value = arrived.value
    if not isinstance(value, dict):
        raise Malformed("value")
    action = part(value, "action")
    if action.get("type") != "Action.Execute":
        raise Malformed("action")
    trigger = value.get("trigger", "manual")
    if trigger not in ("manual", "automatic"):
        raise Malformed("trigger")
    given = part(action, "data")
    if trigger == "automatic" and given.get("nod") != SHOW:
        raise Malformed("trigger")  # Teams itself looks at cards; answers, claims and forms are a person's
    if action.get("verb") != VERB + str(given.get("nod")):
        raise Malformed("verb")
    return _press(arrived, given, automatic=trigger == "automatic")


def read_submit(arrived: Arrived) -> Press | None:
    """The press behind a message with a value, which a client without Action.Execute sends; None for any other.

    Raises Malformed.
    """
    if not isinstance(arrived.value, dict) or "nod" not in arrived.value:
        return None
    return _press(arrived, arrived.value, automatic=False)


def _press(arrived: Arrived, given: Mapping[str, Any], *, automatic: bool) -> Press:
    if not arrived.reply_to:
        raise Malformed("replyToId")
    return Press(
        account=arrived.account,
        user=arrived.user,
        conversation=base_of(arrived.conversation),
        ref=arrived.reply_to,
        data=data_from(given),
        note=reason_of(*(filled(given.get(name), name, most=INPUT) for name in (PRESET, NOTE))),
        has_note=NOTE in given,
        automatic=automatic,
    )
