"""What the client makes of a bot's answer to an invoke.

work-with-universal-actions-for-adaptive-cards, "Response format": HTTP 200 with {statusCode, type, value}. The
wording of the client's warnings is not documented; it is what people report of it.
"""

from dataclasses import dataclass
from typing import Any

from sandbox.teams.delivery import DeliveryResult
from sandbox.teams.errors import ConnectorError
from sandbox.teams.limits import CARD_TYPE, check_card
from sandbox.teams.messages import Card

UNREACHABLE = "Unable to reach app. Please try again."
WRONG = "Something went wrong. Please try again."
MESSAGE_TYPE = "application/vnd.microsoft.activity.message"
ERROR_TYPE = "application/vnd.microsoft.error"
#: The other types that the response format knows, each with its status code.
ASKS = {
    "application/vnd.microsoft.activity.loginRequest": 401,
    "application/vnd.microsoft.error.incorrectAuthCode": 401,
    "application/vnd.microsoft.error.preconditionFailed": 412,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An answer as the client understood it; everything empty for an answer that changes nothing."""

    card: Card | None = None
    told: str = ""
    shown: str = ""
    title: str = ""  #: of a dialog
    dialog: bool = False  #: `card` goes into a dialog


def _card(value: Any) -> Card | None:
    try:
        check_card(value)
    except ConnectorError:
        return None
    return value if isinstance(value, dict) else None


def read_action(result: DeliveryResult) -> Reading:
    """The answer to `adaptiveCard/action`."""
    answer = result.answer()
    kind, code, value = answer.get("type"), answer.get("statusCode"), answer.get("value")
    if result.status != 200 or not isinstance(code, int):
        return Reading(shown=UNREACHABLE)
    if kind == CARD_TYPE and code == 200:
        card = _card(value)
        return Reading(shown=UNREACHABLE) if card is None else Reading(card=card)
    if kind == MESSAGE_TYPE and code == 200 and isinstance(value, str):
        return Reading(told=value)
    named = isinstance(value, dict) and {"code", "message"} <= value.keys()
    if (kind == ERROR_TYPE and code in (400, 500) and named) or (ASKS.get(str(kind)) == code):
        return Reading(shown=WRONG)
    return Reading(shown=UNREACHABLE)


def read_task(result: DeliveryResult) -> Reading:
    """The answer to `task/fetch` and `task/submit`: a dialog, a message in it, or nothing, which closes it."""
    if result.status != 200:
        return Reading(shown=UNREACHABLE)
    if not result.body.strip():
        return Reading()
    task = result.answer().get("task")
    if not isinstance(task, dict):
        return (
            Reading() if result.answer() == {} and result.body.strip() == "{}" else Reading(shown=UNREACHABLE)
        )
    value = task.get("value")
    if task.get("type") == "message" and isinstance(value, str):
        return Reading(told=value)
    attachment = value.get("card") if isinstance(value, dict) else None
    if task.get("type") == "continue" and isinstance(value, dict) and isinstance(attachment, dict):
        card = _card(attachment.get("content"))
        if card is not None and attachment.get("contentType") == CARD_TYPE:
            return Reading(card=card, title=str(value.get("title", "")), dialog=True)
    return Reading(shown=UNREACHABLE)
