"""How a call is answered, in SQL: read under a lock, judged, and signed again where Nod itself changes it.

What somebody else wrote there is never signed by the way: it stays forged until the call is taken anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.proofs import Proofs

_A = tables.approvals.c
#: What has to be read of an approval.
COLUMNS = (_A.id, _A.digest, _A.route, _A.rule, _A.widened, _A.terms_signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By which route or rule a call is answered, and whom rungs have let in."""

    approval_id: str
    digest: str
    route: str
    rule: str | None
    widened: tuple[str, ...]
    signature: str | None
    hold: bool  #: whether Nod wrote them

    def by_route(self, route: str) -> Terms:
        """Under this route; those whom another route's ladder let in have no say on it."""
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
