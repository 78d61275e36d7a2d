"""The audit chain's end: where each transaction that moves a record appends what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Select, insert, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.columns import keepable
from bot.audit import GENESIS, Fact, Row, chained
from bot.protocol import Json

_U, _N = tables.audit.c, tables.audit_anchor.c
#: Any fixed number: transactions that append take turns, from here to their commit.
_TURN = 0x4E6F65


async def append(connection: AsyncConnection, *facts: Fact) -> None:
    """Write these facts behind the last row, in this transaction: without them there is no move.

    Always a transaction's last statements: then nobody who has the turn waits for anybody.
    """
    number, previous = await _end(connection)
    rows = []
    for number, fact in enumerate(facts, start=number + 1):  # noqa: B020 - it goes on from there
        row = chained(_keepable(fact), number=number, previous=previous)
        previous = row.hash
        rows.append(_columns(row))
    await connection.execute(insert(tables.audit), rows)


async def _end(connection: AsyncConnection) -> tuple[int, str]:
    """Number and hash of the last row, with everybody else kept from appending until this transaction ends."""
    if connection.dialect.name == "postgresql":
        # The next statement sees what the one before us committed; a lock on the row itself would not.
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
    for statement in (last_row(), last_anchor()):
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


def row_of(row: RowMapping) -> Row:
    """The chain's row in a row of the table."""
    return Row(
        number=row[_U.number],
        at_ms=row[_U.at_ms],
        kind=row[_U.kind],
        approval_id=row[_U.approval_id],
        body=row[_U.body],
        previous=row[_U.previous],
        hash=row[_U.hash],
    )


def _columns(row: Row) -> dict[str, object]:
    return {
        "number": row.number,
        "at_ms": row.at_ms,
        "kind": row.kind,
        "approval_id": row.approval_id,
        "body": row.body,
        "previous": row.previous,
        "hash": row.hash,
    }


def _keepable(fact: Fact) -> Fact:
    """The fact as it will read back: a character that no database keeps would break the chain for good."""
    approval_id = None if fact.approval_id is None else keepable(fact.approval_id)
    return replace(fact, approval_id=approval_id, body=kept_object(fact.body))


def kept_object(value: Mapping[str, Json]) -> dict[str, Json]:
    """A body as it reads back."""
    return {keepable(name): _kept(inner) for name, inner in value.items()}


def _kept(value: Json) -> Json:
    if isinstance(value, str):
        return keepable(str(value))  # an enum's word is a plain string from here on
    if isinstance(value, dict):
        return kept_object(value)
    if isinstance(value, list):
        return [_kept(inner) for inner in value]
    return value
