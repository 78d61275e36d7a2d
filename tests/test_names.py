"""Names: what has a standard term in the field is called by it (docs/glossary.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


#: Words that the code used to have for things with a standard name (docs/glossary.md).
RETIRED = frozenset(
    [
        "admit",
        "beats",
        "bells",
        "breach",
        "crew",
        "curtained",
        "emergency",
        "feel",
        "gather",
        "keepable",
        "knock",
        "ledger",
        "lived",
        "mend",
        "mended",
        "newcomer",
        "newcomers",
        "notary",
        "outward",
        "people_in",
        "prove",
        "seat",
        "shelf",
        "surroundings",
        "tenure",
        "untaken",
    ]
)


def words_of(name: str) -> set[str]:
    """A name's words, and the whole of it, in small letters."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")
    return {*parts, name.lower().strip("_")}


def names_in(tree: ast.AST) -> Iterator[str]:
    """The names of classes, functions, parameters and variables."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name


def test_no_name_has_a_retired_word() -> None:
    """What has a standard name in the field is called by it, in modules, classes, functions and variables."""
    paths = [path for room in ("bot", "adapters", "nod") for path in (ROOT / room).rglob("*.py")]
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        if "versions" not in path.parts
        for name in (path.stem, *names_in(ast.parse(path.read_text())))
        if words_of(name) & RETIRED
    }

    assert set() == found
