"""The names of secrets: which keys say that their value must not be shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from bot.secrets.readable import Sort
from bot.spelling import skeleton, without_hidden

#: The names of secrets that people choose or type, in words. A key matches if it has all of them, in a row.
CHOSEN = (
    "auth pass, contraseña, cvc, cvv, db pass, haslo, kennwort, losenord, mdp, mfa code, mot de passe, "
    "otp, parola, pass, passcode, passphrase, passwd, password, passwords, passwort, pin, psk, pw, pwd, root "
    "pass, security code, senha, sifre, smtp pass, ssn, totp, user pass, verification code, wachtwoord, "
    "пароль, パスワード, 暗証番号, 密码, 密碼, 비밀번호"
)
#: The names of secrets that machines make: never words.
MADE = (
    "access key, access token, access tokens, account key, api key, api keys, api secret, api token, api "
    "tokens, apikey, auth, auth key, auth token, auth tokens, authorization, backup codes, bearer, client "
    "key data, client secret, consumer key, consumer secret, cookie, cookies, credential, credentials, "
    "creds, csrf, encryption key, jwt, kubeconfig, master key, mnemonic, private key, private keys, "
    "recovery codes, recovery key, recovery phrase, sas token, secret, secret key, secrets, seed phrase, "
    "service account key, session, session key, set cookie, shared key, signing key, ssh key, storage "
    "key, token, tokens secret, wallet seed, webhook secret, xsrf"
)
#: Names that mean a secret as often as something else: a value that looks random under them is one.
MAYBE = (
    "assertion, code, code verifier, connection string, conn string, connection uri, connection url, "
    "database uri, database url, db uri, db url, device code, dsn, hmac, key, keys, license key, license, "
    "nonce, passkey, saml, saml response, samlresponse, saml request, samlrequest, saml assertion, seed, "
    "sig, signature, signatures, state, ticket, tokens"
)
#: The last word of keys that describe a secret and are none: `token_count`, `password_policy`.
_ABOUT = re.compile(
    "age|algorithm|budget|command|comment|cost|counts?|created|description|dir|directory|duration|enabled|endpoint"
    "|expir(?:ed|es|ation|y)|fd|file|filename|format|host|hostname|ids?|index|issuer|kind|label|length|len|limits?|max"
    "|method|min|mode|names?|path|polic(?:y|ies)|port|price|provider|reason|region|required|rotation|scheme|scopes?"
    "|server|size|status|stdin|strategy|title|total|ttl|types?|ur[il]s?|usage|used|user|username|valid|version|window"
)
#: ... unless the id is the secret: a session's id gives access to the session; AppRole has a `secret_id`.
_SECRET_IDS = frozenset({("session", "id"), ("session", "ids"), ("secret", "id")})
#: Words after a password's name that keep it one: `password_confirmation`, `passwordNew`.
_SAME = re.compile(
    "again|box|confirm(?:ation|ed)?|current|field|input|new|old|plain|prev(?:ious)?|repeat|retype|text|value|verify"
)
#: Secrets written in one word with what comes before them: `dbpassword`, `PGPASSWORD`.
_ENDING = re.compile(
    "(?:(?P<chosen>password|passwd|passphrase|passwort|(?:admin|db|key|mail|require|root|smtp|ssh|store|user)pass)|clientsecret|sessionid|apikey"
    "|(?:secret|private|access)key|(?:auth|access|refresh|api|session|id)token)$"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: Keys longer than this are texts, not names.
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Names:
    """The names to look for, each as its words."""

    words: dict[tuple[str, ...], Sort]
    own: frozenset[tuple[str, ...]]  #: the operator's
    longest: int  #: of the names, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a key says about the value under it."""

    sort: Sort | None = None  #: None: nothing
    own: bool = False  #: whether the operator's own file says so


NOTHING = Named()


def is_secret_name(key: str, *, names: Iterable[str] = ()) -> bool:
    """Whether the value of this key is a secret; case, `-_. `, camelCase and look-alikes do not matter."""
    return named(key, names_of(tuple(names))).sort in (Sort.CHOSEN, Sort.MADE)


@lru_cache(maxsize=16)
def names_of(extra: tuple[str, ...]) -> Names:
    """The names of this page, and an operator's own."""
    words: dict[tuple[str, ...], Sort] = {}
    for listed, sort in ((MAYBE, Sort.MAYBE), (MADE, Sort.MADE), (CHOSEN, Sort.CHOSEN)):
        words |= dict.fromkeys(map(words_of, listed.split(", ")), sort)
    own = frozenset(filter(None, map(words_of, extra)))
    words |= dict.fromkeys(own, Sort.CHOSEN)
    return Names(words=words, own=own, longest=max(map(len, words)))


@lru_cache(maxsize=4_096)
def named(key: str, names_known: Names, *, within: str = "") -> Named:
    """What a key says; `within` is the key of the object around it: `api: {key: …}` is an `api_key`."""
    if len(key) > LONGEST_NAME:
        return NOTHING
    found = NOTHING
    for words in dict.fromkeys((words_of(key), words_of(skeleton(key)))):
        found = _stronger(found, _named(words, names_known))
        if within and words and found.sort in (None, Sort.MAYBE) and len(within) <= LONGEST_NAME:
            around = words_of(skeleton(within))
            found = _stronger(found, _together(around, words, names_known))
    return found


def sort_of(name: str) -> Sort | None:
    """Who makes the value after this name in a text; the operator's names apply to keys only."""
    return named(name, names_of(())).sort


def _named(words: tuple[str, ...], names: Names) -> Named:
    """Whether these words of a key name a secret, rather than describe one."""
    while words and words[-1].isdigit():
        words = words[:-1]
    if not words:
        return NOTHING
    about = _ABOUT.fullmatch(words[-1]) is not None and words[-2:] not in _SECRET_IDS
    found = NOTHING
    for start in range(len(words)):
        for end in range(start + 1, min(start + names.longest, len(words)) + 1):
            sort = names.words.get(words[start:end])
            if sort is None or (about and end < len(words)):
                continue
            if sort is Sort.MAYBE and end < len(words):
                continue
            if sort is Sort.CHOSEN and not all(map(_SAME.fullmatch, words[end:])):
                sort = Sort.MADE
            found = _stronger(found, Named(sort=sort, own=words[start:end] in names.own))
    if ending := _ENDING.search(words[-1]):
        found = _stronger(found, Named(sort=Sort.CHOSEN if ending["chosen"] else Sort.MADE))
    return found


def _together(around: tuple[str, ...], words: tuple[str, ...], names: Names) -> Named:
    """A name with one part in the key of the object, and the rest in the key inside it."""
    for count in range(1, min(len(around), names.longest - 1) + 1):
        whole = (*around[-count:], *words)
        if whole in _SECRET_IDS:
            return Named(sort=Sort.MADE)
        if sort := names.words.get(whole):
            return Named(sort=sort, own=whole in names.own)
    return NOTHING


_STRENGTH = {None: 0, Sort.MAYBE: 1, Sort.MADE: 2, Sort.CHOSEN: 3, Sort.SHAPE: 3}


def _stronger(one: Named, other: Named) -> Named:
    if one.own != other.own:
        return one if one.own else other
    return other if _STRENGTH[other.sort] > _STRENGTH[one.sort] else one


@lru_cache(maxsize=8_192)
def words_of(key: str) -> tuple[str, ...]:
    """A key's words in small letters, without the numbers at their ends."""
    spaced = _HUMP.sub(" ", without_hidden(key)).lower()
    words = re.findall(r"[^\W_]+", spaced)
    return tuple(word.rstrip("0123456789") or word for word in words)
