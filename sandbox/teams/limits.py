"""What Teams refuses in a message or a card, refused here too.

Where the real service shows a broken card as such to people, the local one already refuses the call: a test
should not pass with a card that nobody can read.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.slack.rules import Rule, at, flag, items, one_of, shape, string, typed
from sandbox.teams.card_parts import cards_of, inputs, pressables
from sandbox.teams.card_rules import CARD, EXECUTE
from sandbox.teams.errors import ConnectorError, bad

#: format-your-bot-messages: 100 KB, "the entire message payload encoded as UTF-16".
MESSAGE_BYTES = 100 * 1024
#: cards-format names 28 KB for webhooks and 40 KB for bots in older copies; cards keep to the smaller one.
CARD_BYTES = 28 * 1024
#: work-with-universal-actions-for-adaptive-cards, "User IDs in refresh".
REFRESH_USERS = 60
#: The same page: Universal Actions need 1.5. Bots are shown up to 1.5 on every desktop client.
VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
UNIVERSAL = "1.5"
CARD_TYPE = "application/vnd.microsoft.card.adaptive"

_ANY = string(100_000)
_MENTIONED = shape(required={"id": _ANY, "name": _ANY})
_MENTION = shape(required={"type": one_of("mention"), "text": _ANY, "mentioned": _MENTIONED})
_REFRESH: Rule = shape(
    required={"action": EXECUTE}, optional={"userIds": items(_ANY, most=REFRESH_USERS, least=0)}
)
_MSTEAMS = shape(
    required={},
    optional={"width": one_of("Full"), "entities": items(_MENTION, most=100, least=0), "allowExpand": flag},
)
_WHOLE = typed(
    "AdaptiveCard",
    required={"version": string(3)},
    optional={**CARD, "version": one_of(*VERSIONS), "refresh": _REFRESH, "msteams": _MSTEAMS},
)


def _beyond_the_tables(card: Mapping[str, Any]) -> Iterator[str]:
    """What the shape alone does not tell: versions, ids used twice, mentions of text that is not there."""
    universal = "refresh" in card or any(p.action["type"] == "Action.Execute" for p in pressables(card))
    if universal and card["version"] != UNIVERSAL:
        yield at("/version", f"must be {UNIVERSAL} for Action.Execute and refresh")
    ids = [entry["id"] for each in cards_of(card) for entry in inputs(each)]
    for repeated in sorted({one for one in ids if ids.count(one) > 1}):
        yield at("/body", f"input id is not unique: {repeated}")
    text = json.dumps(card.get("body", []), ensure_ascii=False)
    for index, entity in enumerate(card.get("msteams", {}).get("entities", ())):
        if json.dumps(entity["text"], ensure_ascii=False)[1:-1] not in text:
            yield at(f"/msteams/entities/{index}/text", "does not stand in the card")


def problems(card: Any) -> list[str]:
    """What is wrong with a card, each with its place; empty for a card that Teams shows."""
    return list(_WHOLE(card, "")) or list(_beyond_the_tables(card))


def check_card(card: Any) -> None:
    """Refuse a card that Teams would not show. Raises ConnectorError: 400 BadSyntax, 413 MessageSizeTooBig."""
    found = problems(card)
    if found:
        raise bad(f"The Adaptive Card is invalid: {'; '.join(found[:5])}")
    if len(json.dumps(card, ensure_ascii=False).encode()) > CARD_BYTES:
        raise ConnectorError(413)


def check_size(text: str) -> None:
    """Refuse a payload that is too large as a whole. Raises ConnectorError 413 MessageSizeTooBig."""
    if len(text.encode("utf-16-le", "surrogatepass")) > MESSAGE_BYTES:
        raise ConnectorError(413)


def card_of(activity: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The checked Adaptive Card of an activity, None when it has none. Raises ConnectorError 400 or 413."""
    attachments = activity.get("attachments") or []
    if not isinstance(attachments, list) or len(attachments) > 1:
        raise bad("One attachment at most.")
    if not attachments:
        return None
    (attachment,) = attachments
    if not isinstance(attachment, dict) or attachment.get("contentType") != CARD_TYPE:
        raise bad("Only Adaptive Cards are taken as attachments.")
    content = attachment.get("content")
    check_card(content)
    return content if isinstance(content, dict) else None
