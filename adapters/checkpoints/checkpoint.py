"""Checkpoints: signed statements on how long the audit chain was; the key that signs them, and their file.

The key is a 32-byte Ed25519 seed in a separate file (RFC 8032 §5.1.5). The checkpoints are lines of a file
that only grows.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.canonical import canonical
from bot.errors import ConfigError
from bot.protocol import Json

_KEY_SETTING = "NOD_AUDIT_KEY"
_SEED_BYTES = 32


class AuditKey:
    """Signs, and gives out its public key; the seed never leaves it."""

    def __init__(self, seed: bytes) -> None:
        """Raises ValueError unless the seed has 32 bytes."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public(self) -> str:
        """The public key as base64: what a verifier needs."""
        return base64.b64encode(self._private.public_key().public_bytes_raw()).decode()

    def sign(self, message: bytes) -> str:
        """The signature as base64."""
        return base64.b64encode(self._private.sign(message)).decode()


def is_signed(message: bytes, *, signature: str, public: str) -> bool:
    """Whether the holder of this public key signed exactly this; False for an invalid key or signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_or_make_key(path: Path) -> AuditKey:
    """The key in this file. It is made on first use and only our user can read it.

    Raises:
        ConfigError: others can read or own the file, it cannot be read or made, or it holds no key.
    """
    try:
        _make(path)
        # Reads the same open file that was checked. It can be a link: secrets are mounted as links.
        with path.open(encoding="ascii") as opened:
            found = os.fstat(opened.fileno())
            if found.st_mode & 0o077:
                fix = f"Run chmod 600 {path}, or delete it and let Nod make a new key."
                raise ConfigError(_KEY_SETTING, f"other users can read {path}", fix)
            if found.st_uid not in (os.geteuid(), 0):
                raise ConfigError(
                    _KEY_SETTING, f"another user owns {path}", "Change its owner to the user that Nod runs as."
                )
            seed = base64.b64decode(opened.read().strip(), validate=True)
        return AuditKey(seed)
    except OSError as error:
        what = f"{path} cannot be used ({error.strerror})"
        raise ConfigError(_KEY_SETTING, what, "Choose a path that Nod can read and write.") from error
    except (binascii.Error, ValueError) as error:
        what = f"{path} contains no key"
        raise ConfigError(
            _KEY_SETTING,
            what,
            "The key must be 32 bytes in base64. If you delete the file, Nod makes a new key.",
        ) from error


def _make(path: Path) -> None:
    """A new key, unless there is one. Linked into place whole, so a crash leaves no half key."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    held = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            os.write(held, base64.b64encode(os.urandom(_SEED_BYTES)) + b"\n")
            os.fsync(held)
        finally:
            os.close(held)
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was quicker: its key is used
    finally:
        draft.unlink()


class What(StrEnum):
    """What a signed line says of its row. These words are part of the signatures."""

    CHECKPOINT = "checkpoint"  #: the chain went up to it
    SIGNING = "signing"  #: the same, and what an earlier release left unsigned is now signed
    RETIREMENT = "retirement"  #: Nod itself removes the rows up to it


class NoCheckpoint(ValueError):
    """The line is not a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The holder of `key` says that row `number` had this hash. Number 0 means a chain without rows."""

    number: int
    hash: str
    at: str  #: ISO 8601 in UTC, as signed
    key: str  #: public, base64
    signature: str  #: base64
    what: What = What.CHECKPOINT

    @property
    def moment(self) -> datetime:
        """When it was signed."""
        return datetime.fromisoformat(self.at)

    @property
    def line(self) -> str:
        """One line of JSON, without the line feed."""
        line: dict[str, Json] = {
            "number": self.number,
            "hash": self.hash,
            "at": self.at,
            "key": self.key,
            "signature": self.signature,
        }
        # A plain checkpoint keeps the form that it had before there were other kinds.
        return canonical(line if self.what is What.CHECKPOINT else {**line, "what": self.what.value})

    @property
    def genuine(self) -> bool:
        """Whether the holder of the key in it signed exactly this."""
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
        raise NoCheckpoint("it is not JSON") from error
    if not isinstance(value, dict) or set(value) - {"what"} != {"number", "hash", "at", "key", "signature"}:
        raise NoCheckpoint("its fields must be number, hash, at, key, signature and what")
    what = value.pop("what", What.CHECKPOINT.value)
    if what not in tuple(What):
        raise NoCheckpoint("this version of Nod does not know its type; use the latest version")
    number = value.pop("number")
    texts = {name: text for name, text in value.items() if isinstance(text, str) and text.isascii()}
    if type(number) is not int or len(texts) != 4:
        raise NoCheckpoint("one of its fields has a wrong type")
    try:
        datetime.fromisoformat(texts["at"])
    except ValueError as error:
        raise NoCheckpoint("its time is not a timestamp") from error
    return Checkpoint(number=number, what=What(str(what)), **texts)


def _message(what: What, number: int, hash_: str, at: str, key: str) -> bytes:
    return canonical([f"nod {what.value} v1", number, hash_, at, key]).encode()


_LOG_SETTING = "NOD_AUDIT_CHECKPOINTS"


@dataclass(slots=True, kw_only=True)
class CheckpointLog:
    """The file with the checkpoints, and the signed lines that were in it when it was read."""

    path: Path
    lines: tuple[Checkpoint, ...] = ()

    @property
    def begun(self) -> bool:
        """Whether a line says that everything before it is signed."""
        return any(one.what is What.SIGNING for one in self.lines)

    @property
    def last(self) -> Checkpoint | None:
        """The checkpoint with the highest row; None before the first one about a row."""
        rows = (one for one in self.lines if one.number and one.what is not What.RETIREMENT)
        return max(rows, key=lambda one: one.number, default=None)

    async def set_aside(self, at: datetime) -> Path:
        """Move the lines to a file with this moment in its name and start empty; returns that file's path."""
        aside = self.path.with_name(f"{self.path.name}.before-{at:%Y%m%dT%H%M%S}")
        await asyncio.to_thread(self.path.rename, aside)
        self.lines = ()
        return aside


async def read_checkpoint_log(path: Path) -> CheckpointLog:
    """The checkpoints in this file, none if there is no file yet. Raises ConfigError if it cannot be used."""
    return CheckpointLog(path=path, lines=await asyncio.to_thread(_lines_in, path))


def _lines_in(path: Path) -> tuple[Checkpoint, ...]:
    if not path.exists():
        return ()
    try:
        return read_checkpoints(path)
    except NoCheckpoint as error:
        raise ConfigError(
            _LOG_SETTING, str(error), "Keep the file as evidence, and choose another path."
        ) from error


def read_checkpoints(path: Path) -> tuple[Checkpoint, ...]:
    """All of them, in their order. A last line that a crash cut short is ignored.

    Raises:
        ConfigError: the file cannot be read.
        NoCheckpoint: a whole line is not a checkpoint; the message has its number.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror})"
        raise ConfigError(_LOG_SETTING, what, "Set it to the file with the checkpoints.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(parsed(line.decode("utf-8", "replace")))
        except NoCheckpoint as error:
            raise NoCheckpoint(f"line {number} of {path} is not a checkpoint: {error}") from error
    return tuple(found)


def add(path: Path, checkpoint: Checkpoint) -> None:
    """Append one line, and return when it is on the disk. Removes first what a crash left of a line.

    Raises OSError, also for a link: another file would be truncated.
    """
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        end = os.lseek(held, 0, os.SEEK_END)
        end = _whole(held, end)
        os.ftruncate(held, end)
        os.pwrite(held, f"{checkpoint.line}\n".encode(), end)
        os.fsync(held)
    finally:
        os.close(held)


def _whole(held: int, end: int) -> int:
    """Where the last whole line ends."""
    while end and os.pread(held, 1, end - 1) != b"\n":
        end -= 1
    return end
