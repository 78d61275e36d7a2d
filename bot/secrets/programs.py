"""Passwords as single programs take them: from a pipe, by position, in special words. Pure.

Each takes time linear in the length of the text, as in `bot.secrets.shapes`.
"""

from __future__ import annotations

import re

from bot.secrets.assignments import VALUE
from bot.secrets.names import sort_of
from bot.secrets.readable import Sort, is_no_secret
from bot.secrets.schemes import by_parameter, chosen, some_value
from bot.secrets.shapes import Kind

#: A value in quotation marks or bare; `$x` is a variable, except in single quotes.
_GIVEN = (
    r"[\"']?(?P<secret>(?!‹redacted )(?:(?<=')[^'\n]{1,512}+|(?<=\")(?!\$[\w{(:])[^\"\n]{1,512}+"
    r"|(?<![\"'])(?![$(-])[^\s\"'|;&<>‹›]{1,512}+))[\"']?"
)
_PRINTS = (
    r"(?<![\w-])(?:echo|printf)(?:[ \t]{1,4}-[neE]{1,3})?(?:[ \t]{1,4}[\"']?%s(?:\\{1,2}n)?[\"']?)?[ \t]{1,8}"
)
#: Programs that read a password from their input, and the flag for it.
_READERS = (
    r"(?:sudo\b[^\n|;&]{0,80}?[ \t](?:-[A-Za-z]{0,8}S\b|--stdin\b)"
    r"|[a-z][^\n|;&]{1,120}?[ \t]--(?:(?:password-)?stdin|with-token|passphrase-fd[ =]0)\b"
    r"|[a-z][^\n|;&]{0,80}?[ \t]secrets?[ \t]{1,4}(?:versions?[ \t]{1,4})?(?:create|put|set|add)\b"
    r"|vercel[ \t]{1,4}env[ \t]{1,4}add\b"
    r"|kinit\b|passwd\b(?!-)|(?:sudo[ \t]{1,4})?(?:cryptsetup|smbpasswd)\b)"
)
_SUDO = r"(?:sudo[ \t]{1,4}(?:-\w{1,4}[ \t]{1,4})?)?"
_ORACLES = r"(?:sqlplus|sqlldr|sqlcl|rman|expdp|impdp|exp|imp)"
#: A word of a command line that is not a flag and is not redirected.
_WORD = r"[ \t]{1,4}[^\s|;&<>-][^\s|;&<>]{0,255}+"


def _of_a_secret(match: re.Match[str]) -> bool:
    sort = sort_of(match["name"])
    return sort in (Sort.CHOSEN, Sort.MADE) and not is_no_secret(match["secret"].strip(), sort=Sort.MADE)


#: Programs that run or keep what they read, unless they are given a file or a command. Their input may not be a
#: password, even after `sudo -S`, which asks for none if it needs none.
_RUNS = re.compile(
    r"(?<![\w.-])(?:(?:[abckz]|ba|da|fi|tc)?sh|python[\d.]{0,6}|perl|ruby|node|php|pwsh|powershell)(?![\w.-])"
    r"(?![ \t]{1,4}(?:-[A-Za-z]{0,6}[cem]\b|[\w./~]))"
    r"|(?<![\w.-])(?:at|batch|crontab|dd|eval|mariadb|mysql|nc|parallel|psql|redis-cli|source|sqlite3|ssh"
    r"|su|tee|xargs)"
    r"(?![\w.-])"
)


#: Characters of a line after a password that are searched for such programs.
_LONGEST_REST = 500


def _of_input(match: re.Match[str]) -> Sort:
    """A password, unless a program on the same line would run it, or the line is too long."""
    after = match.string[match.end("secret") : match.end() + _LONGEST_REST]
    rest, ends, _ = after.partition("\n")
    if not ends and match.end() + _LONGEST_REST < len(match.string):
        return Sort.TEXT
    before = match.string[match.start() : match.start("secret")]
    return Sort.TEXT if _RUNS.search(before) or _RUNS.search(rest) else Sort.CHOSEN


def _input(name: str, shape: str, *needs: str) -> Kind:
    return Kind(name=name, shape=re.compile(shape), holds=some_value, sort=_of_input, needs=needs)


def _kind(name: str, shape: str, *needs: str) -> Kind:
    return Kind(name=name, shape=re.compile(shape), holds=some_value, sort=chosen, needs=needs)


#: Every program with a special way; to add one, add a row and a planted example.
PROGRAMS: tuple[Kind, ...] = (
    _input(
        "password for the input of a program",
        rf"{_PRINTS}{_GIVEN}[ \t]{{0,8}}\|[ \t]{{0,8}}{_READERS}",
        "echo",
        "printf",
    ),
    _input(
        "password in a here-string",
        rf"(?<![\w-]){_READERS}[^\n|;&<]{{0,80}}?<<<[ \t]{{0,4}}{_GIVEN}",
        "<<<",
    ),
    _kind(
        "password for chpasswd",
        rf"{_PRINTS}[\"']?[a-z_][\w.-]{{0,31}}:(?P<secret>(?!‹|\$[\w{{(])[^\s\"'|‹›]{{1,256}}+)[\"']?"
        rf"[ \t]{{0,8}}\|[ \t]{{0,8}}{_SUDO}chpasswd\b",
        "chpasswd",
    ),
    _kind(
        "password in a here-string of chpasswd",
        r"(?<![\w-])chpasswd\b[^\n|;&<]{0,40}<<<[ \t]{0,4}[\"']?[a-z_][\w.-]{0,31}:"
        r"(?P<secret>(?!‹|\$[\w{(])[^\s\"'|‹›]{1,256}+)",
        "chpasswd",
    ),
    _kind(
        "password of htpasswd",
        r"(?<![\w-])htpasswd(?=[^\n|;&]{0,60}?[ \t]-[A-Za-z]{0,7}b)"
        r"(?P<stdout>(?=[^\n|;&]{0,60}?[ \t]-[A-Za-z]{0,7}n))?+"
        rf"(?:[ \t]{{1,4}}-[A-Za-z0-9]{{1,8}}(?:[ \t]{{1,4}}\d{{1,2}})?){{1,6}}+(?(stdout)|{_WORD}){_WORD}"
        rf"[ \t]{{1,4}}{_GIVEN}",
        "htpasswd",
    ),
    _kind(
        "password of Oracle's programs",
        rf"(?<![\w.-])(?:{_ORACLES}(?:\.exe)?[ \t][^\n|;&]{{0,160}}?(?<=[\s\"'=])|(?<=connect )|(?<=CONNECT ))"
        r"[A-Za-z][\w$#.-]{0,63}/(?P<secret>(?!‹)[^\s/‹›][^\s‹›]{0,255})@(?=(?://)?[\w.-]{2}|\()",
        "sqlplus",
        "sqlldr",
        "sqlcl",
        "rman",
        "exp",
        "imp",
        "connect",
    ),
    _kind(
        "password of SQL*Plus",
        r"(?<![\w.-])sqlplus(?:\.exe)?(?:[ \t]{1,4}-[A-Za-z]{1,8}"
        r"(?:[ \t]{1,4}\d{1,2}(?:\.\d{1,2})?)?){0,4}+[ \t]{1,4}"
        r"[\"']?[A-Za-z][\w$#.-]{0,63}/(?P<secret>(?!‹)[^\s/\"'@‹›]{1,128}+)(?![/@])",
        "sqlplus",
    ),
    _kind(
        "password of Oracle's JDBC",
        r"jdbc:oracle:\w{1,8}:[^\s/@:\"']{1,64}/(?P<secret>(?!‹)[^\s\"'<>‹›]{1,256})@(?=[^\s@])",
        "jdbc:oracle:",
    ),
    _kind(
        "password of PowerShell",
        r"(?i:convertto-securestring)(?:[ \t]{1,4}-(?i:string|asplaintext|force)){0,3}+[ \t]{1,4}" + _GIVEN,
        "convertto-securestring",
    ),
    _kind(
        "password for PowerShell's pipe",
        r"(?P<quote>[\"'])(?P<secret>(?!‹|\$[\w{(:])[^\"'\n‹›]{1,256}+)(?P=quote)[ \t]{0,4}\|[ \t]{0,4}"
        r"(?i:convertto-securestring)",
        "convertto-securestring",
    ),
    _kind(
        "password of PowerShell's credential",
        r"(?i:networkcredential)[ \t]{0,4}\([ \t]{0,4}[\"'][^\"'\n]{0,128}[\"'],[ \t]{0,4}(?=[\"'])" + _GIVEN,
        "networkcredential",
    ),
    Kind(
        name="default of a Terraform variable",
        needs=("variable",),
        shape=re.compile(
            r"(?<!\w)variable[ \t]{1,4}\"?(?P<name>[\w-]{1,60})\"?[ \t]{0,4}\{"
            r"[^{}]{0,400}?(?:\{[^{}]{0,200}\}[^{}]{0,200}?)?(?<!\w)default[ \t]{0,16}=[ \t]{0,4}" + VALUE
        ),
        holds=_of_a_secret,
        sort=by_parameter,
    ),
    Kind(
        name="default under a name in YAML",
        needs=("default:", "value:", "example:"),
        shape=re.compile(
            r"(?m:^)[ \t]{0,40}(?P<name>[A-Za-z][\w-]{1,60}):[ \t]{0,8}\n"
            r"(?:[ \t]{1,40}(?!(?i:default|value|example):)[A-Za-z][\w-]{0,40}:[ \t][^\n]{0,200}\n){0,6}"
            r"[ \t]{1,40}(?i:default|value|example):[ \t]{1,4}" + VALUE
        ),
        holds=_of_a_secret,
        sort=by_parameter,
    ),
)
