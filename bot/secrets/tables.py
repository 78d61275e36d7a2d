"""Secrets in tables and lists of a text: below the name of a column, behind the name of a user. Pure.

CSV, Markdown, what psql and mysql print, and the rows of a sheet. Each line is looked at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.protocol import Json
from bot.secrets.names import Named, Names, named, names_of, sort_of
from bot.secrets.readable import Sort, is_no_secret, reads_like_text

Found = tuple[int, int, Sort]

_DELIMITERS = "|,;\t"
#: The longest line that is a row; a longer one is a document.
_LONGEST_LINE = 4_096
_MOST_COLUMNS = 64
#: The name of a column: up to three words.
_COLUMN = re.compile(r"[^\W\d_][\w./-]{0,40}(?: [\w./-]{1,40}){0,2}")
#: The line below the names: of Markdown, of psql, of mysql.
_RULE = re.compile(r"[ \t|:+]*-[ \t|:+-]*")
_RULED = re.compile(r"\r?\n[ \t|:+]{0,4096}-[ \t|:+-]*(?:\r?\n|\Z)")
_NUMBER = re.compile(r"[\d.,%]+")
_SHORTEST = 4
#: The name of a column of results as often as of passwords.
_OF_TESTS = ("pass",)
_LINE = re.compile(r"[^\r\n]+")
#: What chpasswd is given line by line (chpasswd(8)), in a shell and in cloud-init.
_LIST = re.compile(
    r"(?<![\w-])chpasswd\b(?:[^\n<]{0,40}<<-?[ \t]{0,4}[\"']?\w{1,20}[\"']?[^\n]{0,40}|:[ \t]{0,4}\n"
    r"(?:[ \t]{1,40}expire:[^\n]{0,20}\n)?[ \t]{1,40}list:[ \t]{0,4}\|?-?)\n"
)
_USER = re.compile(r"[ \t-]{0,40}[a-z_][\w.-]{0,31}:(?P<secret>(?!‹redacted )[^\s‹›]{1,256})[ \t]{0,8}\n?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The names of the columns, and which of them are those of secrets."""

    delimiter: str
    count: int
    secrets: dict[int, Named]


def listed_in(text: str) -> Iterator[Found]:
    """Each value below a secret's name in a table, and each password of a list for chpasswd."""
    if "\n" not in text:
        return
    yield from _columns(text)
    for start in _LIST.finditer(text) if "chpasswd" in text else ():
        at = start.end()
        while line := _USER.match(text, at):
            yield *line.span("secret"), Sort.CHOSEN
            at = line.end()


def columns_of(rows: list[Json], names: Names) -> dict[int, Named]:
    """What the first row of a sheet says about the cells below it; nothing, when it is none with secrets."""
    first = rows[0] if rows else None
    if not isinstance(first, list) or not 2 <= len(first) <= _MOST_COLUMNS or len(rows) < 2:
        return {}
    if not all(isinstance(row, list) and len(row) == len(first) for row in rows):
        return {}
    if not all(isinstance(name, str) and _COLUMN.fullmatch(name) for name in first):
        return {}
    found = _secret_columns(list(map(str, first)), names)
    return {} if len(first) == 2 and 0 in found else found  # a name and its value


def is_secret_cell(cell: str, column: Named) -> bool:
    """Whether a cell below such a name is a secret rather than a word about one, as in a table of rules."""
    if len(cell) < _SHORTEST or cell.startswith("‹redacted ") or re.search(r"\s", cell):
        return False
    if column.own:
        return True
    if is_no_secret(cell, sort=Sort.MADE) or sort_of(cell) is not None:
        return False
    if _NUMBER.fullmatch(cell):
        return column.sort is Sort.CHOSEN
    return column.sort is Sort.CHOSEN or not reads_like_text(cell)


def _secret_columns(columns: list[str], names: Names) -> dict[int, Named]:
    """The columns of secrets, by their place; `pass` counts tests as often, so it is none."""
    said = {place: named(name, names) for place, name in enumerate(columns) if name.lower() not in _OF_TESTS}
    return {place: one for place, one in said.items() if one.sort in (Sort.CHOSEN, Sort.MADE)}


def _columns(text: str) -> Iterator[Found]:
    head: _Head | None = None
    before = 0  #: cells of the line before: a row of a table begins no other
    for line in _LINE.finditer(text):
        if line.end() - line.start() > _LONGEST_LINE:
            head, before = None, 0
        elif head is None:
            head = _head(line.group())
            if head and (
                head.count == before or (head.delimiter == "|" and not _RULED.match(text, line.end()))
            ):
                head = None
            before = _width(line.group())
        elif not _RULE.fullmatch(line.group()):
            cells = list(_cells(line.group(), head.delimiter))
            if len(cells) != head.count:
                head, before = None, _width(line.group())
                continue
            for place, column in head.secrets.items():
                start, stop = cells[place]
                if column.sort and is_secret_cell(line.group()[start:stop], column):
                    yield line.start() + start, line.start() + stop, column.sort


def _width(line: str) -> int:
    """How many cells a line has by its first delimiter, at most; a line of rules has none."""
    delimiter = next((one for one in _DELIMITERS if one in line), None)
    if delimiter is None or _RULE.fullmatch(line) or line.count(delimiter) > _MOST_COLUMNS:
        return 0
    return sum(1 for _ in _cells(line, delimiter))


def _head(line: str) -> _Head | None:
    """The names of a table's columns, when one is that of a secret and all of them are names."""
    delimiter = next((one for one in _DELIMITERS if one in line), None)
    if delimiter is None or line.count(delimiter) > _MOST_COLUMNS:
        return None
    names = [line[start:stop].strip("*_`") for start, stop in _cells(line, delimiter)]
    spaced = delimiter == "|"
    if len(names) < 2 or not all(_COLUMN.fullmatch(name) and (spaced or " " not in name) for name in names):
        return None
    secrets = _secret_columns(names, names_of(()))
    return _Head(delimiter=delimiter, count=len(names), secrets=secrets) if secrets else None


def _cells(line: str, delimiter: str) -> Iterator[tuple[int, int]]:
    """Where the cells of a line stand, without what is around them. A quoted one may hold the delimiter."""
    start, stop = 0, len(line)
    if delimiter == "|" and line.lstrip().startswith("|"):
        start = line.index("|") + 1
        stop = len(line.rstrip().removesuffix("|"))
    quoted, at = False, start
    for place in range(start, stop + 1):
        if place < stop and line[place] == '"' and delimiter != "|":
            quoted = not quoted
        if place == stop or (line[place] == delimiter and not quoted):
            yield _stripped(line, at, place)
            at = place + 1


def _stripped(line: str, start: int, stop: int) -> tuple[int, int]:
    cell = line[start:stop]
    start += len(cell) - len(cell.lstrip(" \t"))
    stop = max(start, stop - (len(cell) - len(cell.rstrip(" \t"))))
    if stop - start >= 2 and line[start] == line[stop - 1] and line[start] in "\"'`":
        return start + 1, stop - 1
    return start, stop
