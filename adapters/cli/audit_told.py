"""What the chain says about one approval, followed row by row. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters.store.audit_events import moment_text
from bot.audit import Row
from bot.protocol import HITLDecision, Json

#: Outcomes of a decision by Nod.
OURS = frozenset(verdict.value for verdict in HITLDecision)
#: What a row about a new call, or a new way to answer it, says of the record.
_CALL = (
    "platform", "tool", "agent", "run", "created", "timeout_at", "timeout_seconds", "whole", "digest",
    "arguments_digest",
)  # fmt: skip
_TERMS = ("route", "rule", "widened")
_DEADLINE = ("deadline", "source", "doubt", "renewed")
_END = ("outcome", "shown_trouble")
_NOT_OVER: dict[str, Json] = {"settled_at": None, "platform_word": None}
#: What starts from the beginning when people are asked again.
_ASKED_AGAIN: dict[str, Json] = {"rule": None, "attempts": 0, "gones": 0}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Told:
    """What the remaining rows say. What none of them says is not in `known` and cannot be compared."""

    known: dict[str, Json] = field(default_factory=dict)  #: by the names of `audit_events.record_facts`
    votes: dict[str, dict[str, Json]] = field(default_factory=dict)
    decided: dict[str, Json] | None = None
    closed: bool = False
    whole: bool = False  #: whether every valid answer is in the rows: retention removed none of them

    @property
    def stage(self) -> str:
        """The stage of the request."""
        if self.closed:
            return "closed"
        if self.known.get("outcome") is not None:
            return "settled"
        return "open" if self.decided is None else "decided"

    def take(self, row: Row) -> str | None:
        """Follow one more row; returns why it cannot be Nod's, or None."""
        body: dict[str, Json] = json.loads(row.body)
        match row.kind:
            case "admitted":
                begun: dict[str, Json] = {"first_seen": _moment(row), "attempts": 0, "gones": 0}
                self.known = {**begun, **_NOT_OVER, **_of(body, *_CALL, *_TERMS, *_DEADLINE)}
                self.whole = True
            case "changed":
                self._asked_again()
                self._answered_otherwise(body)
                self.known |= _of(body, *_CALL)
            case "voided":
                self._asked_again()
            case "revived":
                self.known = {name: value for name, value in self.known.items() if name not in _END}
                self.known |= {"gones": 0, **_NOT_OVER}
                self.closed, self.votes, self.decided, self.whole = False, {}, None, True
                self._answered_otherwise(body)
            case "retimed":
                self._answered_otherwise(body)
            case "asked_people":
                self.known["rule"] = None
            case "rung_fired":
                self.known["widened"] = body.get("widened")
            case "voted":
                self.votes[str(body["person"])] = {**body, "at": row.at_ms}
            case "decided":
                return self._decided(body, row.at_ms)
            case "delivery_begun":
                self.known["attempts"] = body["attempt"]
            case "called_resolved":
                gones = self.known.get("gones")
                if isinstance(gones, int):
                    self.known["gones"] = gones + 1
            case "settled":
                return self._settled(body, row)
            case "closed":
                self._closed(body)
            case _:
                pass
        return None

    def _asked_again(self) -> None:
        self.known |= _ASKED_AGAIN
        self.votes, self.decided, self.whole = {}, None, True

    def _answered_otherwise(self, body: dict[str, Json]) -> None:
        """A new route or deadline. An earlier release did not say which route, nor whose votes it kept."""
        for name in ("route", "widened"):
            self.known.pop(name, None)
        self.known |= _of(body, "route", "widened", *_DEADLINE)

    def _decided(self, body: dict[str, Json], at_ms: int) -> str | None:
        vote = self.votes.get(str(body["person"]))
        if vote is None and self.whole:
            return "it tells of a decision without the vote that made it"
        if vote is not None and (vote["verdict"], vote["digest"]) != (body["verdict"], body["digest"]):
            return "it tells of a decision without the vote that made it"
        # A decision has the account, the card and the note of that vote.
        self.decided = {**(vote or {}), **body, "at": at_ms}
        return None

    def _settled(self, body: dict[str, Json], row: Row) -> str | None:
        outcome = str(body["outcome"])
        self.known |= {"outcome": outcome, "settled_at": _moment(row)}
        self.known |= _of(body, "platform_word", "shown_trouble")
        made = None if self.decided is None else self.decided["verdict"]
        if outcome in OURS and made != outcome and (self.whole or made is not None):
            return f"it says {outcome}, and no row tells who decided that"
        return None

    def _closed(self, body: dict[str, Json]) -> None:
        """This row repeats the whole record: earlier rows win, and it fills in for removed ones."""
        self.closed = True
        if "votes" not in body:
            return  # an earlier release
        votes, decision = body.pop("votes"), body.pop("decision")
        self.known = body | self.known
        if self.whole:
            return
        self.whole = True
        if self.decided is None and decision is not None:
            self.decided = {"signature": decision}
        for person, signature in votes.items() if isinstance(votes, dict) else ():
            self.votes.setdefault(person, {"signature": signature})


def _of(body: dict[str, Json], *names: str) -> dict[str, Json]:
    return {name: body[name] for name in names if name in body}


def _moment(row: Row) -> str:
    return moment_text(_EPOCH + row.at_ms * timedelta(milliseconds=1))
