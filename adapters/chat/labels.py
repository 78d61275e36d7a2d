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
    Button.VIEW_CALL: "View call",
    Button.CLAIM: "I'm on it",
    Button.WHY: "Why am I seeing this?",
    Button.IDS: "Request id",
    Button.NEXT: "Next",
}
OPEN_RUN = "Open run"
#: What a screen reader says of a button: its label, which tool, and what the press leads to.
_SPOKEN: Mapping[Button, str] = {
    Button.APPROVE: "Approve {tool}",
    Button.REJECT: "Reject… {tool}: refuse this step and tell the agent why",
    Button.SKIP: "Skip {tool}: continue without this step",
    Button.VIEW_ALL: "View all of {tool}",
    Button.VIEW_CALL: "View call of {tool}",
    Button.CLAIM: "I'm on it: {tool}. Others are not pinged until your time ends",
    Button.WHY: "Why am I seeing this? {tool}",
    Button.IDS: "Request id of {tool}",
    Button.NEXT: "Next: open the request with the earliest deadline",
}
#: The verb of a form that asks for the reason of a verdict, and the label of its field.
ASKS: Mapping[Button, tuple[str, str]] = {
    Button.REJECT: ("Reject", "Reason (shared with the agent)"),
    Button.APPROVE: ("Approve", "Reason (shared with the agent)"),
    Button.SKIP: ("Skip", "Reason (shared with the agent)"),
}

CUT_HERE = 'Part of the call is hidden: it is too long for one message. Open "View all".'
PICK, REQUIRED, WRITE_ONE = "Pick a reason", "Required", "Write a reason."
ONE_NEEDED = "Required: pick a reason or write one."
#: What to do about a card that a chat cannot show.
A_BUG = "Report this card as a bug"
OPEN_THE_CARD, WHAT_IT_MEANS = "Open card", "What this means"
FULL_REQUEST = "{tool}: full request"
PAGE_BEFORE, PREVIOUS_PAGE = "Back", "Previous page"  #: in a modal, and on a card in Teams
NEXT_PAGE = "Next page"
NEVER = "This call cannot be approved. The card says why; reject or skip it there."
NEVER_HERE = "This call cannot be approved. Reject or skip it here."
NEVER_APPROVED = "This call cannot be approved; the card says why. You can still reject or skip it."
ON_THE_LAST = "To approve, open every page. Approve is on the last one."
FROM_PAGE_ONE = "You are back on page 1: the request changed, or someone else opened it."
ONE_BY_ONE = "Press Next to open the requests one at a time."


def read_aloud(button: Button, tool: str) -> str:
    """What a screen reader says of a button."""
    return _SPOKEN[button].replace("{tool}", tool)
