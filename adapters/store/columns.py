"""How the domain's values are kept in columns, the same on every database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from sqlalchemy import BigInteger, BindParameter, Column, Enum, String, Table, Text, literal
from sqlalchemy.engine import Dialect, RowMapping
from sqlalchemy.types import TypeDecorator

from bot.protocol import GLAIP, HITLRequest
from bot.surface import Destination, Surface

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Value = TypeVar("Value", bound="DataclassInstance")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
#: Room for the longest word of any enum and the longest name of a chat, in characters.
_LONGEST_WORD = 20


@cache
def _columns_for(
    kind: type[DataclassInstance], table: Table, *without: str
) -> Mapping[str, Column[Any] | type[Any]]:
    """For each field of a value the column of its name, or the kind of value whose own fields have columns."""
    hints = get_type_hints(kind)
    found: dict[str, Column[Any] | type[Any]] = {}
    for field in fields(kind):
        if field.name in without:
            continue
        if field.name in table.c:
            found[field.name] = table.c[field.name]
        elif is_dataclass(hints[field.name]):
            found[field.name] = hints[field.name]
    return found


def columns_of(value: DataclassInstance, table: Table, *without: str) -> dict[str, Any]:
    """A value as a row of this table, whose columns are called as its fields are.

    A field that is a value itself lends its own fields. Raises KeyError for a field that has no column and is
    not one of those `without`: it would be lost.
    """
    known = _columns_for(type(value), table, *without)
    row: dict[str, Any] = {}
    for field in fields(value):
        if field.name not in without:
            inner = getattr(value, field.name)
            found = known[field.name]
            row |= columns_of(inner, table) if isinstance(found, type) else {field.name: inner}
    return row


def value_in(row: RowMapping, kind: type[Value], table: Table, **given: Any) -> Value:
    """The value in those columns of a row that are called as its fields are.

    What is `given` is not looked up, and a field without a column keeps its default.
    """
    for name, found in _columns_for(kind, table, *given).items():
        given[name] = value_in(row, found, table) if isinstance(found, type) else row[found]
    return kind(**given)


def storable_text(text: str) -> str:
    """The text as a database can keep it: NUL and lone surrogates, which PostgreSQL refuses, become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").translate(_NO_SURROGATES)


_NO_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


class Words(TypeDecorator[str]):
    """Text from outside, made keepable on its way in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable_text(value)


def milliseconds(at: datetime) -> int:
    """A moment in whole UTC milliseconds since 1970, cut off and never rounded up. Raises ValueError without
    a time zone.
    """
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return (at - _EPOCH) // _MILLISECOND


class SurfaceName(TypeDecorator[Surface]):
    """The name of a chat, or `policy`."""

    impl = String(_LONGEST_WORD)
    cache_ok = True

    def process_bind_param(self, value: Surface | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Surface | None:
        return None if value is None else Surface(value)


class Moment(TypeDecorator[datetime]):
    """An aware moment as whole UTC milliseconds since 1970, cut off and never rounded up.

    Comparisons cut off their own side too, so a moment is compared as it will read back.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else milliseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MILLISECOND


def moment(value: datetime) -> BindParameter[datetime]:
    """A moment inside an expression, where no column lends it its type."""
    return literal(value, Moment())


class Names(TypeDecorator[tuple[str, ...]]):
    """A few names, as a JSON list."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        return None if value is None else tuple(json.loads(value))


class Places(TypeDecorator[tuple[Destination, ...]]):
    """A few destinations, as a JSON list of `surface:channel`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Destination, ...] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps([str(place) for place in value])

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Destination, ...] | None:
        return None if value is None else tuple(_place(text) for text in json.loads(value))


def _place(text: str) -> Destination:
    surface, _, channel = text.partition(":")
    return Destination(surface=Surface(surface), channel=channel)


class Call(TypeDecorator[HITLRequest]):
    """A whole request as JSON text in ASCII: the order of keys, whole numbers of any size and every character
    read back as they were, so the digest does too. A database's own JSON type promises none of these."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: HITLRequest | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        said = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        if value.source == GLAIP:  # as releases wrote it that knew no other
            del said["source"]
        return json.dumps(said)

    def process_result_value(self, value: str | None, dialect: Dialect) -> HITLRequest | None:
        # The first release wrote no form.
        return None if value is None else HITLRequest(**{"form": "1", **json.loads(value)})


def word_of(kind: type[StrEnum], *, check: str | None = None) -> Enum:
    """A column type for the words of one enum, with a CHECK constraint if it is given a name."""
    return Enum(
        kind,
        name=check,
        native_enum=False,
        create_constraint=check is not None,
        length=_LONGEST_WORD,
        values_callable=lambda words: [word.value for word in words],
    )
