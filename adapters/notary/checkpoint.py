"""A checkpoint: a signed word on how far the chain went, and with which hash, at some moment. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.notary.key import AuditKey, is_signed
from bot.audit import Row
from bot.canonical import canonical
from bot.protocol import Json

_PURPOSE = "nod checkpoint v1"


class NoCheckpoint(ValueError):
    """A line that is no checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Row `number` had this hash; whoever holds `key` says so."""

    number: int
    hash: str
    at: str  #: ISO 8601 in UTC, as it was signed
    key: str  #: public, base64
    signature: str  #: base64

    @property
    def moment(self) -> datetime:
        """When it was signed."""
        return datetime.fromisoformat(self.at)

    @property
    def line(self) -> str:
        """One line of JSON, without its end."""
        return canonical(
            {
                "number": self.number,
                "hash": self.hash,
                "at": self.at,
                "key": self.key,
                "signature": self.signature,
            }
        )

    @property
    def genuine(self) -> bool:
        """Whether the holder of the key that it names signed exactly this."""
        message = _message(self.number, self.hash, self.at, self.key)
        return is_signed(message, signature=self.signature, public=self.key)


def checkpoint_of(row: Row, *, key: AuditKey, at: datetime) -> Checkpoint:
    """A new checkpoint of the chain up to this row."""
    told = at.astimezone(UTC).isoformat(timespec="milliseconds")
    signature = key.sign(_message(row.number, row.hash, told, key.public))
    return Checkpoint(number=row.number, hash=row.hash, at=told, key=key.public, signature=signature)


def parsed(line: str) -> Checkpoint:
    """The checkpoint in a line, genuine or not. Raises NoCheckpoint."""
    try:
        value: Json = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NoCheckpoint("it is no JSON") from error
    if not isinstance(value, dict) or set(value) != {"number", "hash", "at", "key", "signature"}:
        raise NoCheckpoint("it has other fields than number, hash, at, key and signature")
    number = value.pop("number")
    texts = {name: text for name, text in value.items() if isinstance(text, str) and text.isascii()}
    if type(number) is not int or len(texts) != 4:
        raise NoCheckpoint("one of its fields has a wrong type")
    try:
        datetime.fromisoformat(texts["at"])
    except ValueError as error:
        raise NoCheckpoint("its time is no time") from error
    return Checkpoint(number=number, **texts)


def _message(number: int, hash_: str, at: str, key: str) -> bytes:
    return canonical([_PURPOSE, number, hash_, at, key]).encode()
