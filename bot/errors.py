"""Everything Nod raises, as a tree of what to do next.

    NodError
    ├── Refused          tell the person, and only the person
    ├── Unavailable      wait, then try again
    │   ├── Unanswered   the same, but it may have happened: check before repeating
    │   └── NotYet       it is not its turn: nothing was tried, and nothing is wrong
    ├── Gone             it no longer exists: stop, and record that
    ├── Forbidden        the other side refuses and will refuse again: alert an operator
    │   └── ShutOut      the same for everything that Nod sends: an operator must act first
    └── ConfigError      fix the setting and start again
        └── InUse        another process has it: stop that one first

Adapters translate foreign exceptions into these, by type and status, never by the text of a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class NodError(Exception):
    """The root. Nothing raises it directly."""


class Refusal(StrEnum):
    """Why a person's click has no effect. Each code is an anchor in `docs/refusals.md`."""

    UNKNOWN_CARD = "unknown-card"
    FORGED = "forged"
    MOVED_CARD = "moved-card"
    NOT_APPROVER = "not-approver"
    LOOKUP_FAILED = "lookup-failed"
    OUTSIDER = "outsider"
    SELF_APPROVAL = "self-approval"
    DENIED = "denied"
    AUTOMATIC = "automatic"
    ALREADY_VOTED = "already-voted"
    ALREADY_CLAIMED = "already-claimed"
    NOTHING_WAITING = "nothing-waiting"
    ALREADY_DECIDED = "already-decided"
    EXPIRED = "expired"
    ANSWERED_ELSEWHERE = "answered-elsewhere"
    CHANGED = "changed"
    REASON_REQUIRED = "reason-required"
    NOTE_TOO_LONG = "note-too-long"
    NOT_SHOWN_WHOLE = "not-shown-whole"
    NEVER_APPROVED = "never-approved"


class Refused(NodError):
    """A click that has no effect. `str(error)` is one or two plain sentences for the person who pressed."""

    def __init__(self, code: Refusal, text: str) -> None:
        super().__init__(text)
        self.code = code


class Unavailable(NodError):
    """The other side cannot be reached or is busy; nothing happened. Try again later.

    `retry_after` is in seconds, if the other side named it.
    """

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Unanswered(Unavailable):
    """The request was sent, but no usable answer came: it may have happened. Check before repeating."""


class NotYet(Unavailable):
    """Nod keeps to the other side's rate limit, and others go first. Nothing was tried."""


class Gone(NodError):
    """The target no longer exists (resolved request, deleted message)."""


class Forbidden(NodError):
    """The other side refuses, and waiting does not help: wrong token, not a member, bad request."""


class ShutOut(Forbidden):
    """The other side refuses Nod itself, not one request: a wrong key, a missing right, a redirect.

    Nothing from Nod gets through until an operator acts.
    """


#: How the text about a setting begins if it continues the setting's name: "NOD_SECRET is not set".
_VERBS = frozenset(("is", "must", "has", "holds", "needs", "cannot", "could", "names", "does")) | frozenset(
    ("contains", "belongs", "already", "repeats", "takes", "matches")
)


class ConfigError(NodError):
    """A setting is wrong: where, what, and how to fix it, each in one line; and which others are wrong."""

    def __init__(self, where: str, what: str, fix: str, *, others: Sequence[ConfigError] = ()) -> None:
        """`where` is a setting's name, a file, or a file and its line. The `others` of `others` are empty."""
        gap = " " if what.split(" ", 1)[0] in _VERBS and ", line " not in where else ": "
        self.line = f"{where}{gap}{what}. {fix}"  #: without the others
        more = f" ({len(others)} more {'problem' if len(others) == 1 else 'problems'})" if others else ""
        super().__init__(self.line + more)
        self.where, self.what, self.fix = where, what, fix
        self.others = tuple(others)

    @property
    def each(self) -> tuple[ConfigError, ...]:
        """This one and the others."""
        return (self, *self.others)


class InUse(ConfigError):
    """The database belongs to another running process."""
