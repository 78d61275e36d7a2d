"""How the domain's values stand in columns, the same on every database."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import BigInteger, BindParameter, Enum, Table, Text, literal
from sqlalchemy.engine import Dialect, RowMapping
from sqlalchemy.types import TypeDecorator

from bot.protocol import HITLRequest
from bot.surface import Destination, Surface

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Value = TypeVar("Value", bound="DataclassInstance")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
#: Room for the longest word of any enum, in characters.
_LONGEST_WORD = 20


def columns_of(value: DataclassInstance) -> dict[str, Any]:
    """A value whose fields are called as its table's columns are, as a row."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def value_in(row: RowMapping, kind: type[Value], table: Table) -> Value:
    """The value in those columns of a row that are called as its fields are."""
    return kind(**{field.name: row[table.c[field.name]] for field in fields(kind)})


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


class Moment(TypeDecorator[datetime]):
    """An aware moment as whole UTC milliseconds since 1970, cut off and never rounded up.

    Comparisons cut off their own side too, so a moment is compared as it will read back.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone is no moment")
        return (value - _EPOCH) // _MILLISECOND

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
        return json.dumps({field.name: getattr(value, field.name) for field in fields(value) if field.init})

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
