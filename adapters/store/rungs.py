"""The escalation steps of each approval, in SQL: written, fired with all that they send, and written again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, or_, select, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.alerts import resolve_alert, write_alert
from adapters.store.columns import columns_of, moment, value_in
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import Part, insert_new
from adapters.store.outbox import OWED, write_outbox
from adapters.store.placements import place
from adapters.store.proofs import COLUMNS, Proofs, Terms, terms_in
from adapters.store.whole import decided, whole_of
from bot.approval import Approval, Stage
from bot.audit import Fact
from bot.ladder import OWN, WRITTEN, Action
from bot.records import LAST_CALLS, DueRung, NotificationKind, OutboxItem, Triggered

_A, _C, _R, _T = tables.approvals.c, tables.claims.c, tables.rungs.c, tables.notices.c
_OPEN = exists().where(_A.id == _R.approval_id, _A.stage == Stage.OPEN).correlate(tables.rungs)


_NOW, _MOST = bindparam("now", type_=_R.due_at.type), bindparam("most", type_=_R.number.type)


def _can_fire() -> tuple[ColumnElement[bool], ...]:
    """Of a rung: its time has come, people can still answer, and no claim holds it back."""
    asked = exists().where(
        _A.id == _R.approval_id, _A.stage == Stage.OPEN, _A.rule.is_(None), _A.deadline > _NOW
    )
    held = exists().where(_C.approval_id == _R.approval_id, _C.until > _NOW)
    return (
        _R.fired_at.is_(None),
        _R.due_at <= _NOW,
        asked.correlate(tables.rungs),
        or_(_R.action.not_in(WRITTEN), ~held.correlate(tables.rungs)),
    )


_FIRES = _can_fire()
#: Asked at each round, so it is made once.
_FIRST = (
    select(_A.id, _A.deadline)
    .where(_A.id.in_(select(_R.approval_id).where(*_FIRES)))
    .order_by(_A.deadline, _A.id)
    .limit(_MOST)
)

_Place = tuple[object, ...]  #: approval, surface, and the card or the person there
#: What raises an alert.
_PAGING = tuple(action for action in Action if action.kind.pages)


async def ladder_anew(
    connection: AsyncConnection,
    approval_id: str,
    rungs: Sequence[DueRung],
    *,
    at: datetime,
    another_route: bool = False,
    keep_lease: bool = False,
) -> None:
    """Rungs that have fired stay as they are, unless their moment lies ahead again.

    So nobody is pinged twice for one moment, and no ping is left out because of one that was taken back.
    Of another route's ladder nothing stays: its numbers mean other rungs. Redraws are written again in
    any case: nobody is told of them. With `keep_lease` what belongs to a claim stays.
    """
    ahead = [rung.number for rung in rungs if rung.due_at > at]
    gone = true() if another_route else _R.fired_at.is_(None) | (_R.action == Action.REDRAW)
    mine = and_(_R.approval_id == approval_id, or_(gone, _R.number.in_(ahead)))
    if keep_lease:
        mine = and_(mine, _R.number < LAST_CALLS)
    paged = and_(mine, _R.fired_at.is_not(None), _R.action.in_(_PAGING))
    pages = (await connection.execute(select(_R.action, _R.number).where(paged).order_by(_R.number))).all()
    await connection.execute(delete(tables.rungs).where(mine))
    if rungs:
        new = insert_new(connection, tables.rungs).on_conflict_do_nothing()
        await connection.execute(new, [columns_of(rung, tables.rungs) for rung in rungs])
    for action, number in pages:  # else the page of the new rung would be taken for the one that is out
        how = "the request or its deadline changed; Nod alerts again if nobody answers"
        await resolve_alert(connection, approval_id, cause=f"{action.kind.pages}-{number}", how=how, at=at)


class SqlRungs(Part):
    """`bot.store.Rungs` over a database."""

    async def due(self, now: datetime, *, most: int) -> tuple[tuple[DueRung, Approval], ...]:
        """Of one approval all that is due, or nothing. What is not Nod's own word takes nobody's place."""
        found: list[tuple[DueRung, Approval]] = []
        first, left = _FIRST, most
        while left > 0:
            ids = [row[_A.id] for row in await self._database.fetch(first, {"now": now, "most": left})]
            if not ids:
                break
            together = select(tables.rungs, tables.approvals, tables.decisions)
            rows = await self._database.fetch(
                together.select_from(decided(tables.rungs.join(tables.approvals)))
                .where(_A.id.in_(ids), _R.approval_id.in_(ids), *_FIRES)
                .order_by(_A.deadline, _A.id, _R.number),
                {"now": now},
            )
            read = await whole_of(rows, self._database.fetch, self._proofs)
            found += [(value_in(row, DueRung, tables.rungs), one) for row, one in zip(rows, read, strict=True)]
            forged = {one.id for one in read if one.forged}
            if len(ids) < left or not forged:
                break
            left = len(forged)
            last = moment(read[-1].deadline.at), read[-1].id
            first = first.where(tuple_(_A.deadline, _A.id) > tuple_(*last))
        return tuple(found)

    async def next_due(self, *, after: datetime) -> datetime | None:
        """Of open approvals alone; or when the claim ends that holds some back."""
        ahead = select(_R.due_at).where(_R.fired_at.is_(None), _R.due_at > after, _OPEN)
        held = select(_C.until).where(_C.until > after)
        return await self._database.earliest(
            ahead.order_by(_R.due_at).limit(1), held.order_by(_C.until).limit(1)
        )

    async def hasten(self, approval_ids: Sequence[str], *, action: Action, at: datetime) -> bool:
        """Of open approvals; later ones only, so that a rung never moves back."""
        waiting = and_(_R.action == action, _R.fired_at.is_(None), _R.due_at > at)
        is_open = exists().where(_A.id == _R.approval_id, _A.stage == Stage.OPEN)
        found = False
        for some in chunks(approval_ids):
            theirs = and_(_R.approval_id.in_(some), waiting, is_open.correlate(tables.rungs))
            # It is asked each second and there is mostly nothing to do, which should cost no transaction.
            if await self._database.fetch(select(_R.approval_id).where(theirs).limit(1)):
                later = update(tables.rungs).where(theirs).values(due_at=at)
                found |= await self._database.update(Move.HASTEN, later)
        return found

    async def trigger(self, firings: Sequence[Triggered], *, at: datetime) -> frozenset[str]:
        """Of a record whose terms Nod did not write nothing is done: a poll takes it as new.

        The records' rows are locked first, so a decision comes before all of this or after it, and a
        second caller at the same moment finds the rungs fired.
        """

        async def work(connection: AsyncConnection) -> frozenset[str]:
            terms = await _locked(connection, [firing.approval_id for firing in firings], self._proofs)
            waiting = await _waiting(connection, [rung for one in firings for rung in one.rungs])
            going = [
                firing
                for firing in firings
                if firing.approval_id in terms
                and all((rung.approval_id, rung.number, rung.due_at) in waiting for rung in firing.rungs)
            ]
            if not going:
                return frozenset()
            keys = [(rung.approval_id, rung.number) for firing in going for rung in firing.rungs]
            for some in chunks(keys):
                mine = tuple_(_R.approval_id, _R.number).in_(some)
                await connection.execute(update(tables.rungs).where(mine).values(fired_at=at))
            for firing in going:
                await place(connection, firing.approval_id, firing.placements)
            await write_outbox(connection, await _merged(connection, going))
            after = {one.approval_id: _widened(terms[one.approval_id], one) for one in going}
            await _show(connection, going, after, at=at, proofs=self._proofs)
            told: list[Fact] = []
            for firing in going:
                if firing.alert and await write_alert(connection, firing.alert, pagers=self._pagers):
                    told.append(audit_events.alert_raised(firing.alert, pagers=self._pagers))
                widened = after[firing.approval_id].widened
                loud = [rung for rung in firing.rungs if rung.action is not Action.REDRAW]
                told.extend(audit_events.rung_fired(rung, widened=widened, at=at) for rung in loud)
            if told:
                await append(connection, *told)
            return frozenset(after)

        return await self._database.write(Move.FIRE, work)


async def _locked(connection: AsyncConnection, ids: Sequence[str], proofs: Proofs) -> dict[str, Terms]:
    """The terms that hold, of those that are open; in one order, so that nobody waits in a circle."""
    terms: dict[str, Terms] = {}
    for some in chunks(sorted(ids)):
        is_open = select(*COLUMNS).where(_A.id.in_(some), _A.stage == Stage.OPEN)
        found = await connection.execute(is_open.order_by(_A.id).with_for_update())
        read = [terms_in(row, proofs) for row in found.mappings()]
        terms.update((one.approval_id, one) for one in read if one.hold)
    return terms


async def _waiting(connection: AsyncConnection, rungs: Sequence[DueRung]) -> set[tuple[str, int, datetime]]:
    """Which of these have not fired; one that was written again with another moment is another rung."""
    waiting: set[tuple[str, int, datetime]] = set()
    for some in chunks([(rung.approval_id, rung.number) for rung in rungs]):
        unfired = select(_R.approval_id, _R.number, _R.due_at).where(_R.fired_at.is_(None))
        found = await connection.execute(unfired.where(tuple_(_R.approval_id, _R.number).in_(some)))
        waiting.update((approval_id, number, due_at) for approval_id, number, due_at in found)
    return waiting


def _widened(before: Terms, firing: Triggered) -> Terms:
    named = [name for rung in firing.rungs if rung.action.kind.adds_approvers for name in rung.who]
    return replace(before, widened=tuple(dict.fromkeys((*before.widened, *named))))


async def _show(
    connection: AsyncConnection,
    going: Sequence[Triggered],
    after: Mapping[str, Terms],
    *,
    at: datetime,
    proofs: Proofs,
) -> None:
    """What a card shows of it. A last call alone changes none."""
    signed: dict[str, Any] = {"widened": bindparam("let_in"), "terms_signature": bindparam("signed")}
    shown = update(tables.approvals).where(_A.id == bindparam("of"))
    shown = shown.values(revision=_A.revision + 1, **signed)
    loud: list[dict[str, object]] = []
    quiet: list[dict[str, object]] = []
    for firing in going:
        actions = {rung.action for rung in firing.rungs}
        if actions != {Action.LAST_CALL}:
            terms = after[firing.approval_id].columns(proofs)
            row = {"of": firing.approval_id, "let_in": terms["widened"], "signed": terms["terms_signature"]}
            (quiet if actions <= set(OWN) else loud).append(row)
    if loud:
        await connection.execute(shown.values(escalated_at=at), loud)
    if quiet:
        await connection.execute(shown, quiet)


async def _merged(connection: AsyncConnection, going: Sequence[Triggered]) -> list[OutboxItem]:
    """What is to be sent, in place of what waits for the same thread or person, with everyone named there."""
    waits: defaultdict[_Place, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for some in chunks([firing.approval_id for firing in going]):
        unsent = select(_T.approval_id, _T.surface, _T.card_id, _T.person, _T.mark, _T.who)
        unsent = unsent.where(
            _T.approval_id.in_(some), _T.news == NotificationKind.RUNG, _T.sent_as.is_(None), OWED
        )
        # Locked: `say` may be about to send one of them, and then it stays.
        for *where, mark, who in await connection.execute(unsent.with_for_update()):
            waits[tuple(where)].append((mark, who))
    owed, replaced = [], []
    for notice in (notice for firing in going for notice in firing.notices):
        if notice.news is not NotificationKind.RUNG:
            owed.append(notice)
            continue
        before = waits.pop((notice.approval_id, notice.surface, notice.card_id, notice.person), [])
        replaced += [(notice.approval_id, mark) for mark, _ in before]
        named = [name for _, who in before for name in who]
        owed.append(replace(notice, who=tuple(dict.fromkeys((*named, *notice.who)))))
    for keys in chunks(replaced):
        await connection.execute(delete(tables.notices).where(tuple_(_T.approval_id, _T.mark).in_(keys)))
    return owed
