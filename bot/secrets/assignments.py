"""Names and values in running text: assignments, XML, pairs, password files. Pure.

A name says that what follows is a secret; the notation between the two differs. Each takes time linear
in the length of the text, as in `bot.secrets.shapes`.
"""

from __future__ import annotations

import re

from bot.secrets.names import sort_of
from bot.secrets.readable import Sort, is_no_secret, is_opaque, is_random, reads_like_text
from bot.secrets.schemes import ASSIGNED, SCHEME, Q, by_parameter, chosen
from bot.secrets.shapes import BEGINS, Kind, made

_NAMED = (
    r"(?P<stem>(?:(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z])|(?<=\\[nrt]))"
    r"(?i:passcode|passwort|pwd|(?<=[_-])pass|pass(?==)|(?<=[_-])pw|pw(?=[ \t]{0,4}=)|psk|(?<=_)auth(?==)|"
    r"token|credentials?|mnemonic|seed[ _-]phrase|"
    r"(?:api|access|private|secret|account|signing|encryption|master|auth|client|sharedaccess)[ _-]?"
    r"(?:key|token|secret)(?:[ _-]?(?:id|data))?)"
    r"|(?i:password|passwd|passphrase|secret|apikey|authtoken|accesstoken|(?<=[a-z])pwd|sshpass(?==)|"
    r"p[\u0430a][s\u0455]{2}w[o\u043e]rd)|[\uff41-\uff5a]{4,20})\d{0,3})"
)
#: A part of each of those names, in small letters, with the letters beyond ASCII that look like it.
_STEMS = (
    "pass", "pwd", "pw=", "pw ", "_pw", "-pw", "psk", "_auth",
    "token", "credential", "mnemonic", "seed", "secret",
    "\u0430ss", "\u0455",
    *(f"key{after}" for after in ("=", ":", " ", '"', "'", "\\", "_", "-", "1", "2", "i", "d")),
    "p\u0430", "\u043e", *map(chr, range(0xFF41, 0xFF5B)),
)  # fmt: skip
VALUE = (
    r"""(?:\\{0,7}["'])?(?P<secret>(?!‹redacted )(?:(?<=\\")(?:(?!\\{1,7}").)+"""
    r"""|(?<=")(?:[^"\\\n]|\\.)+|(?<=')[^'\n]+"""
    r"""|(?<!["'])(?!\\{1,7}["'])[^\s"'&;,<>‹›]+))"""
)
#: Characters before a name that belong to it: `PG` of `PGPASSWORD`.
_LONGEST_BEFORE = 60
_BEFORE = re.compile(r"(?:\\[nrt])?(?P<name>[\w.$@-]*)\Z")
_IN_AN_ADDRESS = re.compile(r"://[\w.~%+-]*\Z")
_IN_AN_ARN = re.compile(r"arn:aws[\w-]*:[\w:-]*\Z")
#: What a program assigns: a name, a call, a type; unquoted, it is not a secret but code to read.
_PROGRAM = re.compile(r"[A-Za-z_][\w.]*[(\[].*|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def of_its_name(match: re.Match[str]) -> Sort:
    return sort_of(_whole_name(match)) or Sort.MADE


def _whole_name(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if (name := groups.get("name")) is not None:
        return name
    start, text = match.start(), match.string
    before = _BEFORE.search(text[max(0, start - _LONGEST_BEFORE) : start]) if start else None
    return f"{before['name'] if before else ''}{groups['stem']}{groups.get('more') or ''}"


def _is_value(match: re.Match[str]) -> bool:
    """Whether the assigned value is a secret, rather than code that computes one, or its type."""
    secret, sort = match["secret"], of_its_name(match)
    if _IN_AN_ARN.search(match.string[max(0, match.start() - _LONGEST_BEFORE) : match.start()]):
        return False  # the name of a secret
    start = match.start("secret")
    if "@" in secret and _IN_AN_ADDRESS.search(
        match.string[max(0, match.start() - _LONGEST_BEFORE) : match.start()]
    ):
        return False  # the name of a user, or a password in an address
    if is_no_secret(secret.rstrip(").,"), sort=sort):
        return False
    if match.string[max(0, start - 1) : start] in ("'", '"'):
        return True
    if _PROGRAM.fullmatch(secret) or (
        sort is not Sort.CHOSEN and re.fullmatch(r"[A-Za-z_|.?-]{1,24}[)\]}:.?]*", secret)
    ):
        return False
    return not (sort is Sort.CHOSEN and (secret.strip("|?)]}:.").lower() in _TYPES))


def _in_a_longer_name(match: re.Match[str]) -> bool:
    """Whether the words after the name keep it the name of a secret: those of `token_count` do not."""
    return sort_of(_whole_name(match)) in (Sort.CHOSEN, Sort.MADE) and _is_value(match)


_TYPES = frozenset(
    ("str", "string", "text", "bytes", "any", "bool", "boolean", "int", "required", "optional", "securestring")
)


def _under_its_name(match: re.Match[str]) -> bool:
    sort = sort_of(match["name"])
    if sort is Sort.MAYBE:
        return is_opaque(match["secret"])
    return sort is not None and not is_no_secret(match["secret"].strip(), sort=sort)


def _random(match: re.Match[str]) -> bool:
    return is_random(match["secret"])


#: Every way to write a name and its value; to add one, add a row and a planted example.
ASSIGNMENTS: tuple[Kind, ...] = (
    Kind(
        name="assignment",
        shape=re.compile(_NAMED + ASSIGNED + VALUE),
        holds=_is_value,
        sort=of_its_name,
        needs=_STEMS,
    ),
    Kind(
        name="assignment to a longer name",  # `DB_PASSWORD_OLD=`, `SECRET_KEY_BASE:`
        shape=re.compile(_NAMED + r"(?P<more>(?:[_-][A-Za-z0-9]{1,20}){1,3})" + ASSIGNED + VALUE),
        holds=_in_a_longer_name,
        sort=of_its_name,
        needs=_STEMS,
    ),
    Kind(
        name="assignment of a shell without a sign",
        shape=re.compile(
            BEGINS
            + r"(?i:setx|setenv|set -[a-z]{0,4}x[a-z]{0,4})[ \t]{1,8}(?P<name>[A-Za-z_]\w{1,60})[ \t]{1,8}"
            + VALUE
        ),
        holds=_under_its_name,
        sort=by_parameter,
        needs=("setx", "setenv", "set -"),
        of_lines=True,
    ),
    Kind(
        name="assignment, percent-encoded",
        shape=re.compile(
            _NAMED + r"(?:%22|%27)?%3[ADad](?:%20|\+)?(?:%22|%27)?"
            r"(?P<secret>(?:[^\s%&\"'<>;‹›]|%(?!2[2C67]|7[Dd])[0-9A-Fa-f]{2})+)"
        ),
        needs=("%3d", "%3a"),
        sort=of_its_name,
    ),
    Kind(
        name="password in a sentence",
        needs=("password is", "passphrase is", "passcode is", "pwd is", "pin is"),
        shape=re.compile(
            BEGINS + r"(?i:(?:password|passphrase|passcode|pwd|pin) is:?)[ \t]{1,8}[\"']?"
            r"(?P<secret>(?=\S{0,64}[\d!@#$%^&*])[^\s\"',;‹›]{4,})"
        ),
        sort=chosen,
    ),
    Kind(
        name="one-time code",
        needs=("pin", "otp", "cvv", "cvc", "mfa code", "2fa code"),
        shape=re.compile(
            BEGINS
            + r"(?i:pin|otp|totp|cvv|cvc|mfa code|2fa code)"
            + ASSIGNED
            + r"[\"']?(?P<secret>\d[\d -]{1,10}\d)"
        ),
        sort=chosen,
    ),
    Kind(
        name="XML element",
        needs=("<",),
        shape=re.compile(
            r"<(?:\w{1,30}:)?(?P<name>[A-Za-z][\w.-]{0,60})(?:\s[^<>]{0,300})?>\s{0,64}(?:<!\[CDATA\[)?"
            r"(?P<secret>(?![\s‹])[^<>‹\]]{1,8192})"
        ),
        holds=_under_its_name,
        sort=by_parameter,
    ),
    Kind(
        name="XML element of a name",
        needs=("<",),
        shape=re.compile(
            rf"<[\w:.-]{{1,60}}\s[^<>]{{0,200}}?(?:key|name|id)={Q}"
            rf"(?P<name>[\w.@ -]{{1,80}}){Q}[^<>/]{{0,100}}>"
            r"\s{0,64}(?:<value>)?(?P<secret>(?![\s‹])[^<>‹]{1,4096})"
        ),
        holds=_under_its_name,
        sort=by_parameter,
    ),
    Kind(
        name="name and value",
        needs=("val", "content", "default"),
        shape=re.compile(
            rf"(?i:name|key|field|header|variable|type){Q}\s{{0,16}}[:=]\s{{0,16}}{Q}"
            rf"(?P<name>[\w.@/ -]{{1,80}}){Q}"
            rf"(?:[ \t]{{0,8}},[\s]{{0,64}}|[ \t]{{0,8}}\n[ \t-]{{0,64}}|[ \t]{{1,8}}){Q}"
            rf"(?i:value|val|content|default){Q}\s{{0,16}}[:=]\s{{0,16}}(?:\\{{0,7}}(?P<quote>[\"']))?"
            r"(?P<secret>(?!‹redacted )(?(quote)(?:(?!\\{0,7}(?P=quote)).){1,4096}+"
            r"|[^\s\"'&;,<>‹›{\[]{1,4096}+))"
        ),
        holds=_under_its_name,
        sort=by_parameter,
    ),
    Kind(
        name="pair of a list",
        needs=("[", "("),
        shape=re.compile(
            r"[\[(]\s{0,16}\\{0,7}[\"'](?P<name>[\w-]{1,60})\\{0,7}[\"'],\s{0,16}\\{0,7}(?P<quote>[\"'])"
            rf"(?:{SCHEME} )?(?P<secret>(?!‹redacted )(?:(?!\\{{0,7}}(?P=quote)).){{1,4096}}+)"
            rf"\\{{0,7}}[\"']\s{{0,16}}[\])]"
        ),
        holds=lambda match: _under_its_name(match) and not reads_like_text(match["secret"]),
        sort=by_parameter,
    ),
    Kind(
        name="XML elements of a name and a value",
        needs=("</key>", "</name>"),
        shape=re.compile(
            r"<(?P<tag>key|name)>\s{0,8}(?P<name>[\w. -]{1,80})\s{0,8}</(?P=tag)>\s{0,64}"
            r"<(?:string|value|data)>\s{0,64}(?P<secret>(?![\s‹])[^<>‹]{1,4096})"
        ),
        holds=_under_its_name,
        sort=by_parameter,
    ),
    Kind(
        name="password in SQL",
        needs=("password", "identified"),
        shape=re.compile(
            r"(?i:password(?:\s{1,4}for\s{1,4}\S{1,64}\s{1,4}=)?|identified\s{1,4}by(?:\s{1,4}password)?)\s{1,4}"
            r"(?P<quote>['\"])(?P<secret>(?!‹redacted )(?:(?!(?P=quote))[^\n]){1,512}+)(?P=quote)"
        ),
        sort=chosen,
    ),
    Kind(
        name=".netrc",
        needs=("login",),
        shape=re.compile(r"(?<!\S)login\s{1,16}\S{1,128}\s{1,16}password\s{1,16}(?P<secret>[^\s‹›]{1,512})"),
        sort=chosen,
    ),
    Kind(
        name=".pgpass",
        needs=(":*:", ":5432:", ":6432:", ":5433:"),
        shape=re.compile(
            r"(?m:^)[\w.*/-]{1,128}:(?:\d{4,5}|\*):[\w*-]{1,64}:[\w*-]{1,64}:(?P<secret>[^\s‹›:]{1,256})(?m:$)"
        ),
        sort=chosen,
    ),
    Kind(
        name="random value behind a word",
        needs=("key", "secret", "token", "password", "credential", "cookie", "salt"),
        shape=re.compile(
            r"(?i:(?:key|secret|token|password|credential|cookie|salt)s?)(?i:[ \t]{1,4}(?:is|was|value))?"
            r"[\"'\s:=>(`]{1,6}(?:base64:)?"
            r"(?P<secret>[\w+/-]{32,}+={0,2})"
        ),
        holds=_random,
        sort=made,
    ),
)
