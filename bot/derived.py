"""Keys of one purpose each, derived from `NOD_SECRET`: the secret itself is never used twice. Pure."""

from __future__ import annotations

import hashlib
import hmac


def derived_key(secret: str, *, purpose: bytes) -> bytes:
    """32 bytes that tell nothing about the secret or about the keys of other purposes (RFC 5869, one block)."""
    extracted = hmac.digest(b"", secret.encode(), hashlib.sha256)
    return hmac.digest(extracted, purpose + b"\x01", hashlib.sha256)


def key_name(key: bytes) -> str:
    """A short name for a key that tells nothing about it."""
    return hashlib.sha256(b"nod key name" + key).hexdigest()[:8]
