"""Finds secrets in tables (below a column such as `password`) and in `user:password` lists for chpasswd. Pure.

Tables are CSV, Markdown, the output of psql and mysql, and the rows of a spreadsheet. Each line is read once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.protocol import Json
from bot.secrets.names import Named, Names, named, names_of, sort_of
from bot.secrets.readable import Sort, is_no_secret, reads_like_text

#: A secret in a text: where it starts, where it ends, and who made it.
Found = tuple[int, int, Sort]

_DELIMITERS = "|,;\t"
#: Characters; a longer line is a document, not a row.
_LONGEST_LINE = 4_096
_MOST_COLUMNS = 64
#: A column name has up to three words.
_COLUMN = re.compile(r"[^\W\d_][\w./-]{0,40}(?: [\w./-]{1,40}){0,2}")
#: The line of dashes below the column names in Markdown, psql and mysql.
_SEPARATOR = re.compile(r"[ \t|:+]*-[ \t|:+-]*")
#: The same, matched from the end of the line before.
_THEN_SEPARATOR = re.compile(r"\r?\n[ \t|:+]{0,4096}-[ \t|:+-]*(?:\r?\n|\Z)")
#: A number or percentage is a secret in a column of passwords (a PIN), never in one of tokens.
_NUMBER = re.compile(r"[\d.,%]+")
#: Characters of the shortest cell that is masked.
_SHORTEST_CELL = 4
#: Column names that mean test results as often as passwords.
_AMBIGUOUS = ("pass",)
_LINE = re.compile(r"[^\r\n]+")
#: The start of a list for chpasswd (chpasswd(8)): a shell here-document, or cloud-init's `chpasswd: list: |`.
_CHPASSWD = re.compile(
    r"(?<![\w-])chpasswd\b(?:[^\n<]{0,40}<<-?[ \t]{0,4}[\"']?\w{1,20}[\"']?[^\n]{0,40}|:[ \t]{0,4}\n"
    r"(?:[ \t]{1,40}expire:[^\n]{0,20}\n)?[ \t]{1,40}list:[ \t]{0,4}\|?-?)\n"
)
#: One `user:password` line of that list.
_CHPASSWD_LINE = re.compile(
    r"[ \t-]{0,40}[a-z_][\w.-]{0,31}:(?P<secret>(?!‹redacted )[^\s‹›]{1,256})[ \t]{0,8}\n?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The first line of a table that has at least one column of secrets."""

    delimiter: str
    count: int  #: of columns
    secrets: dict[int, Named]  #: by the column's index


def listed_in(text: str) -> Iterator[Found]:
    """Each secret cell of the tables in a text, and each password of a list for chpasswd."""
    if "\n" not in text:
        return
    yield from _cells_of_tables(text)
    for start in _CHPASSWD.finditer(text) if "chpasswd" in text else ():
        at = start.end()
        while line := _CHPASSWD_LINE.match(text, at):
            yield *line.span("secret"), Sort.CHOSEN
            at = line.end()


def columns_of(rows: list[Json], names: Names) -> dict[int, Named]:
    """The columns of secrets in a spreadsheet, by index; none unless the first row is a header."""
    first = rows[0] if rows else None
    if not isinstance(first, list) or not 2 <= len(first) <= _MOST_COLUMNS or len(rows) < 2:
        return {}
    if not all(isinstance(row, list) and len(row) == len(first) for row in rows):
        return {}
    if not all(isinstance(name, str) and _COLUMN.fullmatch(name) for name in first):
        return {}
    found = _secret_columns(list(map(str, first)), names)
    return {} if len(first) == 2 and 0 in found else found  # two columns are a list of names and values


def is_secret_cell(cell: str, column: Named) -> bool:
    """Whether a cell in a column of secrets is one, and not a word about it such as `required`."""
    if len(cell) < _SHORTEST_CELL or cell.startswith("‹redacted ") or re.search(r"\s", cell):
        return False
    if column.own:
        return True
    if is_no_secret(cell, sort=Sort.MADE) or sort_of(cell) is not None:
        return False
    if _NUMBER.fullmatch(cell):
        return column.sort is Sort.CHOSEN
    return column.sort is Sort.CHOSEN or not reads_like_text(cell)


def _secret_columns(columns: list[str], names: Names) -> dict[int, Named]:
    """The columns whose names mean a secret, by index."""
    known = {index: named(name, names) for index, name in enumerate(columns) if name.lower() not in _AMBIGUOUS}
    return {index: column for index, column in known.items() if column.sort in (Sort.CHOSEN, Sort.MADE)}


def _cells_of_tables(text: str) -> Iterator[Found]:
    """The secret cells of every table: a header, then rows with as many cells, up to the first line without."""
    header: _Header | None = None
    before = 0  # cells of the line before: if equal, this is a row of that table and not a header
    for line in _LINE.finditer(text):
        if line.end() - line.start() > _LONGEST_LINE:
            header, before = None, 0
        elif header is None:
            header = _header(line.group())
            if header and (
                header.count == before
                or (header.delimiter == "|" and not _THEN_SEPARATOR.match(text, line.end()))
            ):
                header = None
            before = _cell_count(line.group())
        elif not _SEPARATOR.fullmatch(line.group()):
            cells = list(_cells(line.group(), header.delimiter))
            if len(cells) != header.count:
                header, before = None, _cell_count(line.group())
                continue
            for index, column in header.secrets.items():
                start, stop = cells[index]
                if column.sort and is_secret_cell(line.group()[start:stop], column):
                    yield line.start() + start, line.start() + stop, column.sort


def _cell_count(line: str) -> int:
    """How many cells a line has by its first delimiter; 0 for a separator line or too many columns."""
    delimiter = next((one for one in _DELIMITERS if one in line), None)
    if delimiter is None or _SEPARATOR.fullmatch(line) or line.count(delimiter) > _MOST_COLUMNS:
        return 0
    return sum(1 for _ in _cells(line, delimiter))


def _header(line: str) -> _Header | None:
    """The header that this line is; None unless every cell is a column name and at least one means a secret."""
    delimiter = next((one for one in _DELIMITERS if one in line), None)
    if delimiter is None or line.count(delimiter) > _MOST_COLUMNS:
        return None
    names = [line[start:stop].strip("*_`") for start, stop in _cells(line, delimiter)]
    spaced = delimiter == "|"
    if len(names) < 2 or not all(_COLUMN.fullmatch(name) and (spaced or " " not in name) for name in names):
        return None
    secrets = _secret_columns(names, names_of(()))
    return _Header(delimiter=delimiter, count=len(names), secrets=secrets) if secrets else None


def _cells(line: str, delimiter: str) -> Iterator[tuple[int, int]]:
    """Start and end of each cell, without spaces and quotes. A quoted cell can contain the delimiter."""
    start, stop = 0, len(line)
    if delimiter == "|" and line.lstrip().startswith("|"):
        start = line.index("|") + 1
        stop = len(line.rstrip().removesuffix("|"))
    quoted, cell = False, start
    for at in range(start, stop + 1):
        if at < stop and line[at] == '"' and delimiter != "|":
            quoted = not quoted
        if at == stop or (line[at] == delimiter and not quoted):
            yield _stripped(line, cell, at)
            cell = at + 1


def _stripped(line: str, start: int, stop: int) -> tuple[int, int]:
    """The cell without the spaces and one pair of quotes around it."""
    cell = line[start:stop]
    start += len(cell) - len(cell.lstrip(" \t"))
    stop = max(start, stop - (len(cell) - len(cell.rstrip(" \t"))))
    if stop - start >= 2 and line[start] == line[stop - 1] and line[start] in "\"'`":
        return start + 1, stop - 1
    return start, stop
