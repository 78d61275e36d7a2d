"""Secrets in a call, replaced before anything is stored or shown: `‹redacted 12 chars›`. Pure.

What reads like text or code rather than like a token is called so, `‹redacted 86 chars of text›`: it may be
a curtain in front of what would run, and `bot.call` then lets nobody approve.

By name: what stands under a key such as `db_password`. By shape: what looks like a known kind of secret,
anywhere in a text. Approvers must still be able to judge the call, so amounts, addresses, e-mail addresses,
IBANs, UUIDs and commit hashes stay (reliability.md §5, Log / alert leak; card.md).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from bot.protocol import Json
from bot.shapes import KINDS, is_random, reads_like_text

#: Deeper than this nothing is shown; such a call has no canonical text either (reliability.md §6.2.8).
DEEPEST = 64
TOO_DEEP = f"‹hidden: nested deeper than {DEEPEST} levels›"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What counts as secret here: the names and kinds of this page, and what the operator adds."""

    names: tuple[str, ...] = ()  #: more names for keys: `employee number`, in any spelling
    shapes: tuple[re.Pattern[str], ...] = ()  #: more shapes; a group `secret` narrows what is replaced

    def redact(self, value: Json) -> Json:
        """A copy with every secret replaced; keys in their order, and no key lost."""
        return _copy(value, self, names=_names(self.names), secret=False, depth=0)

    def text(self, text: str) -> str:
        """Free text (a note, an alert) with every secret replaced by the length of it."""
        shown: list[str] = []
        end = 0
        for start, stop in _merged(self._found(text)):
            shown += text[end:start], _marker(text[start:stop])
            end = stop
        return "".join((*shown, text[end:]))

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        for kind in KINDS:
            yield from map(_span, kind.found_in(text))
        for shape in self.shapes:
            yield from map(_span, shape.finditer(text))
        if text.lstrip()[:1] in ("{", "["):
            yield from _below_names(text, _names(self.names))


def is_secret_name(key: str, *, names: Iterable[str] = ()) -> bool:
    """Whether what stands under this key is a secret; case, `-_. ` and camelCase make no difference."""
    return _is_secret(_words(key), _names(tuple(names)))


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MARKER = re.compile(r"‹redacted \d+ chars?(?: of text)?›")
#: A member of an object in JSON text, whole or cut. Each repeat has a bound or keeps what it took.
_MEMBER = re.compile(
    r'(?<!\\)"(?P<name>(?:[^"\\\n]|\\.){1,100}+)"\s{0,64}:\s{0,64}'
    r'(?:"(?P<text>(?:[^"\\]|\\.)*+)|(?P<number>-?\d[\w.+-]*+))',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    words: frozenset[tuple[str, ...]]
    longest: int  #: of the names, in words


def _copy(value: Json, redaction: Redaction, *, names: _Names, secret: bool, depth: int) -> Json:
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return TOO_DEEP
    if isinstance(value, list):
        return [_copy(v, redaction, names=names, secret=secret, depth=depth + 1) for v in value]
    if isinstance(value, dict):
        copy: dict[str, Json] = {}
        for key, inner in value.items():
            words = _words(key)
            below = secret or _is_secret(words, names)
            shown = _free(redaction.text(key), copy)
            if isinstance(inner, str) and _is_random_key(words, inner):
                below = True
            copy[shown] = _copy(inner, redaction, names=names, secret=below, depth=depth + 1)
        return copy
    if value is None or isinstance(value, bool):
        return value
    written = value if isinstance(value, str) else repr(value)
    if secret:
        return value if not written or _MARKER.fullmatch(written) else _marker(written)
    text = redaction.text(written)
    return value if text == written else text


def _below_names(text: str, names: _Names) -> Iterator[tuple[int, int]]:
    """In JSON that came as text, maybe cut: the values under the names of secrets."""
    for member in _MEMBER.finditer(text):
        group = "text" if member["number"] is None else "number"
        value, words = member[group], _words(_unescaped(member["name"]))
        if not value or _MARKER.fullmatch(value):
            continue
        if _is_secret(words, names) or _is_random_key(words, value):
            yield member.span(group)


def _unescaped(name: str) -> str:
    try:
        return str(json.loads(f'"{name}"', strict=False)) if "\\" in name else name
    except ValueError:
        return name


def _is_random_key(words: tuple[str, ...], value: str) -> bool:
    return bool(words) and words[-1] in ("key", "keys", "tokens") and is_random(value)


def _free(key: str, taken: dict[str, Json]) -> str:
    """The key, numbered when redaction has made it equal to one before: none may vanish."""
    number, free = len(taken), key
    while free in taken:
        number, free = number + 1, f"{key} ({number + 1})"
    return free


@lru_cache(maxsize=16)
def _names(extra: tuple[str, ...]) -> _Names:
    words = frozenset(filter(None, map(_words, (*NAMES.split(", "), *extra))))
    return _Names(words=words, longest=max(map(len, words)))


def _words(key: str) -> tuple[str, ...]:
    spaced = _HUMP.sub(" ", unicodedata.normalize("NFKC", key)).lower()
    words = re.findall(r"[^\W_]+", spaced)
    return tuple(word.rstrip("0123456789") or word for word in words)


def _is_secret(words: tuple[str, ...], names: _Names) -> bool:
    if words and _ENDING.search(words[-1]):
        return True
    about = bool(words) and _ABOUT.fullmatch(words[-1]) is not None and words[-2:] not in _SECRET_IDS
    return any(
        words[start:end] in names.words and not (about and end < len(words))
        for start in range(len(words))
        for end in range(start + 1, min(start + names.longest, len(words)) + 1)
    )


def _marker(hidden: str) -> str:
    many = f"{len(hidden)} char{'s' if len(hidden) != 1 else ''}"
    return f"‹redacted {many}{' of text' if reads_like_text(hidden) else ''}›"


def _span(match: re.Match[str]) -> tuple[int, int]:
    return match.span("secret") if match.groupdict().get("secret") is not None else match.span()


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans in order, those that touch or overlap as one."""
    start = end = 0
    for first, last in sorted(spans):
        if first > end:
            if end > start:
                yield start, end
            start = first
        end = max(end, last) if first <= end else last
    if end > start:
        yield start, end
