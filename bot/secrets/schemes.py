"""How credentials are written in HTTP: Authorization headers, cookies, addresses and their parameters. Pure.

A known scheme and one token are a credential (RFC 9110 §11.4); anything else there is judged as text.
"""

from __future__ import annotations

import base64
import re

from bot.secrets.names import sort_of
from bot.secrets.readable import Sort, is_no_secret, is_opaque, reads_like_text
from bot.secrets.shapes import BEGINS, Kind, made

#: What is between a name and its value, also in a text inside of texts.
ASSIGNED = r"""\\{0,7}["']?[ \t]{0,8}(?::=|=>|={1,3}|:)[ \t]{0,8}"""
#: A quotation mark, or none, in a text inside texts.
Q = r"""\\{0,7}["']?"""
#: The schemes of an Authorization header whose credentials are one token.
SCHEME = (
    r"(?i:bearer|basic|token|api-?key|digest|negotiate|ntlm|sso-key|ssws|bot|key|oauth|genie ?key"
    r"|zoho-oauthtoken|access[-_]?token|splunk|apitoken|jwt)"
)

#: A pair of a cookie; its value can be quoted, and has no white space.
COOKIE = r"""[\w!#%&*+.^~-]{1,256}=(?:"[^\s;"\\‹›]*+"|[^\s;"'\\‹›]*+)"""
_OPAQUE = r"[A-Za-z0-9._~+/=-]"


def chosen(_: re.Match[str]) -> Sort:
    """A person chose it, as far as Nod can tell."""
    return Sort.CHOSEN


def some_value(match: re.Match[str]) -> bool:
    """Whether it is more than a reference to a secret, or a placeholder for one."""
    return not is_no_secret(match["secret"], sort=Sort.MADE)


def by_parameter(match: re.Match[str]) -> Sort:
    """Who made it, by the name in the match."""
    sort = sort_of(match["name"])
    return Sort.MADE if sort in (None, Sort.MAYBE) else sort


def _in_a_url(match: re.Match[str]) -> bool:
    """Whether a parameter's name says secret, or half says so and its value looks like one."""
    sort, secret = sort_of(match["name"]), match["secret"]
    if sort is Sort.MAYBE:
        saml = "saml" in match["name"].lower() and len(secret) >= 40
        return saml or is_opaque(secret, shortest=12)
    return sort is not None and not is_no_secret(secret, sort=sort)


def _opaque(match: re.Match[str]) -> bool:
    return is_opaque(match["secret"])


def credentials_in(word: str) -> str | None:
    """The `user:password` behind Basic authentication's base64 (RFC 7617), which no prose is."""
    word = word.rstrip("=")
    try:
        pair = base64.b64decode(word + "=" * (-len(word) % 4), validate=True)
    except ValueError:
        return None
    return pair.decode("utf-8", "replace") if b":" in pair else None


def is_basic(word: str) -> bool:
    """Whether it is the base64 of a user and a password, and neither reads like text."""
    pair = credentials_in(word)
    if pair is None:
        return False
    user, _, password = pair.partition(":")
    return not any(reads_like_text(part, sort=Sort.CHOSEN) for part in (user, password, pair) if part)


def _credentials(match: re.Match[str]) -> bool:
    return credentials_in(match["secret"]) is not None


def _basic(match: re.Match[str]) -> Sort:
    return Sort.SEALED if is_basic(match["secret"]) else Sort.TEXT


def _scheme(match: re.Match[str]) -> Sort:
    return _basic(match) if match["scheme"].strip().lower() == "basic" else Sort.MADE


#: Every way to write credentials in HTTP; to add one, add a row and a planted example.
SCHEMES: tuple[Kind, ...] = (
    Kind(
        name="bearer token",
        needs=("bearer",),
        shape=re.compile(
            BEGINS + r"(?i:bearer)[ \t]{1,8}"
            rf"(?P<secret>(?={_OPAQUE}{{0,200}}\d){_OPAQUE}{{12,}}|{_OPAQUE}{{24,}})"
        ),
        sort=made,
    ),
    Kind(
        name="token, percent-encoded",
        needs=("%20", "+"),
        shape=re.compile(r"(?:(?<![A-Za-z0-9])|(?<=%20))(?i:bearer|token)(?:%20|\+)(?P<secret>[\w.~-]{16,})"),
        sort=made,
    ),
    Kind(
        name="basic credentials",
        needs=("basic",),
        shape=re.compile(BEGINS + r"(?i:basic)[ \t]{1,8}(?P<secret>[A-Za-z0-9+/]{4,4096}={0,2})"),
        holds=_credentials,
        sort=_basic,
    ),
    Kind(
        name="authorization header",
        needs=("authorization",),
        shape=re.compile(
            rf"(?i:authorization){ASSIGNED}(?:\\?[\"'])?(?P<scheme>{SCHEME})[ \t]{{1,8}}"
            r"(?P<secret>[^\s\"',;‹›]{4,})"
        ),
        holds=some_value,
        sort=_scheme,
    ),
    Kind(
        name="cookie header",
        needs=("cookie",),
        shape=re.compile(
            BEGINS + r"(?i:(?:set-)?cookie)" + ASSIGNED + rf"(?P<secret>{COOKIE}(?:;[ \t]{{0,4}}{COOKIE})*+)"
        ),
        sort=made,
    ),
    Kind(
        name="password in a URL",
        needs=("://",),
        shape=re.compile(r"://[^\s/@:]{0,256}:(?P<secret>[^\s/]{1,1024})@(?=[^\s@])"),
        holds=some_value,
        sort=chosen,
    ),
    Kind(
        name="password in a data source",
        needs=("@tcp(", "@unix("),
        shape=re.compile(r"(?<![\w/])[\w.-]{1,64}:(?P<secret>[^\s@:/]{1,256})@(?:tcp|unix)\("),
        sort=chosen,
    ),
    Kind(
        name="URL parameter",
        needs=("=",),
        shape=re.compile(
            r"(?:(?<=[?&;#])|\A|(?<=[\s\"'])(?=(?i:code|sig|signature|saml\w{3,20})=))(?P<name>[\w.-]{1,60}+)="
            r"(?P<secret>[^&#\s\"'<>;‹›]{1,8192})"
        ),
        holds=_in_a_url,
        sort=by_parameter,
    ),
    Kind(
        name="signature of a request",
        needs=("signature", "hmac"),
        shape=re.compile(
            r"(?i:signature|hmac)(?:-\d{1,3})?"
            + ASSIGNED
            + rf"{Q}(?:[a-z0-9]{{1,8}}=)?(?P<secret>[\w+/%-]{{16,1024}}={{0,2}})"
        ),
        holds=_opaque,
        sort=made,
    ),
)
