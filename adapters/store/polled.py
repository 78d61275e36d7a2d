"""What a poll brings, in SQL: new approvals, and those for which people are asked once more.

A call that changed, another deadline, a call that is listed again after its end.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, delete, exists, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, moment, storable_text
from adapters.store.compare_and_set import Move, append, chunks, move
from adapters.store.database import Ended, insert_new
from adapters.store.decided import MAKE_DUE
from adapters.store.outbox import ends_pings
from adapters.store.placements import destinations_of, place, placement_row, what_it_asks
from adapters.store.proofs import Proofs, locked_terms
from adapters.store.rungs import ladder_anew
from adapters.store.standing import REVERSIBLE, StandingApprovals
from adapters.store.votes import cut_lease, void_claims, void_votes
from bot.approval import Approval, Stage
from bot.errors import Unanswered
from bot.ladder import Deadline, Lease
from bot.protocol import HITLRequest
from bot.records import DueRung, NewApproval, NotificationKind, Placement

_A, _D, _P = tables.approvals.c, tables.decisions.c, tables.placements.c
_R, _T = tables.rungs.c, tables.notices.c

#: What an approval forgets when people are asked again.
_FRESH: Mapping[str, Any] = {
    "confirmed_at": None, "trouble": None, "next_try": None, "attempts": 0,
    "gone_at": None, "gones": 0, "due_at": None, "asked": 0,
}  # fmt: skip


class PolledApprovals(StandingApprovals):
    """What the platform tells of approvals."""

    async def insert(self, new_approvals: Sequence[NewApproval]) -> frozenset[str]:
        """Raises ValueError for an approval whose life has begun elsewhere: all begin OPEN."""
        for new_approval in new_approvals:
            if new_approval.approval.stage is not Stage.OPEN:
                raise ValueError(f"a new approval must be open, not {new_approval.approval.stage}")
        ruled = any(new_approval.approval.rule for new_approval in new_approvals)

        async def work(connection: AsyncConnection) -> frozenset[str]:
            by_id: dict[str, NewApproval] = {}
            for new_approval in new_approvals:
                by_id.setdefault(storable_text(new_approval.approval.id), new_approval)
            if not by_id:
                return frozenset()
            # What waits and has no record: it was removed by hand. No rule answers that; people are asked.
            gone = {kept for kept in by_id if self._proofs.surely_waits(kept)}
            approvals = {
                kept: replace(new_approval.approval, rule=None) if kept in gone else new_approval.approval
                for kept, new_approval in by_id.items()
            }
            rows = [_approval_row(approval, self._proofs) for approval in approvals.values()]
            unknown = insert_new(connection, tables.approvals).on_conflict_do_nothing().returning(_A.id)
            written = set((await connection.execute(unknown, rows)).scalars())
            taken = [new_approval for kept, new_approval in by_id.items() if kept in written]
            placements = [
                placement_row(one, _asks(approvals[storable_text(new_approval.approval.id)]))
                for new_approval in taken
                for one in new_approval.placements
            ]
            rungs = [columns_of(one, tables.rungs) for new_approval in taken for one in new_approval.rungs]
            if placements:
                await connection.execute(insert(tables.placements), placements)
            if rungs:
                await connection.execute(insert(tables.rungs), rungs)
            for new_approval in taken:  # before the commit: a read right after it finds that it waits
                self._proofs.begins(new_approval.approval.id)
                if storable_text(new_approval.approval.id) in gone:
                    self._proofs.doubt(new_approval.approval.id, ("record",))
            if taken:
                facts = [audit_events.admitted(approvals[one]) for one in by_id if one in written]
                await append(connection, *facts)
            return frozenset(new_approval.approval.id for new_approval in taken)

        ended = self._forgets(*(one.approval.id for one in new_approvals))
        return await self._database.write(Move.INGEST_BY_RULE if ruled else Move.INGEST, work, ended=ended)

    async def confirm(self, calls: Mapping[str, str], *, began_at: datetime) -> None:
        """An earlier poll that comes in late does not set the clock back."""
        for approval_id, digest in calls.items():
            self._proofs.listed(approval_id, digest=digest, began_at=began_at)
        later = or_(_A.confirmed_at.is_(None), _A.confirmed_at < began_at)
        seen = case((later, moment(began_at)), else_=_A.confirmed_at)
        change = update(tables.approvals).values(confirmed_at=seen, missed=0, asked=0)

        async def work(connection: AsyncConnection) -> bool:
            results = [await connection.execute(change.where(_A.id.in_(some))) for some in chunks(list(calls))]
            due = await connection.execute(MAKE_DUE)
            return any(result.rowcount for result in (*results, due))

        if calls:
            await self._database.write(Move.CONFIRM, work)

    async def miss(self, ids: Sequence[str], *, began_at: datetime) -> None:
        """Of what was called resolved only a poll that began afterwards counts."""
        if not ids:
            return
        late = or_(_A.gone_at.is_(None), _A.gone_at < began_at)
        change = update(tables.approvals).where(late).values(missed=_A.missed + 1)

        async def work(connection: AsyncConnection) -> bool:
            results = [await connection.execute(change.where(_A.id.in_(some))) for some in chunks(ids)]
            return any(result.rowcount for result in results)

        await self._database.write(Move.MISS, work)

    async def revise(
        self,
        approval_id: str,
        *,
        was: Stage,
        request: HITLRequest,
        route: str,
        deadline: Deadline,
        placements: Sequence[Placement],
        rungs: Sequence[DueRung],
        why: str | None = None,
    ) -> bool:
        """The new call under the same id, for people even if a rule was to answer the old one."""

        async def work(connection: AsyncConnection) -> int:
            at = self._clock()
            before = await locked_terms(connection, approval_id, self._proofs)
            if was not in (Stage.OPEN, Stage.DECIDED) or before is None:
                return 0
            # People let in by rungs have a say on the new call, too, if Nod wrote that down.
            widened = before.by_route(route).widened if before.hold else ()
            terms = replace(before, digest=request.digest, route=route, rule=None, widened=widened, hold=True)
            then = Stage.OPEN if was is Stage.DECIDED else None
            # No poll has confirmed the new call yet, and the rule was found for the old one: people are asked.
            another = true() if why else _A.digest != request.digest
            taken = move(approval_id, was, then, _idle(at), another).values(
                **_request_columns(request, deadline),
                **_FRESH,
                **terms.columns(self._proofs),
                missed=0,
                revision=_A.revision + 1,
                escalated_at=None,
            )
            found = (await connection.execute(taken.returning(_A.revision, _A.first_seen))).first()
            if found is None:
                return 0
            revision: int = found[0]
            signed = update(tables.approvals).where(_A.id == approval_id)
            await connection.execute(signed.values(call_signature=self._proofs.of_call(request, found[1])))
            verdict = await void_votes(connection, approval_id)
            await void_claims(connection, approval_id)
            more = await _let_in(connection, approval_id) if route == before.route and placements else ()
            await _supersede(connection, approval_id, (*placements, *more))
            await ladder_anew(connection, approval_id, rungs, at=at, another_route=route != before.route)
            if why:  # before the commit: it is read at once, and may not have been known to wait
                self._proofs.begins(approval_id, since=revision)
            told = [
                audit_events.changed(
                    approval_id, request, deadline, route=route, widened=widened, revision=revision, at=at
                )
            ]
            if verdict is not None or why:
                because = why or "the call changed"
                told.append(
                    audit_events.voided(approval_id, verdict=verdict, why=because, revision=revision, at=at)
                )
            await append(connection, *told)
            return revision

        revision = await self._database.write(Move.REVISE, work, ended=self._takes_back(approval_id))
        return bool(revision)

    async def retime(
        self,
        approval_id: str,
        *,
        was: datetime,
        route: str,
        deadline: Deadline,
        rungs: Sequence[DueRung],
        lease: Lease,
        placements: Sequence[Placement] = (),
    ) -> bool:
        """The same call under the same cards, which show the new deadline."""

        async def work(connection: AsyncConnection) -> bool:
            at = self._clock()
            before = await locked_terms(connection, approval_id, self._proofs)
            if before is None:
                return False
            after = before.by_route(route)
            moved = (
                update(tables.approvals)
                .where(_A.id == approval_id, _A.stage.in_((Stage.OPEN, Stage.DECIDED)), _A.deadline == was)
                .values(**_deadline_columns(deadline), **after.columns(self._proofs), revision=_A.revision + 1)
            )
            if not (await connection.execute(moved)).rowcount:
                return False
            same_route = route == before.route
            if not same_route:
                await void_claims(connection, approval_id)
                await place(connection, approval_id, placements)
            # Who is on it still is, for as long as the new deadline allows.
            await cut_lease(connection, approval_id, lease)
            await ladder_anew(
                connection, approval_id, rungs, at=at, another_route=not same_route, keep_lease=same_route
            )
            told = audit_events.retimed(
                approval_id, deadline, route=route, widened=after.widened, was=was, at=at
            )
            await append(connection, told)
            return True

        return await self._database.write(Move.RETIME, work)

    async def revive(
        self,
        approval_id: str,
        *,
        route: str,
        deadline: Deadline,
        rungs: Sequence[DueRung],
        at: datetime,
        placements: Sequence[Placement] = (),
    ) -> bool:
        """The same call under the same cards, without what had been said about its end."""

        async def work(connection: AsyncConnection) -> int:
            before = await locked_terms(connection, approval_id, self._proofs)
            if before is None:
                return 0
            after = before.by_route(route)
            undecided = ~exists().where(_D.approval_id == _A.id).correlate(tables.approvals)
            fresh: dict[str, Any] = {
                "outcome": None, "settled_at": None, "platform_word": None, "trouble": None, "told": False,
                "missed": 0, "gone_at": None, "gones": 0, "asked": 0,
            }  # fmt: skip
            for was in (Stage.SETTLED, Stage.CLOSED):
                again = move(approval_id, was, Stage.OPEN, _A.outcome.in_(REVERSIBLE), undecided).values(
                    **fresh,
                    **_deadline_columns(deadline),
                    **after.columns(self._proofs),
                    revision=_A.revision + 1,
                )
                revision: int | None = (
                    await connection.execute(again.returning(_A.revision))
                ).scalar_one_or_none()
                if revision is not None:
                    break
            else:
                return 0
            self._proofs.begins(approval_id, since=revision)  # before the commit: it is read at once
            await void_votes(connection, approval_id)
            await void_claims(connection, approval_id)
            await ladder_anew(connection, approval_id, rungs, at=at, another_route=route != before.route)
            # What was said about its end is no longer true, and is said again when it ends.
            ended = (_T.approval_id == approval_id, _T.news == NotificationKind.OUTCOME)
            await connection.execute(delete(tables.notices).where(*ended))
            await ends_pings(connection, approval_id, again=True)
            asked = update(tables.placements).where(_P.approval_id == approval_id, ~_P.superseded)
            await connection.execute(asked.values(owed=True, tries=0, next_try=None))
            if route != before.route:
                await place(connection, approval_id, placements)
            told = audit_events.revived(
                approval_id, deadline, route=route, widened=after.widened, revision=revision, at=at
            )
            await append(connection, told)
            return revision

        return bool(await self._database.write(Move.REVIVE, work, ended=self._forgets(approval_id)))

    async def void(self, approval_id: str, *, why: str, at: datetime) -> bool:
        """The same call under the same cards, for people even if a rule had answered it."""

        async def work(connection: AsyncConnection) -> int:
            before = await locked_terms(connection, approval_id, self._proofs)
            if before is None:
                return 0
            # A rule would give the answer again that may not go out: people are asked.
            asked = replace(before, rule=None).columns(self._proofs)
            taken = move(approval_id, Stage.DECIDED, Stage.OPEN, _idle(at)).values(
                **{**_FRESH, **asked}, revision=_A.revision + 1
            )
            revision: int | None = (await connection.execute(taken.returning(_A.revision))).scalar_one_or_none()
            if revision is None:
                return 0
            verdict = await void_votes(connection, approval_id)
            told = audit_events.voided(approval_id, verdict=verdict, why=why, revision=revision, at=at)
            await append(connection, told)
            return revision

        revision = await self._database.write(Move.VOID, work, ended=self._takes_back(approval_id))
        return bool(revision)

    def _takes_back(self, approval_id: str) -> Ended[int]:
        """From the commit on, what was answered before does not count, whatever the rows say later."""

        def ended(revision: int | None, _: Exception | None) -> None:
            if revision:
                self._proofs.took_back(approval_id, since=revision)

        return ended

    def _forgets(self, *approval_ids: str) -> Ended[object]:
        """Those of these that did not wait before do not wait now, either, unless they are committed."""
        new = [one for one in approval_ids if not self._proofs.waits(one)]

        def ended(_: object, error: Exception | None) -> None:
            if error is not None:
                forget = self._proofs.may_wait if isinstance(error, Unanswered) else self._proofs.ends
                for approval_id in new:
                    forget(approval_id)

        return ended


def _idle(at: datetime) -> ColumnElement[bool]:
    """No POST is under way: one that ended without an answer had no effect if the request is still listed."""
    return or_(_A.attempts == 0, _A.next_try.is_(None), _A.next_try <= at, _A.gone_at.is_not(None))


async def _supersede(connection: AsyncConnection, approval_id: str, placements: Sequence[Placement]) -> None:
    """The old cards have one thing left to say, at once; the new ones ask, one in each place."""
    old = update(tables.placements).where(_P.approval_id == approval_id)
    await connection.execute(old.values(superseded=True, tries=0, next_try=None))
    await place(connection, approval_id, placements)


async def _let_in(connection: AsyncConnection, approval_id: str) -> tuple[Placement, ...]:
    """New cards where rungs of this ladder had put one: those people have a say on the new call, too."""
    there = await destinations_of(connection, approval_id)
    ladder = select(_R.cards).where(_R.approval_id == approval_id).order_by(_R.number)
    named = [one for cards in (await connection.execute(ladder)).scalars() for one in cards]
    return tuple(
        Placement(card_id=secrets.token_urlsafe(12), approval_id=approval_id, destination=destination)
        for destination in dict.fromkeys(named)
        if destination in there
    )


def _request_columns(request: HITLRequest, deadline: Deadline) -> dict[str, Any]:
    """What a request and its deadline put into an approval's row."""
    return {
        "source": request.source,
        "request_id": request.request_id,
        "request": request,
        "digest": request.digest,
        "agent": request.agent_id,
        **_deadline_columns(deadline),
    }


def _deadline_columns(deadline: Deadline) -> dict[str, Any]:
    return {
        "deadline": deadline.at,
        "deadline_source": deadline.source,
        "deadline_doubt": deadline.doubt,
        "renewed": deadline.renewed,
    }


def _asks(approval: Approval) -> dict[str, Any]:
    return what_it_asks(
        revision=approval.revision, deadline=approval.deadline.at, stage=approval.stage, rule=approval.rule
    )


def _approval_row(approval: Approval, proofs: Proofs) -> dict[str, Any]:
    """A new approval's row."""
    elsewhere = ("deadline", "votes", "claims", "decision", "ahead", "pinged", "forged")
    return {
        **columns_of(approval, tables.approvals, *elsewhere),
        **_request_columns(approval.request, approval.deadline),
        "id": approval.id,
        "call_signature": proofs.of_call(approval.request, approval.first_seen),
        "terms_signature": proofs.of_terms(
            approval.id,
            digest=approval.request.digest,
            route=approval.route,
            rule=approval.rule,
            widened=approval.widened,
        ),
    }
