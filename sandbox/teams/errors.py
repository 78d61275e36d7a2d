"""How the local Teams says no: the Connector's error bodies, Entra's, and what a person cannot do.

Codes and messages: msteams-docs, "Status codes from bot conversational APIs" (conversation basics), and
format-your-bot-messages for 413; send-proactive-messages for the body of MessageWritesBlocked.
"""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.slack.errors import CannotDo as CannotDoAnywhere

#: What each status says when the documentation names one code for it.
DOCUMENTED: Mapping[int, tuple[str, str]] = {
    404: ("ConversationNotFound", "Conversation not found."),
    412: ("PreconditionFailed", "Precondition failed, please try again."),
    413: ("MessageSizeTooBig", "Message size too large."),
    429: ("Throttled", "Too many requests."),
    500: ("ServiceError", "Internal server error."),
    502: ("ServiceError", "Service dependency issue."),
    503: ("ServiceError", "Service is unavailable."),
    504: ("ServiceError", "Gateway timeout."),
}


class ConnectorError(Exception):
    """A call of the Connector is refused: an HTTP status and `{"error": {"code", "message"}}`."""

    def __init__(
        self, status: int, code: str = "", message: str = "", *, retry_after: int | None = None
    ) -> None:
        """Without a code the documented one of the status; `retry_after` in whole seconds."""
        known = DOCUMENTED.get(status, ("BadArgument", "The request is invalid."))
        self.status = status
        self.code = code or known[0]
        self.message = message or known[1]
        self.retry_after = retry_after
        super().__init__(f"{status} {self.code}")

    @property
    def headers(self) -> dict[str, str]:
        """Retry-After, where the other side should wait."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"error": {"code": self.code, "message": self.message}}


class Denied(ConnectorError):
    """401: no token, or one that the Connector does not take."""

    def __init__(self) -> None:
        super().__init__(401, "Unauthorized", "Authorization has been denied for this request.")

    @property
    def body(self) -> dict[str, Any]:
        """The bare message with which the real service answers a bad bearer token."""
        return {"message": self.message}


class WritesBlocked(ConnectorError):
    """403: a person blocked or uninstalled the bot; a body of its own, with JSON inside a string."""

    def __init__(self) -> None:
        super().__init__(403, "MessageWritesBlocked", "Thread is blocked from message writes.")

    @property
    def body(self) -> dict[str, Any]:
        """As send-proactive-messages shows it, number 209 included."""
        inner = {"subCode": self.code, "details": self.message, "errorCode": None, "errorSubCode": None}
        return {"errorCode": 209, "message": json.dumps(inner, indent=2)}


class TokenRefused(Exception):
    """The token endpoint says no, in the words of Entra (RFC 6749 §5.2, with an AADSTS number)."""

    def __init__(self, status: int, error: str, number: int, description: str) -> None:
        super().__init__(error)
        self.status = status
        self.body = {
            "error": error,
            "error_description": f"AADSTS{number}: {description}",
            "error_codes": [number],
        }


class CannotDo(CannotDoAnywhere):
    """A person cannot do that here: no such button on the card as they see it, or the place is not theirs."""


def bad(message: str) -> ConnectorError:
    """400 for an activity or a card that Teams would not take."""
    return ConnectorError(400, "BadSyntax", message)


def not_in_roster() -> ConnectorError:
    """403: the app is not installed there."""
    return ConnectorError(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")


def no_activity() -> ConnectorError:
    """404: no such message in that conversation."""
    text = "The message ID provided couldn't be found in the conversation."
    return ConnectorError(404, "ActivityNotFoundInConversation", text)


def no_member() -> ConnectorError:
    """404: no such person in that conversation."""
    return ConnectorError(404, "MemberNotFoundInConversation", "Member not found in conversation.")
