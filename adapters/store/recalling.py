"""What a start has to know before anything counts: what waits, and which answers were taken back before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import Database
from adapters.store.proofs import Proofs
from bot.approval import Stage

_A, _D, _V, _U = tables.approvals.c, tables.decisions.c, tables.votes.c, tables.audit.c
_WAITING = (Stage.OPEN, Stage.DECIDED)
#: The kinds of rows that take answers back, or begin a life anew.
_FRESH = frozenset({"admitted", "changed", "voided", "revived"})


async def recall(database: Database, proofs: Proofs) -> None:
    """Tell `proofs` what waits, and from which revision on its answers count, as the audit has it.

    What the audit calls settled does not wait, whatever its row says.
    """
    rows = await database.fetch(select(_A.id).where(_A.stage.in_(_WAITING)))
    ids = [str(row[_A.id]) for row in rows]
    for approval_id in ids:
        proofs.begins(approval_id)
    for some in chunks(ids):
        told = select(_U.kind, _U.approval_id, _U.body).where(
            _U.approval_id.in_(some), _U.kind.in_((*_FRESH, "voted", "settled"))
        )
        for row in await database.fetch(told.order_by(_U.number)):
            _recall_one(proofs, row[_U.approval_id], row[_U.kind], _object(row[_U.body]))


def _recall_one(proofs: Proofs, approval_id: str, kind: str, body: Mapping[str, Any]) -> None:
    revision = body.get("revision")
    known = revision if isinstance(revision, int) else 0  # a row of an earlier release has none
    if kind == "settled":
        proofs.ends(approval_id)
    elif kind in _FRESH:
        proofs.begins(approval_id, since=known)
    else:
        proofs.counted(approval_id, str(body.get("person")), revision=known)


def _object(body: object) -> Mapping[str, Any]:
    try:
        value = json.loads(body) if isinstance(body, str) else None
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {}


async def sign_what_was_left(database: Database, proofs: Proofs, *, at: datetime) -> bool:
    """Sign what waits and has no signature, as a release left it that made none; whether there was any.

    Once in the life of a database: the row that says so in the audit keeps it from happening again.
    """
    done = select(_U.number).where(_U.kind == audit_events.SIGNED).limit(1)
    if await database.fetch(done):
        return False

    async def work(connection: AsyncConnection) -> bool:
        left = select(_A.id, _A.request, _A.first_seen, _A.digest, _A.route, _A.rule, _A.widened, _A.revision)
        unsigned = left.where(_A.stage.in_(_WAITING), _A.call_signature.is_(None)).with_for_update()
        rows = (await connection.execute(unsigned)).mappings().all()
        # A digest of another make than its call is taken anew by the next poll.
        own = [row for row in rows if row[_A.digest] == row[_A.request].digest]
        counts = {"approvals": len(own), "votes": 0, "decisions": 0}
        for row in own:
            terms = {"route": row[_A.route], "rule": row[_A.rule], "widened": row[_A.widened]}
            signed = update(tables.approvals).where(_A.id == row[_A.id])
            await connection.execute(
                signed.values(
                    call_signature=proofs.of_call(row[_A.request], row[_A.first_seen]),
                    terms_signature=proofs.of_terms(row[_A.id], digest=row[_A.digest], **terms),
                )
            )
            counts["votes"] += await _sign_votes(connection, row[_A.id], row[_A.revision], proofs)
            counts["decisions"] += await _sign_decision(connection, row, proofs)
        if own:
            await append(connection, audit_events.signed(counts, at=at))
        return bool(own)

    return await database.write(Move.NOTE, work)


async def _sign_votes(connection: AsyncConnection, approval_id: str, revision: int, proofs: Proofs) -> int:
    found = await connection.execute(select(tables.votes).where(_V.approval_id == approval_id))
    rows: Sequence[Mapping[str, Any]] = [{**row, "revision": revision} for row in found.mappings()]
    for row in rows:
        mine = update(tables.votes).where(_V.approval_id == approval_id, _V.person == row["person"])
        await connection.execute(mine.values(revision=revision, signature=proofs.of_vote(row)))
    return len(rows)


async def _sign_decision(connection: AsyncConnection, approval: Mapping[Any, Any], proofs: Proofs) -> int:
    of = _D.approval_id == approval[_A.id]
    found = (await connection.execute(select(tables.decisions).where(of))).mappings().first()
    if found is None:
        return 0
    row = {**found, "revision": approval[_A.revision]}
    signature = proofs.of_decision(row, digest=approval[_A.digest])
    await connection.execute(
        update(tables.decisions).where(of).values(revision=row["revision"], signature=signature)
    )
    return 1
