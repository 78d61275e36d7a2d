"""Secrets on command lines, in a text or as a list, and in separate fields for name and value. Pure.

`{"name": "DB_PASSWORD", "value": …}`, `["Authorization", …]`, `["mysql", "--password", …]`: the name of a
secret is a value here, and the secret itself is beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

from bot.protocol import Json
from bot.secrets.assignments import VALUE, of_its_name
from bot.secrets.names import LONGEST_NAME, NOTHING, Named, Names, named, sort_of, words_of
from bot.secrets.readable import Sort, reads_like_text
from bot.secrets.schemes import chosen, some_value
from bot.secrets.shapes import Kind

#: The programs that take a password after a short flag, and the flag.
SHORT_FLAGS = {
    **dict.fromkeys(
        ("sshpass", "docker", "podman", "nerdctl", "mongo", "mongosh", "mongodump", "mongorestore"), "-p"
    ),
    **dict.fromkeys(
        (
            "az",
            "cf",
            "crackmapexec",
            "evil-winrm",
            "netexec",
            "nxc",
            "psexec",
            "cqlsh",
            "oc",
            "helm",
            "twine",
            "ldapvi",
            "tsm",
            "kafkacat",
            "expect",
        ),
        "-p",
    ),
    **dict.fromkeys(("ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldapwhoami", "ldappasswd"), "-w"),
    **dict.fromkeys(
        ("zip", "unzip", "sqlcmd", "bcp", "osql", "ipmitool", "mosquitto_pub", "mosquitto_sub"), "-P"
    ),
    **dict.fromkeys(("plink", "pscp", "psftp", "putty"), "-pw"),
    "redis-cli": "-a",
}
_PROGRAMS = "|".join(sorted(SHORT_FLAGS, key=len, reverse=True))


#: These take one only to log in: else `-p` is a port.
_LOGGING_IN = frozenset(("az", "cf", "docker", "helm", "nerdctl", "oc", "podman"))


def short_flag_of(program: str, words: Iterable[object]) -> str | None:
    """The flag after which this program takes a password, among these words of its command line.

    A path before the program's name does not matter.
    """
    name, words = _name_of(program), list(words)
    deps = name not in _LOGGING_IN or "login" in words or (name == "az" and "-u" in words)
    return SHORT_FLAGS.get(name) if deps else None


#: The programs that take a password joined to `-p`.
_JOINED = re.compile(r"(?:mysql(?:dump|admin|import|show)?|mariadb(?:-dump|-admin)?|7za?|7zr)")

#: Oracle's programs take both in one word: `shop/…@db`.
_ORACLES = frozenset(("expdp", "impdp", "rman", "sqlcl", "sqlldr", "sqlplus"))
_USER_AND_PASSWORD = re.compile(r"(?:userid=)?[A-Za-z][\w$#.-]{0,63}/[^\s/@]+(?:@.*)?")


def is_password_of(program: str, item: object) -> bool:
    """Whether an item of a command line contains its own password, such as MySQL's `-p…`."""
    if not isinstance(item, str):
        return False
    name = _name_of(program)
    if name in _ORACLES:
        return _USER_AND_PASSWORD.fullmatch(item) is not None
    return len(item) > 2 and item.startswith("-p") and _JOINED.fullmatch(name) is not None


def _name_of(program: str) -> str:
    """The name of a program without its path."""
    return re.split(r"[\\/]", program.strip())[-1].removesuffix(".exe").lower()


def is_secret_of_a_flag(flag: str, value: str) -> bool:
    """Whether what follows a long flag is a secret, and not the name of one: `--secret-id prod/db`."""
    sort = sort_of(flag)
    names_one = (
        sort is Sort.MADE and reads_like_text(value) and (flag.endswith("-id") or sort_of(value) is not None)
    )
    return sort in (Sort.CHOSEN, Sort.MADE) and not names_one


def _is_batch(item: Json) -> bool:
    """Whether it is the flag with which the last word of htpasswd is the password."""
    return isinstance(item, str) and re.fullmatch(r"-[A-Za-z]{0,7}b[A-Za-z]{0,7}", item) is not None


def _short(match: re.Match[str]) -> bool:
    words = match.string[match.start() : match.start("secret")].split()
    flag = short_flag_of(words[0], words)
    return flag is not None and words[-1].strip("\"'").startswith(flag)


#: Every way to give a password to a program; to add one, add a row and a planted example.
FLAGS: tuple[Kind, ...] = (
    Kind(
        name="command-line flag",
        shape=re.compile(rf"--(?<!---)(?P<name>[A-Za-z][\w-]{{1,60}}+)[ \t]{{1,8}}(?!-){VALUE}"),
        holds=lambda match: is_secret_of_a_flag(match["name"], match["secret"]) and some_value(match),
        sort=of_its_name,
        needs=("--",),
    ),
    Kind(
        name="long flag with one dash",
        needs=("-pass", "-storepass", "-keypass", "-srcstorepass", "-deststorepass"),
        shape=re.compile(
            r"(?<!\S)-(?i:passin|passout|passwd|pass|password|storepass|keypass|srcstorepass|deststorepass)"
            r"[ \t]{1,8}(?:pass:)?(?P<secret>(?!(?:file|env|fd|stdin)\b|pass:‹)[^\s\"'‹›-][^\s\"'‹›]*)"
        ),
        holds=some_value,
        sort=chosen,
    ),
    Kind(
        name="short flag",
        needs=(" -p", " -w", " -a"),
        shape=re.compile(
            rf"(?<![\w-])(?:{_PROGRAMS})(?:\.exe)?(?= )(?![\w-])[^\n|;&]{{0,160}}?[ \t]"
            r"(?:(?<=[ \t])-(?:pw|[pwPa])[ \t]{0,4})[\"']?(?P<secret>[^\s\"'‹›-][^\s\"'‹›]*)"
        ),
        holds=lambda match: _short(match) and some_value(match),
        sort=chosen,
    ),
    Kind(
        name="password of MySQL's programs",
        needs=("mysql", "mariadb"),
        shape=re.compile(
            r"(?<![\w-])(?:mysql(?:dump|admin|import|show)?|mariadb(?:-dump|-admin)?)(?= )[^\n|;&]{0,160}?"
            r"[ \t]-p[\"']?(?P<secret>[^\s\"'‹›-][^\s\"'‹›]*)"
        ),
        holds=some_value,
        sort=chosen,
    ),
    Kind(
        name="curl credentials",
        needs=("-u", "--user"),
        shape=re.compile(
            r"(?<!\S)(?:-u|--user)[ \t]{0,4}[\"']?(?!\d{1,9}:\d{1,9}(?![^\s,;\"']))"
            r"[^\s:\"']{1,256}:(?!//)(?P<secret>[^\s\"'‹›]+)"
        ),
        holds=some_value,
        sort=chosen,
    ),
)


#: Keys whose value is the name of something.
_NAMING = frozenset((
    "attribute", "element", "env", "field", "header", "headername", "input", "k", "key", "label", "locator",
    "name", "option", "param", "parameter", "parameterkey", "parametername", "placeholder", "property", "ref",
    "selector", "setting", "target", "type", "var", "variable", "variablename",
))  # fmt: skip
#: Keys whose value belongs to that name.
_VALUES = frozenset((
    "content", "contents", "currentvalue", "data", "default", "defaultvalue", "newvalue", "oldvalue", "v",
    "val", "parametervalue", "plaintext", "current", "previous", "old", "new", "plain", "raw", "string",
    "stringvalue", "text", "value", "valuestring", "values",
))  # fmt: skip
#: Keys whose value is a command, with its arguments in a separate list.
_COMMANDS = frozenset(("bin", "binary", "cmd", "command", "entrypoint", "exe", "executable", "path", "program"))
_FLAG = re.compile(r"(-{1,2})([A-Za-z][\w.-]{0,60})")
#: Long flags with one dash, of Java's and OpenSSL's programs, are names; `-p` is not.
_SHORTEST_NAME = 4


def is_holder(key: str) -> bool:
    """Whether a key only says that it holds a value."""
    return "".join(words_of(key)) in _VALUES or key in ("#text", "$", "_", "$t")


def named_beside(fields: Mapping[str, Json], names: Names) -> Named:
    """What the fields of an object say about its field that holds the value."""
    found = NOTHING
    if not any(map(is_holder, fields)):
        return found
    for key, value in fields.items():
        if isinstance(value, str) and len(value) <= LONGEST_NAME and "".join(words_of(key)) in _NAMING:
            beside = named(value, names)
            if beside.sort is not None and (found.sort is None or found.sort is Sort.MAYBE):
                found = beside
    return found


def program_of(fields: Mapping[str, Json]) -> str | None:
    """The program that an object's list of arguments is for."""
    for key, value in fields.items():
        if isinstance(value, str) and key.lower() in _COMMANDS and value:
            return value.split()[0] if value.split() else None
    return None


def are_pairs(items: list[Json]) -> bool:
    """Whether it is a list of names, each with its value."""
    return bool(items) and all(
        isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) for item in items
    )


def named_in_list(items: list[Json], names: Names, *, program: str | None) -> dict[int, Named]:
    """What the items of a list say about the items that follow them, by the position of these."""
    found: dict[int, Named] = {}
    first = items[0] if items and isinstance(items[0], str) else ""
    flag = short_flag_of(first, items) or short_flag_of(program or "", items)
    for place, (item, after) in enumerate(pairwise(items), start=1):
        if not isinstance(item, str) or not isinstance(after, str | int | float) or len(item) > LONGEST_NAME:
            continue
        if flag is not None and item == flag:
            found[place] = Named(sort=Sort.CHOSEN)
        elif (match := _FLAG.fullmatch(item)) and not str(after).startswith("-"):
            long = match[1] == "--" or len(match[2]) >= _SHORTEST_NAME
            is_one = long and is_secret_of_a_flag(match[2], str(after))
            found[place] = (
                named(match[2], names) if is_one or (long and named(match[2], names).own) else NOTHING
            )
    if any(_name_of(name) == "htpasswd" for name in (first, program) if name) and any(map(_is_batch, items)):
        found[len(items) - 1] = Named(sort=Sort.CHOSEN)
    for place, item in enumerate(items):
        if any(is_password_of(name, item) for name in (first, program) if name):
            found[place] = Named(sort=Sort.CHOSEN)
    return {place: one for place, one in found.items() if one.sort not in (None, Sort.MAYBE)}
