"""The key that signs checkpoints: a 32-byte Ed25519 seed in a file of its own (RFC 8032 §5.1.5)."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.errors import ConfigError

_SETTING = "NOD_AUDIT_KEY"
_SEED_BYTES = 32


class AuditKey:
    """Signs, and tells its public half; the seed does not come out again."""

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
    """Whether the holder of this public key signed exactly this; False for what is no key or signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_or_make_key(path: Path) -> AuditKey:
    """The key in this file, made on first use and readable by our own user alone.

    Raises:
        ConfigError: others may read it or own it, it cannot be read or made, or it holds no key.
    """
    try:
        _make(path)
        # The file that is read is the one that was looked at. It may be a link: secrets are mounted as such.
        with path.open(encoding="ascii") as opened:
            found = os.fstat(opened.fileno())
            if found.st_mode & 0o077:
                fix = f"Run chmod 600 {path}, or make a new key."
                raise ConfigError(_SETTING, f"others may read {path}", fix)
            if found.st_uid not in (os.geteuid(), 0):
                raise ConfigError(
                    _SETTING, f"another user owns {path}", "Give it to the user that Nod runs as."
                )
            seed = base64.b64decode(opened.read().strip(), validate=True)
        return AuditKey(seed)
    except OSError as error:
        what = f"{path} cannot be used ({error.strerror})"
        raise ConfigError(_SETTING, what, "Name a file that Nod may read, or make.") from error
    except (binascii.Error, ValueError) as error:
        what = f"{path} holds no key"
        raise ConfigError(
            _SETTING, what, "It must be 32 bytes as base64; without it a new one is made."
        ) from error


def _make(path: Path) -> None:
    """A new key, unless there is one. Linked into place whole: a crash leaves no half key."""
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
            return  # another process was quicker: its key is the key
    finally:
        draft.unlink()
