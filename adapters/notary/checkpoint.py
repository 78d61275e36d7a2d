"""A checkpoint: a signed word on how far the chain went, and with which hash, at some moment. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from adapters.notary.key import AuditKey, is_signed
from bot.canonical import canonical
from bot.protocol import Json


class What(StrEnum):
    """What a signed line says of its row. The words are part of the signatures."""

    CHECKPOINT = "checkpoint"  #: the chain went up to it
    SIGNING = "signing"  #: the same; and what an earlier release had left unsigned is signed, once and for all
    RETIREMENT = "retirement"  #: Nod itself removes the rows up to it


class NoCheckpoint(ValueError):
    """A line that is no checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Row `number` had this hash; whoever holds `key` says so. Number 0 stands for a chain without rows."""

    number: int
    hash: str
    at: str  #: ISO 8601 in UTC, as it was signed
    key: str  #: public, base64
    signature: str  #: base64
    what: What = What.CHECKPOINT

    @property
    def moment(self) -> datetime:
        """When it was signed."""
        return datetime.fromisoformat(self.at)

    @property
    def line(self) -> str:
        """One line of JSON, without its end."""
        line: dict[str, Json] = {
            "number": self.number,
            "hash": self.hash,
            "at": self.at,
            "key": self.key,
            "signature": self.signature,
        }
        # A plain checkpoint is written as it was when there was nothing else.
        return canonical(line if self.what is What.CHECKPOINT else {**line, "what": self.what.value})

    @property
    def genuine(self) -> bool:
        """Whether the holder of the key that it names signed exactly this."""
        message = _message(self.what, self.number, self.hash, self.at, self.key)
        return is_signed(message, signature=self.signature, public=self.key)


def checkpoint_of(
    number: int, hash_: str, *, key: AuditKey, at: datetime, what: What = What.CHECKPOINT
) -> Checkpoint:
    """A new signed line about the row with this number and hash."""
    told = at.astimezone(UTC).isoformat(timespec="milliseconds")
    signature = key.sign(_message(what, number, hash_, told, key.public))
    return Checkpoint(number=number, hash=hash_, at=told, key=key.public, signature=signature, what=what)


def parsed(line: str) -> Checkpoint:
    """The checkpoint in a line, genuine or not. Raises NoCheckpoint."""
    try:
        value: Json = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NoCheckpoint("it is no JSON") from error
    if not isinstance(value, dict) or set(value) - {"what"} != {"number", "hash", "at", "key", "signature"}:
        raise NoCheckpoint("it has other fields than number, hash, at, key, signature and what")
    what = value.pop("what", What.CHECKPOINT.value)
    if what not in tuple(What):
        raise NoCheckpoint("this version does not know what it says; use the latest")
    number = value.pop("number")
    texts = {name: text for name, text in value.items() if isinstance(text, str) and text.isascii()}
    if type(number) is not int or len(texts) != 4:
        raise NoCheckpoint("one of its fields has a wrong type")
    try:
        datetime.fromisoformat(texts["at"])
    except ValueError as error:
        raise NoCheckpoint("its time is no time") from error
    return Checkpoint(number=number, what=What(str(what)), **texts)


def _message(what: What, number: int, hash_: str, at: str, key: str) -> bytes:
    return canonical([f"nod {what.value} v1", number, hash_, at, key]).encode()
