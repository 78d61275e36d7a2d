"""What plain SQL can do to the tables, generated from the tables themselves, against requests that wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from sqlalchemy import Boolean, Column, Integer, Table
from sqlalchemy.types import Enum

from adapters.store import tables
from adapters.store.columns import Moment

#: Requests of one attack: one vote of two; decided and not sent yet; approved and over; nobody's yet.
VOTED, DECIDED, OVER, FRESH = "voted", "decided", "over", "fresh"
ALL = (VOTED, DECIDED, OVER, FRESH)

Attack = tuple[str, ...]


def _of(table: Table) -> str:
    return "id" if table is tables.approvals else "approval_id"


def _values(column: Column[object]) -> Sequence[str]:
    kind = column.type
    if isinstance(kind, Enum):
        return [f"'{word}'" for word in kind.enums]
    if isinstance(kind, Boolean):
        return ["true", "false"]
    if isinstance(kind, Moment):
        return ["NULL", "0", "99999999999999"]
    if isinstance(kind, Integer):
        return ["0", "1", "99"]
    another = f"(SELECT {column.name} FROM {column.table.name} x LIMIT 1)"
    return ["NULL", "''", "'bob'", "'[]'", "'[\"bob\"]'", another]


def updates(name: str) -> Iterator[Attack]:
    """Each column of each table that is about requests, set to each of a few values."""
    for table in (tables.approvals, tables.votes, tables.decisions, tables.placements):
        for column in table.columns:
            for value in _values(column):
                where = f"WHERE {_of(table)} = '{name}'"
                yield (f"UPDATE {table.name} SET {column.name} = {value} {where}",)


def stages(name: str) -> Iterator[Attack]:
    """A request put at each stage, with each outcome that goes with it and a confirmation in times to come."""
    for stage, outcome in product(
        ("open", "decided", "settled", "closed"), ("NULL", "'approved'", "'elsewhere'")
    ):
        for confirmed in ("NULL", "99999999999999"):
            put = f"stage = '{stage}', outcome = {outcome}, confirmed_at = {confirmed}"
            yield (f"UPDATE approvals SET {put}, next_try = NULL, attempts = 0 WHERE id = '{name}'",)


def copies(name: str, *, of: str) -> Iterator[Attack]:
    """Another request's genuine answers, put under this one, and the request put where they would be sent."""
    decide = f"UPDATE approvals SET stage = 'decided', confirmed_at = 99999999999999 WHERE id = '{name}'"
    for table in (tables.decisions, tables.votes):
        columns = [column.name for column in table.columns]
        values = ", ".join(f"'{name}'" if column == "approval_id" else column for column in columns)
        copied = f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} FROM {table.name}"
        gone = f"DELETE FROM {table.name} WHERE approval_id = '{name}'"
        yield (gone, f"{copied} WHERE approval_id = '{of}'", decide)
    names = [column.name for column in tables.approvals.columns if column.name != "id"]
    same = ", ".join(f"{one} = (SELECT {one} FROM approvals WHERE id = '{of}')" for one in names)
    yield (f"UPDATE approvals SET {same} WHERE id = '{name}'",)


def forgeries(name: str) -> Iterator[Attack]:
    """Answers of nobody, in each form in which Nod might take them for somebody's."""
    decide = f"UPDATE approvals SET stage = 'decided', confirmed_at = 99999999999999 WHERE id = '{name}'"
    for surface, signature in product(
        ("slack", "policy"), ("NULL", "''", "'x.y'", "(SELECT signature FROM votes LIMIT 1)")
    ):
        answer = f"'approved', '{surface}', 'U-bob', 'Bob', 99999, 'c1', 9, {signature}"
        columns = "verdict, surface, account, name, at, card_id, revision, signature"
        yield (
            f"DELETE FROM decisions WHERE approval_id = '{name}'",
            f"INSERT INTO decisions (approval_id, {columns}) VALUES ('{name}', {answer})",
            decide,
        )
        digest = f"(SELECT digest FROM approvals WHERE id = '{name}')"
        more = f"(approval_id, person, digest, {columns}) VALUES ('{name}', 'bob', {digest}, {answer})"
        yield (f"INSERT INTO votes {more}",)
    for rule in ("reads", "writes"):
        yield (f"UPDATE approvals SET rule = '{rule}' WHERE id = '{name}'",)
    yield (decide,)


def removals(name: str) -> Iterator[Attack]:
    """What belongs to a request is gone."""
    for table in (tables.votes, tables.decisions, tables.placements):
        yield (f"DELETE FROM {table.name} WHERE approval_id = '{name}'",)


def attacks() -> list[tuple[str, Attack]]:
    """Every one, by the request that it is about."""
    found: list[tuple[str, Attack]] = []
    for name in ALL:
        for made in (updates(name), stages(name), forgeries(name), removals(name)):
            found += [(name, attack) for attack in made]
        for other in ALL:
            if other != name:
                found += [(name, attack) for attack in copies(name, of=other)]
    return found
