"""How the local Slack says no: the error codes of the Web API, and what a person cannot do."""

from typing import Any


class SlackError(Exception):
    """A Web API call is refused: `{"ok": false, "error": code, ...}`, with Slack's own code words."""

    def __init__(self, code: str, **extra: Any) -> None:
        """`extra` is merged into the answer, for example needed and provided of a missing_scope."""
        super().__init__(code)
        self.code = code
        self.extra = extra

    @classmethod
    def with_messages(cls, code: str, messages: list[str]) -> "SlackError":
        """An error that lists what is wrong and where, as invalid_blocks does in
        `response_metadata.messages`."""
        return cls(
            code,
            errors=messages,
            response_metadata={"messages": [f"[ERROR] {message}" for message in messages]},
        )


class RateLimited(Exception):
    """Too fast: HTTP 429 with Retry-After in whole seconds (docs.slack.dev/apis/web-api/rate-limits)."""

    def __init__(self, retry_after: int) -> None:
        """`retry_after` in seconds, at least 1."""
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


class CannotDo(LookupError):
    """A person cannot do that here: the button is not there, the channel is not theirs, the modal is not
    open."""
