"""The labels and sentences of both chats: each is written once. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bot.card import Button

#: What a button says.
LABELS: Mapping[Button, str] = {
    Button.APPROVE: "Approve",
    Button.REJECT: "Reject…",
    Button.SKIP: "Skip",
    Button.VIEW_ALL: "View all",
    Button.CLAIM: "I'm on it",
    Button.WHY: "Why me?",
    Button.NEXT: "Next",
}
_SPOKEN: Mapping[Button, str] = {
    Button.APPROVE: "Approve {tool}",
    Button.REJECT: "Reject {tool}, with a reason",
    Button.SKIP: "Skip {tool}: it is left out, the agent goes on",
    Button.VIEW_ALL: "View all of {tool}",
    Button.CLAIM: "I'm on it: tell the others that you look at {tool}",
    Button.WHY: "Why this card is here, and who may decide {tool}",
    Button.NEXT: "Look at the next request that waits",
}
#: What a form that asks for the reason behind a verdict is headed by, and what it asks.
ASKS: Mapping[Button, tuple[str, str]] = {
    Button.REJECT: ("Reject", "Why not? The agent is told."),
    Button.APPROVE: ("Approve", "Why is it right? The agent is told."),
    Button.SKIP: ("Skip", "Why is it left out? The agent is told."),
}

CUT_HERE = "Only a part is shown: all of it is too long for one Slack message."
CUT_HERE_IN_TEAMS = "Only a part is shown: all of it is too long for one message in Teams."
SKIP_MEANS = "Skip: the tool is left out, the agent goes on."
ONE_NEEDED = "Pick a reason or write one: one of the two is needed."
PICK, NEEDED = "Pick a reason", "A reason is needed."
OPEN_THE_CARD = "Open the card"
PAGE_BEFORE, PREVIOUS_PAGE = "Back", "Previous page"  #: a modal's, and a card's in Teams
NEXT_PAGE = "Next page"
NEVER = "This call cannot be approved; the card says why. Reject or skip it there."
NEVER_HERE = "This call cannot be approved. Reject or skip it here."
NEVER_APPROVED = "This call cannot be approved; the card says why. It can be rejected or skipped."
ON_THE_LAST = "Approve stands on the last page, once every page was shown."
FROM_PAGE_ONE = "This begins at page 1 again: the request reads differently now, or someone else opened it."
EARLIEST = "The earliest waits until"
NEXT_SPOKEN = "Next: look at a request that waits, earliest deadline first"
ONE_BY_ONE = "Next shows them one at a time, with the whole call and the answers to it."


def read_aloud(button: Button, tool: str) -> str:
    """What a screen reader says of a button."""
    return _SPOKEN[button].replace("{tool}", tool)
