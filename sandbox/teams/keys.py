"""The signing keys of the local Teams, as a JWK set with endorsements, and their rotation.

Bot connector authentication, "Step 3: Get the list of valid signing keys": RFC 7517 plus `endorsements`.
"""

import base64
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

#: RS256 with 2048 bits is what the real service publishes.
BITS = 2048


def _number(value: int) -> str:
    """Base64urlUInt of RFC 7518 §2."""
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One RSA key with its id and the channels that it may speak for."""

    kid: str
    private: rsa.RSAPrivateKey
    endorsements: tuple[str, ...] = ("msteams",)

    def jwk(self) -> dict[str, Any]:
        """The public half as the key endpoint shows it."""
        public = self.private.public_key().public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": _number(public.n),
            "e": _number(public.e),
            "endorsements": list(self.endorsements),
        }

    def public_pem(self) -> bytes:
        """The public half in PEM: what a forger would use as an HS256 secret."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def new_key(kid: str, *, endorsements: tuple[str, ...] = ("msteams",)) -> Key:
    """A fresh key; takes some tens of milliseconds."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    return Key(kid=kid, private=private, endorsements=endorsements)


def new_keys() -> tuple[Key, Key]:
    """A key for the Connector and one for Entra."""
    return new_key("connector-1"), new_key("sts-1")


class KeyRing:
    """The keys that are published; the last one signs."""

    def __init__(self, first: Key) -> None:
        """Start with one key."""
        self.published = [first]
        self._made = 1

    @property
    def signing(self) -> Key:
        """The key that signs now."""
        return self.published[-1]

    def rotate(self, *, keep: bool = False) -> Key:
        """Sign with a new key from now on; the old ones stay published only with `keep`."""
        self._made += 1
        fresh = new_key(f"connector-{self._made}")
        self.published = [*self.published, fresh] if keep else [fresh]
        return fresh

    def publish(self, key: Key) -> None:
        """List a key that does not sign, for example one without an endorsement for Teams."""
        self.published.insert(0, key)

    def jwks(self) -> dict[str, Any]:
        """The key document."""
        return {"keys": [key.jwk() for key in self.published]}
