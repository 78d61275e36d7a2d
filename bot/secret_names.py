"""The names of secrets: which keys say that what stands under them must not be shown. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

#: The names of secrets, in words. A key counts that has all words of one of them, in a row.
NAMES = (
    "access key, access token, access tokens, account key, api key, api keys, api token, api tokens, "
    "apikey, auth, auth pass, auth token, auth tokens, authorization, backup codes, bearer, client secret, "
    "consumer key, contraseña, cookie, cookies, credential, credentials, creds, csrf, cvc, cvv, db pass, "
    "encryption key, jwt, kennwort, master key, mfa code, mot de passe, otp, passcode, passphrase, passwd, "
    "password, passwords, passwort, pin, private key, private keys, pwd, recovery codes, root pass, secret, "
    "secret key, secrets, security code, senha, service account key, session, session key, set cookie, "
    "shared key, signing key, smtp pass, ssh key, ssn, storage key, token, totp, user pass, verification "
    "code, xsrf, пароль, パスワード, 密码"
)
#: The last word of keys that tell about a secret and are none: `token_count`, `password_policy`.
_ABOUT = re.compile(
    "age|algorithm|budget|cost|counts?|created|duration|enabled|endpoint|expir(?:ed|es|ation|y)|format|ids?|index"
    "|kind|length|len|limits?|max|method|min|mode|names?|polic(?:y|ies)|price|provider|required|rotation|scheme"
    "|size|status|strategy|ttl|total|types?|ur[il]s?|usage|used|valid|version|window"
)
#: ... unless the id is the secret: who knows a session's id has the session; AppRole has a `secret_id`.
_SECRET_IDS = frozenset({("session", "id"), ("session", "ids"), ("secret", "id")})
#: Secrets written in one word with what is before them: `dbpassword`, `PGPASSWORD`.
_ENDING = re.compile(
    "(?:password|passwd|passphrase|clientsecret|sessionid|(?:api|secret|private|access)key"
    "|(?:auth|access|refresh|api|session)token)$"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names that count, each as its words."""

    words: frozenset[tuple[str, ...]]
    longest: int  #: of the names, in words


def is_secret_name(key: str, *, names: Iterable[str] = ()) -> bool:
    """Whether what stands under this key is a secret; case, `-_. ` and camelCase make no difference."""
    return is_secret(words_of(key), names_of(tuple(names)))


@lru_cache(maxsize=16)
def names_of(extra: tuple[str, ...]) -> Names:
    """The names of this page, and an operator's own."""
    words = frozenset(filter(None, map(words_of, (*NAMES.split(", "), *extra))))
    return Names(words=words, longest=max(map(len, words)))


def words_of(key: str) -> tuple[str, ...]:
    """A key's words in small letters, without the numbers at their ends."""
    spaced = _HUMP.sub(" ", unicodedata.normalize("NFKC", key)).lower()
    words = re.findall(r"[^\W_]+", spaced)
    return tuple(word.rstrip("0123456789") or word for word in words)


def is_secret(words: tuple[str, ...], names: Names) -> bool:
    """Whether these words of a key name a secret, rather than tell about one."""
    if words and _ENDING.search(words[-1]):
        return True
    about = bool(words) and _ABOUT.fullmatch(words[-1]) is not None and words[-2:] not in _SECRET_IDS
    return any(
        words[start:end] in names.words and not (about and end < len(words))
        for start in range(len(words))
        for end in range(start + 1, min(start + names.longest, len(words)) + 1)
    )
