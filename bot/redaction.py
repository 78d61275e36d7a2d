"""Secrets in a call, replaced before anything is stored or shown: `‹redacted 12 chars›`. Pure.

A mask says when it hides something that reads like text or code rather than like a token, `‹redacted 86 chars
of text›`: it could hide what would run, and `bot.call` then lets nobody approve. A text that could not be
searched for the operator's own shapes in time is hidden as a whole, and marked the same way.

By name: the value of a key such as `db_password`. By shape: what looks like a known kind of secret, anywhere in
a text. Approvers must still be able to judge the call, so amounts, addresses, e-mail addresses, IBANs, UUIDs
and commit hashes stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bot.canonical import DEEPEST
from bot.protocol import Json
from bot.secrets.command_lines import are_pairs, is_holder, named_beside, named_in_list, program_of
from bot.secrets.masks import ENOUGH, EVERY, MARK, Left, Masking, Shape, found_at_all, looks_secret, whole_kind
from bot.secrets.names import NOTHING, Named, named, names_of, sort_of
from bot.secrets.readable import Sort, are_numbers_of_letters, is_no_secret, is_opaque, reads_like_text
from bot.secrets.schemes import SCHEME, is_basic
from bot.secrets.tables import columns_of, is_secret_cell

__all__ = ["ENOUGH", "TOO_DEEP", "Redaction", "Shape"]

#: Shown instead of values that are nested too deep; such a call has no canonical text either.
TOO_DEEP = f"‹hidden: nested deeper than {DEEPEST} levels›"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What is secret here: the names and kinds of this page, and those that the operator adds."""

    names: tuple[str, ...] = ()  #: more names for keys: `employee number`, in any spelling
    shapes: tuple[Shape, ...] = ()  #: more shapes

    def redact(self, value: Json) -> Json:
        """A copy with every secret replaced; keys in their order, and no key lost."""
        names = names_of(self.names)
        kinds = found_at_all("\n".join(_texts(value)))
        return _copy(value, Masking(self.shapes, names, Left(), kinds), _Place())

    def text(self, text: str) -> str:
        """Free text (a note, an alert) with every secret replaced by its length."""
        return Masking(self.shapes, names_of(self.names), Left(), EVERY).text(text)


_SCHEME = re.compile(rf"(?P<scheme>{SCHEME})(?P<gap>[ \t]{{1,8}})(?P<token>\S+)")
#: A scheme whose credentials are parameters: signed requests, and Digest (RFC 9110 §11.4).
_PARAMETERS = re.compile(
    r"(?i:aws4-hmac-sha256|digest|oauth|hawk|signature|mac|sharedaccesssignature)[ \t]+(?=[\w-]+=)"
)
_PARAMETER = re.compile(r"(?P<name>[\w-]{1,60})=(?P<quote>\"?)(?P<value>[^\",&\s]+)(?P=quote)")
#: Below a name of secrets, random text is masked from this length; shorter, it may be the name of a machine.
_SHORTEST_BELOW = 12
#: Numbers in a list that may be letters; a recovery code has four digits and more.
_LETTERS = 1_000
_SHORTEST_LISTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a value is: what its own name says, and the names above it."""

    named: Named = NOTHING  #: by its own key, or by what is beside it
    listed: bool = False  #: an item of a list of that name
    below: bool = False  #: somewhere below the name of secrets
    own: bool = False  #: somewhere below a name of the operator's
    key: str = ""
    program: str | None = None  #: whose arguments they are

    def under(self, key: str, said: Named) -> _Place:
        """The place of a value in the object at this one."""
        secret = self.named.sort in (Sort.CHOSEN, Sort.MADE)
        return _Place(
            named=said,
            below=self.below or secret,
            own=self.own or self.named.own,
            key=key,
            program=self.program,
        )


def _texts(value: Json) -> Iterator[str]:
    """Every text in a value, in any order, however deep."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            yield from one
            left += one.values()
        elif isinstance(one, list):
            left += one
        elif one is not None and not isinstance(one, bool):
            yield repr(one)


def _copy(value: Json, work: Masking, place: _Place, *, depth: int = 0) -> Json:
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return TOO_DEEP
    if isinstance(value, list):
        return _copied_list(value, work, place, depth)
    if isinstance(value, dict):
        return _copied_object(value, work, place, depth)
    if value is None or isinstance(value, bool):
        return value
    written = value if isinstance(value, str) else repr(value)
    shown = _leaf(written, work, place, number=not isinstance(value, str))
    return value if shown == written else shown


def _copied_object(fields: dict[str, Json], work: Masking, place: _Place, depth: int) -> dict[str, Json]:
    copy: dict[str, Json] = {}
    beside, program = named_beside(fields, work.names), program_of(fields)
    for key, inner in fields.items():
        said = named(key, work.names, within=place.key)
        if said.sort in (None, Sort.MAYBE) and is_holder(key):
            said = beside if beside.sort else replace(place.named, sort=Sort.MADE) if place.named.sort else said
        at = replace(place.under(key, said), program=program or place.program)
        shown = _free(work.text(key), copy)
        copy[shown] = _copy(inner, work, at, depth=depth + 1)
    return copy


def _copied_list(items: list[Json], work: Masking, place: _Place, depth: int) -> list[Json]:
    said = named_in_list(items, work.names, program=place.program)
    pairs = are_pairs(items)
    if are_numbers_of_letters(" ".join(str(item) for item in items if isinstance(item, str | int))):
        place = replace(place, named=NOTHING)
    copy: list[Json] = []
    for index, item in enumerate(items):
        at = replace(place, listed=True, named=said.get(index, place.named))
        if index in said:
            at = replace(at, listed=False)
        if pairs and isinstance(item, list):
            name = named(str(item[0]), work.names)
            shown = work.text(str(item[0]))
            copy.append([shown, _copy(item[1], work, replace(place, named=name), depth=depth + 2)])
            continue
        if index == 1 and len(items) == 2 and isinstance(items[0], str) and isinstance(item, str) and not said:
            at = replace(at, named=_half_named(items[0], item, work, at.named))
        copy.append(_copy(item, work, at, depth=depth + 1))
    _hide_cells(items, copy, work, place)
    _hide_in_line(items, copy, work, place)
    return copy


def _hide_in_line(items: list[Json], copy: list[Json], work: Masking, place: _Place) -> None:
    """Hide secrets that show only when the items are read as one line; what is hidden already stays so."""
    words = [str(item) for item in items if isinstance(item, str | int | float)]
    if len(words) != len(items) or len(items) < 2 - bool(place.program):
        return
    before = [place.program] if place.program else []
    for at, shown in work.line([*before, *words]).items():
        index = at - len(before)
        if index >= 0 and copy[index] == items[index]:
            copy[index] = shown


def _hide_cells(rows: list[Json], copy: list[Json], work: Masking, place: _Place) -> None:
    """Hide the cells of a sheet below the name of a secret in its first row."""
    for column, said in columns_of(rows, work.names).items():
        for row, shown in zip(rows[1:], copy[1:], strict=True):
            cell = row[column] if isinstance(row, list) else None
            if isinstance(cell, str) and isinstance(shown, list) and is_secret_cell(cell, said):
                shown[column] = _leaf(cell, work, replace(place, named=said), number=False)


def _half_named(name: str, value: str, work: Masking, before: Named) -> Named:
    """What the first of two items says about the second: that may be the next word, so words are shown."""
    said = named(name, work.names)
    if said.sort in (None, Sort.MAYBE) or " " in name.strip():
        return before
    return said if _SCHEME.fullmatch(value) or not reads_like_text(value) else before


def _leaf(written: str, work: Masking, place: _Place, *, number: bool) -> str:
    """One text or number, judged alone."""
    if not written or MARK.fullmatch(written):
        return written
    sort = place.named.sort
    if sort in (Sort.CHOSEN, Sort.MADE):
        if place.listed and not place.named.own:
            sort = Sort.MADE
            if len(written) < _SHORTEST_LISTED or (number and abs(float(written)) < _LETTERS):
                return written
        return _direct(written, work, sort, own=place.named.own)
    if sort is Sort.MAYBE and looks_secret(written, place.key):
        return work.mark(written, Sort.MADE)
    if place.own:
        return _direct(written, work, Sort.MADE, own=True)
    if place.below and not number and is_opaque(written, shortest=_SHORTEST_BELOW):
        return work.mark(written, Sort.MADE)
    return work.text(written)


def _direct(written: str, work: Masking, sort: Sort, *, own: bool) -> str:
    """The value under the name of a secret."""
    if not own and is_no_secret(written, sort=sort):
        return written
    if found := _SCHEME.fullmatch(written):
        token = found["token"]
        basic = found["scheme"].lower() == "basic"
        judged = (Sort.SEALED if is_basic(token) else Sort.TEXT) if basic else Sort.MADE
        return f"{found['scheme']}{found['gap']}{_masked(token, work, judged)}"
    if found := _PARAMETERS.match(written):
        return found.group() + _PARAMETER.sub(lambda part: _parameter(part, work), written[found.end() :])
    sealed = Sort.SEALED if is_basic(written) else None
    return _masked(written, work, sealed or sort)


def _masked(written: str, work: Masking, sort: Sort) -> str:
    """A mask; a known kind is judged by its own sort, anything else by this one."""
    if kind := whole_kind(written):
        return work.mark(written, kind.sort, prefix=kind.prefix)
    return work.mark(written, sort)


def _parameter(part: re.Match[str], work: Masking) -> str:
    """A parameter of an Authorization header: readable parts are shown."""
    value = part["value"]
    if sort_of(part["name"]) is not None and not reads_like_text(value):
        return f"{part['name']}={part['quote']}{work.mark(value, Sort.MADE)}{part['quote']}"
    return f"{part['name']}={part['quote']}{work.text(value)}{part['quote']}"


def _free(key: str, taken: dict[str, Json]) -> str:
    """The key, with a number if redaction has made it equal to an earlier one: none may vanish."""
    number, free = len(taken), key
    while free in taken:
        number, free = number + 1, f"{key}‹{number + 1}›"
    return free
