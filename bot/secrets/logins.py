"""Passwords by their place: after a user, after a name given earlier, or in a call of a program. Pure.

Covers tools for clouds, databases and networks, and usual lines of Python and similar languages. Each takes
time linear in the length of the text, as in `bot.secrets.shapes`.
"""

from __future__ import annotations

import re

from bot.secrets.assignments import VALUE
from bot.secrets.names import sort_of
from bot.secrets.readable import Sort, is_no_secret, is_opaque
from bot.secrets.schemes import COOKIE, by_parameter, chosen, some_value
from bot.secrets.shapes import Kind, made

#: A word, in quotation marks or bare, that is not a flag or a variable.
_GIVEN = (
    r"(?P<quote>\\{0,3}[\"'])?(?P<secret>(?!‹redacted )(?![-$(])"
    r"(?(quote)[^\"'\\\n‹›]{1,512}+|[^\s\"'|;&<>‹›]{1,512}+))"
)
#: The rest of a command, up to where a word begins.
_TO = r"[^\n|;&]{0,200}?[ \t]"
_WORD = r"[ \t]{1,4}[^\s|;&<>-][^\s|;&<>]{0,255}+"


def _program(names: str) -> str:
    return rf"(?<![\w-])(?:{names})(?:\.exe)?(?=[ \t])"


def _kind(name: str, shape: str, *needs: str) -> Kind:
    return Kind(name=name, shape=re.compile(shape), holds=some_value, sort=chosen, needs=needs)


def _under_its_name(match: re.Match[str]) -> bool:
    sort = sort_of(match["name"])
    if sort is Sort.MAYBE:
        return is_opaque(match["secret"])
    return sort is not None and not is_no_secret(match["secret"], sort=Sort.MADE)


def _named(name: str, shape: str, *needs: str) -> Kind:
    return Kind(name=name, shape=re.compile(shape), holds=_under_its_name, sort=by_parameter, needs=needs)


#: Every tool and call with a special place; to add one, add a row and a planted example.
LOGINS: tuple[Kind, ...] = (
    _kind(
        "user and password of curl",
        _program("curl") + _TO + r"(?:-[A-Za-z#]{0,8}[uU]|--(?:proxy-)?user)(?:[ \t]{1,4}|=)?[\"']?"
        r"[^\s:\"'-][^\s:\"']{0,255}:(?P<secret>(?!//)[^\s\"'‹›]+)",
        "curl",
    ),
    Kind(
        name="cookie of curl",
        shape=re.compile(
            _program("curl") + _TO + r"(?:-[A-Za-z#]{0,8}b|--cookie)(?:[ \t]{1,4}|=)?[\"']?"
            rf"(?P<secret>{COOKIE}(?:;[ \t]{{0,4}}{COOKIE})*+)"
        ),
        sort=made,
        needs=("curl",),
    ),
    _kind(
        "user and password of HTTPie",
        _program("https?|xhs?") + _TO + r"(?:-a|--auth)(?:[ \t]{1,4}|=)[\"']?[^\s:\"']{1,256}:"
        r"(?P<secret>[^\s\"'‹›]+)",
        "http",
        "xh",
    ),
    _kind(
        "user and password of Samba",
        r"(?<!\S)(?:-U|--user)(?:[ \t]{0,4}|=)[\"']?[\w.\\/@-]{1,128}%(?P<secret>[^\s\"'‹›]+)",
        "-u",
        "--user",
    ),
    _kind(
        "user and password of lftp",
        _program("lftp") + _TO + r"-u[ \t]{0,4}[\"']?[\w.@-]{1,128},(?P<secret>[^\s\"'‹›]+)",
        "lftp",
    ),
    _kind("password of Windows' programs", rf"(?<!\S)/(?i:pass(?:word)?|pwd):{_GIVEN}", "/p"),
    _kind("password of a remote desktop", _program("[xwsd]l?freerdp3?|mstsc") + _TO + rf"/p:{_GIVEN}", "/p:"),
    _kind(
        "password of a scheduled task",
        _program("schtasks") + _TO + rf"/(?i:rp|p)[ \t]{{1,4}}{_GIVEN}",
        "schtasks",
    ),
    _kind(
        "password of Windows' net",
        _program("net1?") + rf"[ \t]{{1,4}}(?:user{_WORD}|use\b{_TO}/user:\S{{1,128}})"
        rf"[ \t]{{1,4}}(?![/*]){_GIVEN}",
        "net",
    ),
    _kind("password of OpenSSL", _program("openssl") + _TO + rf"-[kK][ \t]{{1,4}}{_GIVEN}", "openssl"),
    _kind(
        "password of Redis",
        rf"(?<![\w-])(?i:requirepass|masterauth)[ \t]{{1,4}}{_GIVEN}",
        "requirepass",
        "masterauth",
    ),
    _kind(
        "password of redis-cli",
        _program("redis-cli")
        + r"(?:[ \t]{1,4}-[^\s|;&]{1,80}(?:[ \t]{1,4}[^\s|;&-][^\s|;&]{0,120}(?=[ \t]))?){0,6}[ \t]{1,4}"
        + rf"(?i:auth)(?:{_WORD}(?=[ \t]{{1,4}}[^\s|;&<>]))?[ \t]{{1,4}}{_GIVEN}",
        "redis-cli",
    ),
    _kind(
        "password of RabbitMQ",
        _program("rabbitmqctl") + _TO + rf"(?:add_user|change_password|authenticate_user){_WORD}"
        rf"[ \t]{{1,4}}{_GIVEN}",
        "rabbitmqctl",
    ),
    _kind(
        "secret of MinIO",
        _program("mc") + rf"[ \t]{{1,4}}alias[ \t]{{1,4}}set(?:{_WORD}){{3}}[ \t]{{1,4}}{_GIVEN}",
        "alias",
    ),
    _kind(
        "token of Vault",
        _program("vault")
        + r"[ \t]{1,4}login(?:[ \t]{1,4}-[^\s|;&]{1,80})*+[ \t]{1,4}(?![\w-]{1,40}=)"
        + _GIVEN,
        "vault",
    ),
    _kind(
        "password of an archive",
        _program("7z[ar]?|unrar|rar") + _TO + r"-p[\"']?(?P<secret>[^\s\"'‹›-][^\s\"'‹›]*)",
        " -p",
    ),
    _kind(
        "password of SNMP",
        _program("snmp[a-z]{2,12}") + _TO + rf"-[AXc][ \t]{{1,4}}(?!public\b){_GIVEN}",
        "snmp",
    ),
    _kind("password of NetworkManager", _program("nmcli") + _TO + rf"password[ \t]{{1,4}}{_GIVEN}", "nmcli"),
    _kind(
        "password of Poetry",
        _program("poetry") + rf"[ \t]{{1,4}}config[ \t]{{1,4}}"
        rf"(?:http-basic\.\S{{1,64}}{_WORD}|pypi-token\.\S{{1,64}})"
        rf"[ \t]{{1,4}}{_GIVEN}",
        "poetry",
    ),
    _kind("password of swaks", _program("swaks") + _TO + rf"-ap[ \t]{{1,4}}{_GIVEN}", "swaks"),
    _named(
        "name and value of flags",
        r"(?<!\S)--(?:name|key|secret-name|var|variable)(?:[ \t]{1,4}|=)[\"']?(?P<name>[\w./:@-]{1,100})[\"']?"
        r"(?=[ \t])[^\n|;&]{0,200}?[ \t]--(?:value|body|data|text|secret-value)(?:[ \t]{1,4}|=)" + _GIVEN,
        "--name",
        "--key",
        "--secret-name",
        "--var",
    ),
    _named(
        "name and value of a setting",
        r"(?<![\w-])(?:config(?:ure|:set)?|secrets?|variables?|vars?)(?:(?<=:set)|[ \t]{1,4}(?i:set|put|add))"
        r"(?:[ \t]{1,4}--?[A-Za-z][\w-]{0,40}+)*+[ \t]{1,4}[\"']?(?P<name>[\w./:@-]{1,100})[\"']?"
        r"[ \t]{1,4}(?:(?:--body|-b)(?:[ \t]{1,4}|=)?)?" + _GIVEN,
        "set",
        "put",
        "add",
    ),
    _named(
        "assignment to an item",
        r"\[\\{0,3}[\"'](?P<name>[\w.-]{1,60})\\{0,3}[\"']\][ \t]{0,4}=[ \t]{0,4}(?=\\{0,3}[\"'])" + VALUE,
        "]",
    ),
    _kind(
        "user and password in a call",
        r"(?i:\bauth=\(|basic_?auth\w{0,10}\(|\.login\(|\.authenticate\()[ \t]{0,4}"
        r"\\{0,3}[\"'][^\"'\\\n]{1,128}\\{0,3}[\"'],[ \t]{0,4}(?=\\{0,3}[\"'])" + _GIVEN,
        "auth",
        "login(",
    ),
    _kind(
        "password of MySQL's clients in a call",
        r"(?i:mysql\w{0,12}(?:[.:]{1,2}connect)?|mysqli)\([ \t]{0,4}"
        r"(?:\\{0,3}[\"'][^\"'\\\n]{1,128}\\{0,3}[\"'],[ \t]{0,4}){2}"
        r"(?=\\{0,3}[\"'])" + _GIVEN,
        "mysql",
    ),
    _kind(
        "password in SQL, with its plugin",
        r"(?i:identified[ \t]{1,4}with[ \t]{1,4}\S{1,64}[ \t]{1,4}(?:by|as))[ \t]{1,4}(?=[\"'])" + _GIVEN,
        "identified",
    ),
)
