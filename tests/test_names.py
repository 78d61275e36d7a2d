"""Names and sentences: what has a standard term in the field is called by it (docs/glossary.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from adapters.cli.commands import app

ROOT = Path(__file__).parents[1]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


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


GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
#: Where the glossary begins to name what we do not say.
AT_THE_END = "## Words that we do not use"
#: The words that the glossary says we do not use, as people meet them.
_ROWS = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", GLOSSARY.partition(AT_THE_END)[2], re.MULTILINE)
UNUSED = [word.strip() for row in _ROWS if row not in ("not", "---") for word in row.split(",")]
UNUSED_WORD = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, UNUSED))})(?![\w-])", re.IGNORECASE)


def strings_in(path: Path) -> Iterator[str]:
    """The sentences of a module: its strings that hold a blank, without docstrings and SQL."""
    tree = ast.parse(path.read_text())
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if (
                " " in text and " = " not in text and id(node) not in documented
            ):
                yield text


def help_texts(command: Any) -> Iterator[str]:
    """What `--help` says of a command, of its options, and of the commands in it."""
    yield " ".join(text for text in (command.help, command.short_help) if text)
    yield from (str(getattr(parameter, "help", "")) for parameter in command.params)
    for inner in getattr(command, "commands", {}).values():
        yield from help_texts(inner)


def sentences() -> Iterator[tuple[str, str]]:
    """What people read, each with its file: strings, help, pages of the sandbox, docs, manifests."""
    for room in ("bot", "adapters", "nod", "sandbox"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if "versions" not in path.parts:
                yield from ((str(path.relative_to(ROOT)), text) for text in strings_in(path))
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in (".html", ".js", ".yaml"):
                said = re.sub(r"^\s*(//|\*|/\*|#).*$", "", path.read_text(), flags=re.MULTILINE)
                yield str(path.relative_to(ROOT)), said
    for name in COMMANDS:
        yield from (("adapters/cli", text) for text in help_texts(COMMANDS[name]))
    pages = [
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "manifest.yaml", "deploy/nod.service")
    ]
    for path in [*pages, *sorted((ROOT / "docs").glob("*.md"))]:
        text = re.sub(
            r"^ *```.*?^ *```$", "", path.read_text().partition(AT_THE_END)[0], flags=re.MULTILINE | re.DOTALL
        )
        yield str(path.relative_to(ROOT)), re.sub(r"`[^`\n]*`", "", text)


def test_no_sentence_has_a_word_that_we_do_not_use() -> None:
    """Cards, messages, help and docs use the words of the glossary, and none that it names at its end."""
    found = [(where, word) for where, text in sentences() for word in UNUSED_WORD.findall(text)]

    assert len(UNUSED) > 10
    assert [] == found
