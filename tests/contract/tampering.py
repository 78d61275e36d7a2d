"""What plain SQL can do to each table, generated from the schema and the rows of a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sqlalchemy import Boolean, Integer
from sqlalchemy.types import Enum

from adapters.store.tables import metadata

Row = Mapping[str, Any]

#: Requests of the attacked database: one vote of two; decided and not sent yet; nobody's yet; approved and
#: settled; approved by two and closed; answered elsewhere; approved, and its first rows retired.
VOTED, DECIDED, FRESH, OVER = "voted", "decided", "fresh", "over"
CLOSED, ELSEWHERE, BEHEADED = "closed", "elsewhere", "beheaded"
WAITING = (VOTED, DECIDED, FRESH)
ALL = (*WAITING, OVER, CLOSED, ELSEWHERE, BEHEADED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table as the database itself describes it, with its rows as they are stored."""

    name: str
    columns: Sequence[str]
    key: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Statements that are run one after the other, and what they are about."""

    table: str
    column: str | None = None  #: None for rows that are put in or taken out
    approval_id: str | None = None
    statements: Sequence[str]


def attacks(grids: Sequence[Grid], *, inert: Sequence[str] = ()) -> list[Attack]:
    """Each column of each row to other values, each row gone, copies and forgeries put in, and pairs.

    Of `inert` tables, and of the many rows of the audit, three rows each.
    """
    found: list[Attack] = []
    for grid in grids:
        rows, middle = grid.rows, len(grid.rows) // 2
        few = grid.name in inert or grid.name == "audit"
        for row in (*rows[:1], *rows[middle : middle + 1], *rows[-1:]) if few else rows:
            found += _updates(grid, row)
            delete = f"DELETE FROM {grid.name} WHERE {_where(grid, row)}"
            found.append(Attack(table=grid.name, approval_id=_about(grid, row), statements=(delete,)))
            found += _copies(grid, row)
    named = {grid.name: grid for grid in grids}
    for name in ALL:
        found += _stages(name)
        found += _forgeries(name)
        for other in ALL:
            if other != name:
                found += _pairs(named, name, of=other)
    return list({attack.statements: attack for attack in found}.values())


def _about(grid: Grid, row: Row) -> str | None:
    return row.get("id" if grid.name == "approvals" else "approval_id")


def _where(grid: Grid, row: Row) -> str:
    return " AND ".join(f"{column} = {literal(row[column])}" for column in grid.key)


def _updates(grid: Grid, row: Row) -> Iterator[Attack]:
    for column in grid.columns:
        for value in _values(grid, row, column):
            put = f"UPDATE {grid.name} SET {column} = {literal(value)} WHERE {_where(grid, row)}"
            yield Attack(table=grid.name, column=column, approval_id=_about(grid, row), statements=(put,))


def _values(grid: Grid, row: Row, column: str) -> list[Any]:
    """Plausible others, and those of other rows."""
    now = row[column]
    others = [one[column] for one in grid.rows if one[column] != now]
    table = metadata.tables.get(grid.name)
    kind = table.columns[column].type if table is not None and column in table.columns else None
    if isinstance(kind, Enum):
        made: list[Any] = [*kind.enums, None]
    elif isinstance(kind, Boolean):
        made = [not now]
    elif isinstance(kind, Integer) or isinstance(now, int):
        made = [None, 0, 99_999_999_999_999, *([now + 1] if isinstance(now, int) else [])]
    elif column == "request":
        made = [now.replace("12", "99"), now.replace("true", "false"), now.replace("ann", "bob"), "{}"]
        made.append(now.replace('"run_id": null', '"run_id": "another"'))
    else:
        made = [None, "", "bob", '["bob"]']
    wanted = {
        repr(value): value for value in (*made, *others[:1]) if value != now or type(value) is not type(now)
    }
    return list(wanted.values())


def _copies(grid: Grid, row: Row) -> Iterator[Attack]:
    """The row once more: under another key, and under each other request."""
    last = grid.key[-1]
    if "approval_id" in grid.columns and grid.name != "audit":
        for name in ALL:
            if name != row["approval_id"]:
                yield _insert(grid, {**row, "approval_id": name})
        yield _insert(grid, {**row, "approval_id": "nobody's"})
    another = row[last] + 100 if isinstance(row[last], int) else f"{row[last]}-2"
    yield _insert(grid, {**row, last: another})


def _insert(grid: Grid, row: Row) -> Attack:
    return Attack(table=grid.name, approval_id=_about(grid, row), statements=(insert(grid.name, row),))


def insert(table: str, row: Row) -> str:
    """The statement that puts this row in."""
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(map(literal, row.values()))})"


def _stages(name: str) -> Iterator[Attack]:
    """A request put at each stage, with each outcome that goes with it and a confirmation in times to come."""
    for stage, outcome in (
        *product(("open", "decided"), (None,)),
        *product(("settled", "closed"), ("approved", "rejected", "elsewhere")),
    ):
        put = f"stage = '{stage}', outcome = {literal(outcome)}, confirmed_at = 99999999999999"
        yield Attack(
            table="approvals",
            column="stage",
            approval_id=name,
            statements=(f"UPDATE approvals SET {put}, next_try = NULL, attempts = 0 WHERE id = '{name}'",),
        )


def _decide(name: str) -> str:
    put = "stage = 'decided', outcome = NULL, confirmed_at = 99999999999999, next_try = NULL"
    return f"UPDATE approvals SET {put} WHERE id = '{name}'"


def _pairs(grids: Mapping[str, Grid], name: str, *, of: str) -> Iterator[Attack]:
    """Another request's genuine answers, put under this one, and the request put where they would be sent."""
    for table in ("decisions", "votes"):
        grid = grids[table]
        genuine = [row for row in grid.rows if row["approval_id"] == of]
        put = [insert(table, {**row, "approval_id": name}) for row in genuine]
        gone = f"DELETE FROM {table} WHERE approval_id = '{name}'"
        if put:
            yield Attack(table=table, approval_id=name, statements=(gone, *put, _decide(name)))
    names = [column for column in grids["approvals"].columns if column not in ("id", "request_id")]
    same = ", ".join(f"{one} = (SELECT {one} FROM approvals WHERE id = '{of}')" for one in names)
    taken = f"UPDATE approvals SET {same} WHERE id = '{name}'"
    yield Attack(table="approvals", column="request", approval_id=name, statements=(taken,))


def _forgeries(name: str) -> Iterator[Attack]:
    """Answers that no approver gave, in each form in which Nod might take them for an approver's."""
    digest = f"(SELECT digest FROM approvals WHERE id = '{name}')"
    for surface, signature in product(
        ("slack", "policy"), ("NULL", "''", "'x.y'", "(SELECT signature FROM votes LIMIT 1)")
    ):
        answer = f"'approved', '{surface}', 'U-bob', 'Bob', 99999, 'c1', 9, {signature}"
        columns = "verdict, surface, account, name, at, card_id, revision, signature"
        decision = f"INSERT INTO decisions (approval_id, {columns}) VALUES ('{name}', {answer})"
        voter = f"'{name}', 'bob', {digest}"
        vote = f"INSERT INTO votes (approval_id, person, digest, {columns}) VALUES ({voter}, {answer})"
        gone = f"DELETE FROM decisions WHERE approval_id = '{name}'"
        for table, statements in (
            ("decisions", (decision,)),
            ("decisions", (gone, decision, _decide(name))),
            ("decisions", (gone, vote, decision, _decide(name))),
            ("votes", (vote,)),
        ):
            yield Attack(table=table, approval_id=name, statements=statements)
    for rule in ("reads", "writes"):
        put = f"UPDATE approvals SET rule = '{rule}' WHERE id = '{name}'"
        yield Attack(table="approvals", column="rule", approval_id=name, statements=(put,))
    yield Attack(table="approvals", column="stage", approval_id=name, statements=(_decide(name),))


def literal(value: object) -> str:
    """A value in SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    quoted = str(value).replace("'", "''")
    return f"'{quoted}'"
