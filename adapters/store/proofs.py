"""Signatures over what lets an answer count: made with each row, and checked before anything is sent.

What others wrote into a row is never signed along with it: it stays forged until the next poll takes the
call as a new one.

A signature shows that Nod wrote a row, and not that the row is still in force: a person who can write to the
database can put an old one back. So the process remembers, for each approval that waits, the revision up to
which answers were taken back, and each person's last vote. At the start it reads both from the audit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.columns import milliseconds, storable_text
from bot.protocol import HITLRequest, Json, split_key
from bot.records import Poll
from bot.seal import Kind, Signing

_A = tables.approvals.c
#: What has to be read of an approval.
COLUMNS = (_A.id, _A.digest, _A.route, _A.rule, _A.widened, _A.terms_signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By which route or rule a call is answered, and the people let in by rungs."""

    approval_id: str
    digest: str
    route: str
    rule: str | None
    widened: tuple[str, ...]
    signature: str | None
    hold: bool  #: whether Nod wrote them

    def by_route(self, route: str) -> Terms:
        """Under this route; people let in by another route's ladder have no say on it."""
        return replace(self, route=route, widened=self.widened if route == self.route else ())

    def columns(self, proofs: Proofs) -> dict[str, Any]:
        """These terms in an approval's row. Signed if those that they were made of held."""
        known = {"route": self.route, "rule": self.rule, "widened": self.widened}
        if not self.hold:
            return known
        signature = proofs.of_terms(
            self.approval_id, digest=self.digest, route=self.route, rule=self.rule, widened=self.widened
        )
        return {**known, "terms_signature": signature}


async def locked_terms(connection: AsyncConnection, approval_id: str, proofs: Proofs) -> Terms | None:
    """As they are, with the record's row locked; None for an unknown id."""
    statement = select(*COLUMNS).where(_A.id == approval_id).with_for_update()
    row = (await connection.execute(statement)).mappings().first()
    return None if row is None else terms_in(row, proofs)


def terms_in(row: RowMapping, proofs: Proofs) -> Terms:
    """The terms in a row that has `COLUMNS`."""
    known = {"digest": row[_A.digest], "route": row[_A.route], "rule": row[_A.rule], "widened": row[_A.widened]}
    signature = row[_A.terms_signature]
    hold = proofs.terms_hold(signature, row[_A.id], **known)
    return Terms(approval_id=row[_A.id], signature=signature, hold=hold, **known)


#: The columns that a vote's signature covers, and those that a decision's does besides the call's digest.
_VOTE = (
    "approval_id", "digest", "revision", "person", "verdict", "surface", "account", "name", "email", "at",
    "card_id", "note", "acting_for",
)  # fmt: skip
_DECISION = (
    "approval_id", "revision", "verdict", "surface", "account", "name", "email", "at", "card_id", "note",
    "others",
)  # fmt: skip

#: A row by the names of its columns.
Row = Mapping[str, Any] | RowMapping

log = structlog.get_logger()


@dataclass(slots=True)
class _Life:
    """What this process knows of an approval that waits."""

    since: int = 0  #: answers up to this revision were taken back
    last: dict[str, int] = field(default_factory=dict)  #: the revision of each person's last vote
    sure: bool = True  #: whether its record was surely written


class Proofs:
    """Signs what is written, and says of what is read whether it counts."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing
        self._lives: defaultdict[str, dict[str, _Life]] = defaultdict(dict)  #: by source, then by id
        self._listed: dict[str, tuple[str, datetime]] = {}
        self._doubted: defaultdict[str, set[str]] = defaultdict(set)  #: by source

    def _of_source(self, approval_id: str) -> dict[str, _Life]:
        return self._lives[split_key(approval_id)[0]]

    def _life(self, approval_id: str) -> _Life | None:
        kept = storable_text(approval_id)
        return self._of_source(kept).get(kept)

    # --- signing

    def of_call(self, request: HITLRequest, first_seen: datetime) -> str:
        """For what was asked: everything of the call that its digest leaves out and a decision rests on."""
        return self._signing.sign(Kind.CALL, _call(request, first_seen))

    def of_terms(
        self, approval_id: str, *, digest: str, route: str, rule: str | None, widened: Sequence[str]
    ) -> str:
        """For the way in which a call is answered."""
        return self._signing.sign(Kind.TERMS, _plain([approval_id, digest, route, rule, tuple(widened)]))

    def of_vote(self, row: Row) -> str:
        """For a vote in the columns of its table."""
        return self._signing.sign(Kind.VOTE, _vote(row))

    def of_decision(self, row: Row, *, digest: str) -> str:
        """For a decision in the columns of its table."""
        return self._signing.sign(Kind.DECISION, _decision(row, digest))

    def of_poll(self, source: str, poll: Poll) -> str:
        """For what a start rests on."""
        return self._signing.sign(Kind.POLL, _poll(source, poll))

    # --- judging

    def poll_holds(self, signature: object, source: str, poll: Poll) -> bool:
        """Whether Nod noted this poll of a source."""
        return self._signing.holds(signature, Kind.POLL, _poll(source, poll))

    def call_holds(self, signature: object, request: HITLRequest, first_seen: datetime) -> bool:
        """Whether Nod wrote down this call."""
        return self._signing.holds(signature, Kind.CALL, _call(request, first_seen))

    def terms_hold(
        self,
        signature: object,
        approval_id: str,
        *,
        digest: str,
        route: str,
        rule: str | None,
        widened: Sequence[str],
    ) -> bool:
        """Whether Nod wrote down how this call is answered."""
        terms = _plain([approval_id, digest, route, rule, tuple(widened)])
        return self._signing.holds(signature, Kind.TERMS, terms)

    def vote_counts(self, row: Row) -> bool:
        """Whether Nod took this vote, and neither took it back nor a later one of the same person."""
        life = self._life(row["approval_id"])
        if life is None or not self._signing.holds(row["signature"], Kind.VOTE, _vote(row)):
            return False
        revision: int = row["revision"]
        return revision > life.since and revision >= life.last.get(row["person"], 0)

    def decision_counts(self, row: Row, *, digest: str) -> bool:
        """Whether Nod made this decision about this call, and has not taken it back."""
        life = self._life(row["approval_id"])
        held = self._signing.holds(row["signature"], Kind.DECISION, _decision(row, digest))
        return life is not None and held and row["revision"] > life.since

    def knows(self, row: Row) -> bool:
        """Whether an answer is signed with a secret that is given; else nobody can judge it."""
        return self._signing.knows(row["signature"])

    def vote_holds(self, row: Row, *, waits: bool) -> bool:
        """Whether a vote's signature fits, in force or not.

        Of what is over one by a secret that is not given is not judged; of what waits it is none.
        """
        return self._fits(row["signature"], Kind.VOTE, _vote(row), waits=waits)

    def decision_holds(self, row: Row, *, digest: str, waits: bool) -> bool:
        """The same of a decision about the call with this digest."""
        return self._fits(row["signature"], Kind.DECISION, _decision(row, digest), waits=waits)

    def record_holds(self, row: Row, *, waits: bool) -> bool:
        """The same of the call and the terms in a row of `approvals`."""
        terms = _plain([row[name] for name in ("id", "digest", "route", "rule", "widened")])
        call = _call(row["request"], row["first_seen"])
        call_fits = self._fits(row["call_signature"], Kind.CALL, call, waits=waits)
        return call_fits and self._fits(row["terms_signature"], Kind.TERMS, terms, waits=waits)

    def _fits(self, signature: object, kind: Kind, values: Sequence[Json], *, waits: bool) -> bool:
        unsure = not waits and not self._signing.knows(signature)
        return unsure or self._signing.holds(signature, kind, values)

    def waits(self, approval_id: str) -> bool:
        """Whether this process knows that the approval is open or decided."""
        return self._life(approval_id) is not None

    def waiting(self, source: str) -> Set[str]:
        """Ids, as a database keeps them, of what this process knows to be open or decided at this source."""
        return self._lives[source].keys()

    def waits_elsewhere(self, sources: Collection[str]) -> bool:
        """Whether anything is open or decided of a source that is not among these."""
        return any(lives for source, lives in self._lives.items() if source not in sources)

    def doubted(self, source: str) -> Set[str]:
        """Ids, as a database keeps them, of records of this source that were found not to be Nod's."""
        return self._doubted[source]

    # --- remembering

    def begins(self, approval_id: str, *, since: int = 0) -> None:
        """It waits from now on; answers up to this revision do not count."""
        kept = storable_text(approval_id)
        self._of_source(kept)[kept] = _Life(since=since)
        self._doubted[split_key(kept)[0]].discard(kept)

    def may_wait(self, approval_id: str) -> None:
        """Nobody can tell whether its record was written."""
        kept = storable_text(approval_id)
        self._of_source(kept)[kept] = _Life(sure=False)

    def surely_waits(self, approval_id: str) -> bool:
        """Whether there must be a record of it that waits; where there is none, it was removed by hand."""
        life = self._life(approval_id)
        return life is not None and life.sure

    def known_of(self, approval_id: str) -> object:
        """What is known of it: equal to itself as long as nothing changes."""
        life = self._life(approval_id)
        return None if life is None else replace(life, last=dict(life.last))

    def took_back(self, approval_id: str, *, since: int) -> None:
        """Answers up to this revision do not count any more."""
        self.begins(approval_id, since=max(since, (self._life(approval_id) or _Life()).since))

    def counted(self, approval_id: str, person: str, *, revision: int) -> None:
        """This person's last vote has this revision."""
        life = self._life(approval_id)
        if life is not None:
            kept = storable_text(person)
            life.last[kept] = max(revision, life.last.get(kept, 0))

    def ends(self, approval_id: str) -> None:
        """It waits no more."""
        kept = storable_text(approval_id)
        self._of_source(kept).pop(kept, None)
        self._doubted[split_key(kept)[0]].discard(kept)
        self._listed.pop(kept, None)

    def listed(self, approval_id: str, *, digest: str, began_at: datetime) -> None:
        """A poll that began then listed this very call."""
        kept = storable_text(approval_id)
        at = began_at.replace(microsecond=began_at.microsecond // 1_000 * 1_000)  # as a column keeps it
        before = self._listed.get(kept)
        if before is None or before[0] != digest or before[1] < at:
            self._listed[kept] = (digest, at)

    def listed_at(self, approval_id: str, *, digest: str) -> datetime | None:
        """When the last poll began that listed this very call; None when this process has seen none."""
        known, at = self._listed.get(storable_text(approval_id), ("", None))
        return at if known == digest else None

    def used(self, approval_id: str) -> None:
        """The listing confirmed one POST, or is older than the decision; it confirms no other."""
        self._listed.pop(storable_text(approval_id), None)

    def doubt(self, approval_id: str, what: tuple[str, ...]) -> None:
        """Its rows are not all Nod's: the next poll takes it as new."""
        kept = storable_text(approval_id)
        if not self.doubts(kept):
            self._doubted[split_key(kept)[0]].add(kept)
            log.error("record_tampered", approval_id=approval_id, what=what)

    def doubts(self, approval_id: str) -> bool:
        """Whether its rows were found not to be Nod's."""
        kept = storable_text(approval_id)
        return kept in self._doubted[split_key(kept)[0]]


def _poll(source: str, poll: Poll) -> list[Json]:
    return _plain([source, poll.number, poll.began_at, poll.body, poll.listed])


def _vote(row: Row) -> list[Json]:
    return _plain([row[name] for name in _VOTE])


def _decision(row: Row, digest: str) -> list[Json]:
    return _plain([digest, *(row[name] for name in _DECISION)])


def _call(request: HITLRequest, first_seen: datetime) -> list[Json]:
    return _plain([request.key, request.digest, request.whole, request.run_id, first_seen])


def _plain(values: Sequence[object]) -> list[Json]:
    """As a column keeps them, so that what was written reads back the same."""
    return [_plain_one(value) for value in values]


def _plain_one(value: object) -> Json:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, datetime):
        return milliseconds(value)
    if isinstance(value, tuple):
        return [_plain_one(one) for one in value]
    if value is None or isinstance(value, int | float):
        return value
    raise TypeError(f"{type(value).__name__} is never signed")
