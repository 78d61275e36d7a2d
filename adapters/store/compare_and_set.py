"""How the record moves: compare-and-set, the audit row that goes with it, and which steps get work from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import BindParameter, ColumnElement, Select, Update, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.columns import columns_of, storable_text
from adapters.store.tables import approvals
from bot.approval import STEPS, Approval, Stage
from bot.audit import GENESIS, Fact, body_text, chained
from bot.protocol import Json
from bot.records import Step


class Move(StrEnum):
    """Each way the store changes."""

    INGEST = "admit"
    INGEST_BY_RULE = "admit_by_rule"  #: at least one of them is for a rule to answer
    CONFIRM = "confirm"
    NOTE_POLL = "note_poll"
    MISS = "miss"
    REVISE = "revise"
    VOID = "void"
    VOTE = "vote"
    DECIDE = "decide"
    ASK_PEOPLE = "ask_people"
    BEGIN_DELIVERY = "begin_delivery"
    CALLED_RESOLVED = "called_resolved"
    RESUME = "resume"
    POSTPONE_DELIVERY = "postpone_delivery"
    PUT_OFF = "put_off"
    ASKED = "asked"
    REPAIR_DUE = "repair_due"
    SETTLE = "settle"
    CLOSE = "close"
    ATTEMPT_CARD = "attempt_card"
    SHOWN = "shown"
    POSTPONE_CARD = "postpone_card"
    LOST = "lost"
    GIVE_UP = "give_up"
    REPAIR = "repair"
    FIRE = "fire"
    HASTEN = "hasten"
    CLAIM = "claim"
    RETIME = "retime"
    REVIVE = "revive"
    TOLD = "told"
    ATTEMPT_NOTICE = "attempt_notice"
    SENT = "sent"
    POSTPONE_NOTICE = "postpone_notice"
    HOLD_NOTICE = "hold_notice"
    DROPPED = "dropped"
    MEET = "meet"
    BATCH = "gather"
    RELEASE = "release"
    ATTEMPT_DIGEST = "attempt_digest"
    SHOW_DIGEST = "show_digest"
    POSTPONE_DIGEST = "postpone_digest"
    LOSE_DIGEST = "lose_digest"
    AMENDED = "amended"
    RAISE = "raise"
    RESOLVE_ALERT = "mend"
    ATTEMPT_PAGE = "attempt_page"
    TAKEN = "taken"
    POSTPONE_PAGE = "postpone_page"
    NOTE = "note"
    PROBE = "probe"
    RETIRE = "retire"
    KEEP_CONVERSATION = "keep_conversation"
    DROP_CONVERSATION = "drop_conversation"


#: Whatever brings cards to post, or changes how many wait, changes the digests (GATHER).
_ASKED = (Step.SHOW, Step.BATCH, Step.ESCALATE, Step.EXPIRE)

#: A move that is not here is made by the very step that would be woken.
WAKES: Mapping[Move, tuple[Step, ...]] = {
    Move.INGEST: _ASKED,
    Move.INGEST_BY_RULE: (*_ASKED, Step.ANSWER),
    # A rung that is taken back takes its page with it.
    Move.REVISE: (*_ASKED, Step.ALERT),
    Move.VOID: _ASKED,
    Move.RETIME: (*_ASKED, Step.ALERT),
    # It may have been a rule's to answer, before it vanished.
    Move.REVIVE: (*_ASKED, Step.ANSWER, Step.ALERT),
    Move.CONFIRM: (Step.DELIVER,),
    Move.MISS: (Step.RECONCILE,),
    # Who votes is on it no more, so the ladder goes on.
    Move.VOTE: (Step.SHOW, Step.ESCALATE),
    Move.CLAIM: (Step.SHOW, Step.ESCALATE),
    # An Approve waits for a fresh read of the platform, hence ADMIT.
    Move.DECIDE: (Step.SHOW, Step.DELIVER, Step.INGEST, Step.BATCH),
    Move.ASK_PEOPLE: (Step.SHOW, Step.BATCH, Step.ESCALATE),
    # A poll that begins afterwards tells whether it is.
    Move.CALLED_RESOLVED: (Step.INGEST,),
    Move.RESUME: (Step.DELIVER,),
    Move.REPAIR_DUE: (Step.DELIVER,),
    Move.POSTPONE_DELIVERY: (Step.SHOW, Step.DELIVER),
    Move.SETTLE: (Step.SHOW, Step.ANNOUNCE, Step.CLOSE, Step.BATCH, Step.AMEND),
    Move.TOLD: (Step.NOTIFY, Step.CLOSE),
    # What is said in a card's thread waits for the card.
    Move.SHOWN: (Step.CLOSE, Step.NOTIFY, Step.SHOW),
    # A card lost after the end need not come back, so its approval may close.
    Move.LOST: (Step.SHOW, Step.CLOSE),
    Move.GIVE_UP: (Step.CLOSE, Step.NOTIFY),
    Move.FIRE: (Step.SHOW, Step.BATCH, Step.NOTIFY, Step.ALERT),
    Move.HASTEN: (Step.ESCALATE,),
    # It may have been answered while it was sent.
    Move.SENT: (Step.CLOSE, Step.AMEND),
    Move.DROPPED: (Step.CLOSE,),
    Move.BATCH: (Step.SHOW,),
    Move.RELEASE: (Step.SHOW,),
    Move.SHOW_DIGEST: (Step.NOTIFY,),
    Move.LOSE_DIGEST: (Step.BATCH,),
    Move.RAISE: (Step.ALERT,),
    Move.RESOLVE_ALERT: (Step.ALERT,),
    Move.REPAIR: tuple(Step),
}


T = TypeVar("T")
#: Ids in one statement at most; SQLite's oldest limit on parameters is 999 (sqlite.org/limits.html, 9).
CHUNK = 500


def move(
    approval_id: str | BindParameter[str],
    was: Stage,
    then: Stage | None = None,
    *conditions: ColumnElement[bool],
) -> Update:
    """The compare-and-set on one record; `then` is None for a change within a stage.

    Raises:
        ValueError: the life has no such step (`bot.approval.STEPS`).
    """
    matching = update(approvals).where(approvals.c.id == approval_id, approvals.c.stage == was, *conditions)
    if then is None:
        return matching
    if (was, then) not in STEPS:
        raise ValueError(f"an approval cannot go from {was} to {then}")
    return matching.values(stage=then)


def as_it_was(read: Approval) -> tuple[ColumnElement[bool], ...]:
    """It is still the call, and the attempt, that was read."""
    return approvals.c.digest == read.request.digest, approvals.c.attempts == read.attempts


def chunks(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """The ids, or pairs of them, in their order, as many at a time as go into one statement."""
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


_U, _N = tables.audit.c, tables.audit_anchor.c
#: Any fixed number: transactions that append take turns, from here to their commit.
_TURN = 0x4E6F65


#: Under this name a connection has the audit rows of its transaction that are not written yet.
_KEPT_BACK = "nod.audit_kept_back"
Kept = list[tuple[Fact, str]]  #: facts, each with the canonical text of its body


async def append(connection: AsyncConnection, *audit_events: Fact) -> None:
    """Write these facts behind the last row, in this transaction: without them there is no move.

    Always a transaction's last statements: then nobody who has the turn waits for anybody. Where a transaction
    is for several moves, they are written at its end. Raises NotCanonical for a body that is no plain JSON.
    """
    told = [(fact, body_text(fact)) for fact in map(_storable, audit_events)]
    kept = connection.info.get(_KEPT_BACK)
    if kept is None:
        await write_kept_back(connection, told)
    else:
        kept.extend(told)


@contextmanager
def audit_kept_back(connection: AsyncConnection) -> Iterator[Kept]:
    """What is appended in this block, for `write_kept_back` at the end of the transaction."""
    kept: Kept = []
    info = connection.info  # of a connection that was lost meanwhile nobody may ask for it
    info[_KEPT_BACK] = kept
    try:
        yield kept
    finally:
        info.pop(_KEPT_BACK, None)


async def write_kept_back(connection: AsyncConnection, told: Kept) -> None:
    """Their rows, behind the chain's last one, in one statement."""
    if not told:
        return
    number, previous = await _end(connection)
    rows = []
    for number, (fact, body) in enumerate(told, start=number + 1):  # noqa: B020 - it goes on from there
        row = chained(fact, number=number, previous=previous, body=body)
        previous = row.hash
        rows.append(columns_of(row, tables.audit))
    await connection.execute(insert(tables.audit), rows)


async def _end(connection: AsyncConnection) -> tuple[int, str]:
    """Number and hash of the last row, with everybody else kept from appending until this transaction ends."""
    if connection.dialect.name == "postgresql":
        # The next statement sees what the one before us committed; a lock on the row itself would not.
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
    for statement in (_LAST_ROW, _LAST_ANCHOR):
        found = (await connection.execute(statement)).mappings().first()
        if found is not None:
            return found["number"], found["hash"]
    return 0, GENESIS


def last_row() -> Select[tuple[int, str]]:
    """Number and hash of the chain's last row."""
    return select(_U.number, _U.hash).order_by(_U.number.desc()).limit(1)


def last_anchor() -> Select[tuple[int, str]]:
    """Number and hash of the last row that retention removed."""
    return select(_N.number, _N.hash).order_by(_N.number.desc()).limit(1)


_LAST_ROW, _LAST_ANCHOR = last_row(), last_anchor()


def _storable(fact: Fact) -> Fact:
    """The fact as it will read back: a character that no database keeps would break the chain for good."""
    approval_id = None if fact.approval_id is None else storable_text(fact.approval_id)
    return replace(fact, approval_id=approval_id, body=kept_object(fact.body))


def kept_object(value: Mapping[str, Json]) -> dict[str, Json]:
    """A body as it reads back."""
    return {storable_text(name): _kept(inner) for name, inner in value.items()}


def _kept(value: Json) -> Json:
    if isinstance(value, str):
        return storable_text(str(value))  # an enum's word is a plain string from here on
    if isinstance(value, dict):
        return kept_object(value)
    if isinstance(value, list):
        return [_kept(inner) for inner in value]
    return value
