"""Passwords on command lines, behind long and short flags. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.assignments import VALUE, of_its_name
from bot.readable import Sort
from bot.schemes import chosen, some_value
from bot.secret_names import sort_of
from bot.shapes import Kind

#: The programs that take a password behind a short flag, and which.
SHORT_FLAGS = {
    **dict.fromkeys(
        ("sshpass", "docker", "podman", "nerdctl", "mongo", "mongosh", "mongodump", "mongorestore"), "-p"
    ),
    **dict.fromkeys(
        ("az", "cf", "psexec", "cqlsh", "oc", "helm", "twine", "ldapvi", "tsm", "kafkacat", "expect"), "-p"
    ),
    **dict.fromkeys(("ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldapwhoami", "ldappasswd"), "-w"),
    **dict.fromkeys(
        ("zip", "unzip", "sqlcmd", "bcp", "osql", "ipmitool", "mosquitto_pub", "mosquitto_sub"), "-P"
    ),
    **dict.fromkeys(("plink", "pscp", "psftp", "putty"), "-pw"),
    "redis-cli": "-a",
}
_PROGRAMS = "|".join(sorted(SHORT_FLAGS, key=len, reverse=True))


#: Of these only when they log in: else `-p` is a port.
_LOGGING_IN = frozenset(("az", "cf", "docker", "helm", "nerdctl", "oc", "podman"))


def short_flag_of(program: str, words: Iterable[object]) -> str | None:
    """The flag behind which this program takes a password, among these words of its command line.

    A path before its name does not matter.
    """
    name = _name_of(program)
    return SHORT_FLAGS.get(name) if name not in _LOGGING_IN or "login" in words else None


#: Flags behind which curl takes a user and a password, and the programs that take a password joined to `-p`.
_CURLS = frozenset(("-u", "--user", "-U", "--proxy-user"))
_JOINED = re.compile(r"(?:mysql(?:dump|admin|import|show)?|mariadb(?:-dump|-admin)?|7za?|7zr)")


def is_password_of(program: str, before: object, item: object) -> bool:
    """Whether an item of a command line is a password by itself: `ann:…` behind curl's `-u`, MySQL's `-p…`."""
    if not isinstance(item, str):
        return False
    name = _name_of(program)
    if name == "curl":
        return before in _CURLS and ":" in item
    return len(item) > 2 and item.startswith("-p") and _JOINED.fullmatch(name) is not None


def _name_of(program: str) -> str:
    """The name of a program, whatever path is before it."""
    return re.split(r"[\\/]", program.strip())[-1].removesuffix(".exe").lower()


def _short(match: re.Match[str]) -> bool:
    words = match.string[match.start() : match.start("secret")].split()
    flag = short_flag_of(words[0], words)
    return flag is not None and words[-1].strip("\"'").startswith(flag)


#: Every way to give a password to a program; to add one, add a line and a planted example.
FLAGS: tuple[Kind, ...] = (
    Kind(
        name="command-line flag",
        shape=re.compile(rf"--(?<!---)(?P<name>[A-Za-z][\w-]{{1,60}}+)[ \t]{{1,8}}(?!-){VALUE}"),
        holds=lambda match: sort_of(match["name"]) in (Sort.CHOSEN, Sort.MADE) and some_value(match),
        sort=of_its_name,
        needs=("--",),
    ),
    Kind(
        name="long flag with one dash",
        needs=("-pass", "-storepass", "-keypass", "-srcstorepass", "-deststorepass"),
        shape=re.compile(
            r"(?<!\S)-(?i:passin|passout|pass|password|storepass|keypass|srcstorepass|deststorepass)"
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
