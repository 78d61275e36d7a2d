"""Nothing that people meet leads nowhere: each link opens, each hint names what is there.

Links between pages, anchors and files are in test_docs.py, whole examples in test_examples.py; here is what is
in sentences: refusals, errors with their fixes, help, messages, and the pages of the sandbox.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from adapters.chat import labels
from adapters.cli.commands import app
from adapters.cli.run import STAGES
from adapters.settings.models import json_schema
from bot.errors import Refusal
from bot.flow.check import REFUSALS
from sandbox.servers import open_sandbox

ROOT = Path(__file__).parents[1]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "manifest.yaml")]
PAGES += sorted((ROOT / "docs").glob("*.md"))

#: Where links lead outside of the project, each with the reason.
OUTSIDE = {
    "gdplabs.gitbook.io": "the platform's public guide",
    "api.slack.com": "creates the Slack app from its manifest",
    "slack.com": "Slack's API",
    "teams.microsoft.com": "opens a message in Teams",
    "developer.microsoft.com": "the schema of the Teams manifest",
    "microsoft.github.io": "Microsoft's command line for Teams apps",
    "entra.microsoft.com": "where an app is registered",
    "portal.azure.com": "where the bot is registered",
    "json-schema.org": "the dialect of nod.schema.json",
    "github.com": "the regular expressions that `redact` takes",
}
#: Services that Nod calls: addresses in settings and tokens, which nobody opens.
SERVICES = re.compile(
    r"(.+\.)?(botframework\.(com|us|azure\.(us|cn))|microsoftonline\.(com|us|cn)|sts\.windows\.net|graph\.microsoft\.com"
    r"|microsoftgraph\.chinacloudapi\.cn|pagerduty\.com|opsgenie\.com|slack\.com)"
)
#: Names that are reserved for examples (RFC 2606) and this machine.
OURS = re.compile(r"(.+\.)?(example|example\.com|localhost|host|127\.0\.0\.1)|\[?")
_URL = re.compile(r"https?://(?:user:password@)?([^\s/:\"'`)\]}>,|…?]*)")
#: Options of other programs, in examples of calls, and one that Nod reads in a call.
FOREIGN = {"--auth", "--body", "--cookie", "--stdin", "--user"}
#: Words after `nod` that begin no command: of sentences, and of the command's own name.
NO_COMMAND = {"command", "import", "needs"}


def strings_in(path: Path) -> Iterator[str]:
    """Each text that the code says, with `…` for what is put in; no docstrings, which explain the code."""
    tree = ast.parse(path.read_text())
    silent: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if node.body:
                if isinstance(node.body[0], ast.Expr):
                    silent.add(id(node.body[0].value))
            case ast.JoinedStr(values=values):
                silent |= {id(value) for value in values}
                yield "".join(str(value.value) if isinstance(value, ast.Constant) else "…" for value in values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.value


def helped(name: str, command: Any) -> Iterator[tuple[str, str]]:
    """What the help of a command says."""
    yield f"nod {name}", str(command.help)
    yield from ((f"nod {name}", one.help) for one in command.params if getattr(one, "help", None))
    for inner, one in getattr(command, "commands", {}).items():
        yield from helped(f"{name} {inner}", one)


@cache
def said() -> list[tuple[str, str]]:
    """Every sentence of the code and of the pages, each with its place."""
    found = [
        (str(path.relative_to(ROOT)), text)
        for room in ("bot", "adapters", "nod", "sandbox")
        for path in sorted((ROOT / room).rglob("*.py"))
        for text in strings_in(path)
    ]
    found += [line for name, command in COMMANDS.items() for line in helped(name, command)]
    for path in [*PAGES, *(ROOT / "sandbox").rglob("*.html"), *(ROOT / "sandbox").rglob("*.js")]:
        found.append((str(path.relative_to(ROOT)), path.read_text()))
    return found


def sentences() -> list[tuple[str, str]]:
    """Those of more than one word."""
    return [(where, text) for where, text in said() if " " in text]


def lost(words: list[str]) -> str | None:
    """What of a command line is not there: the command, the command below it, or an option."""
    name, *rest = words
    if name not in COMMANDS:
        return name
    command = COMMANDS[name]
    if hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name, *rest = rest
        if name not in command.commands:
            return name
        command = command.commands[name]
    known = {option for one in command.params for option in one.opts} | {"-h", "--help"}
    return next((word for word in rest if word.startswith("--") and word not in known), None)


def test_each_command_in_a_sentence_is_there() -> None:
    """`nod check`, `nod pending --json`: who types the hint gets what it promises."""
    spoken = re.compile(
        r"(?<![\w/.-])nod ((?:[a-z][a-z-]+)(?:(?: [a-z][a-z-]+)?(?: --[a-z][a-z-]+)+| [a-z][a-z-]+)?)"
    )
    found = []
    for where, text in sentences():
        for line in spoken.findall(text):
            words = line.split()
            bare = not hasattr(COMMANDS.get(words[0]), "commands") and len(words) > 1
            words = [word for word in words if not bare or word == words[0] or word.startswith("-")]
            if words[0] not in NO_COMMAND and (what := lost(words)):
                found.append((where, line, what))

    assert [] == [
        one
        for one in found
        if not (one[0].endswith(".md") and f"`nod {one[1]}" not in (ROOT / one[0]).read_text())
    ]


def test_each_option_in_a_sentence_is_one() -> None:
    """An error's fix names no option that no command takes."""
    options = {"--help", *FOREIGN}
    for _, command in [pair for name, one in COMMANDS.items() for pair in below(name, one)]:
        options |= {option for parameter in command.params for option in parameter.opts}
    named = [
        (where, one) for where, text in sentences() if where.endswith(".py") for one in _OPTION.findall(text)
    ]

    assert len(named) > 20
    assert [] == [(where, one) for where, one in named if one not in options]


_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command, and those below it."""
    yield name, command
    for inner, one in getattr(command, "commands", {}).items():
        yield from below(f"{name} {inner}", one)


def test_each_variable_in_a_sentence_is_in_the_reference() -> None:
    """Who is told to set it finds what it takes."""
    reference = (ROOT / "docs" / "reference.md").read_text()
    variable = re.compile(r"\b(?:(?:NOD|AIP|SLACK|GLAIP|DANGEROUSLY)_[A-Z_]+|Microsoft[A-Z]\w+)\b")
    named = {(where, one) for where, text in sentences() for one in variable.findall(text)}

    assert len(named) > 40
    known = {*STAGES, "NOD_CHROMIUM", "NOD_PLAYGROUND"}  # the last two belong to the tests
    assert [] == sorted(
        (where, one) for where, one in named if one not in known and f"`{one}`" not in reference
    )


@pytest.mark.parametrize("line", ["polcy", "policy lnt", "approve --forse", "audit export --since --formt"])
def test_a_command_that_is_not_there_is_found(line: str) -> None:
    """The check itself: a near miss of a command, of one below it, or of an option."""
    assert lost(line.split()) == line.split()[-1]


def test_each_key_that_an_error_names_is_a_key() -> None:
    """Each key in code marks in the errors about nod.yaml is in its schema."""

    def keys(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            yield from schema.get("properties", {})
            for one in schema.values():
                yield from keys(one)
        elif isinstance(schema, list):
            for one in schema:
                yield from keys(one)

    known = set(keys(json_schema()))
    about = [(where, text) for where, text in sentences() if where.startswith("adapters/settings/")]
    named = {(where, one) for where, text in about for one in re.findall(r"`([a-z_]+)(?::[^`]*)?`", text)}

    assert len(named) > 5
    assert [] == sorted((where, one) for where, one in named if one not in known | NO_KEYS)


#: Words in code marks there that are no key of nod.yaml: what Teams sends.
NO_KEYS = {"serviceUrl", "user", "not", "during", "outside", "day", "week"}


@pytest.mark.parametrize("code", Refusal)
def test_a_refusal_links_to_a_section(code: Refusal) -> None:
    """`docs_url` with the page and the anchor that a chat adds."""
    assert re.search(rf"^## {code.value}$", (ROOT / "docs" / REFUSALS).read_text(), re.MULTILINE)


def test_each_button_in_a_sentence_is_on_a_card() -> None:
    """“Open View all to approve” is something that can be pressed."""
    buttons = {value for value in vars(labels).values() if isinstance(value, str)}
    buttons |= {
        str(one) for value in vars(labels).values() if isinstance(value, dict) for one in value.values()
    }
    named = {
        one for _, text in sentences() for one in re.findall(r'"((?:View|Why|Open|I.m) [^"]{2,30})"', text)
    }

    assert named
    assert [] == sorted(named - buttons)


def test_links_that_lead_away_are_known() -> None:
    """A short list, each with its reason: nobody here can keep those pages alive."""
    found = {(where, host.rstrip(".")) for where, text in said() for host in _URL.findall(text)}
    away = {(where, host) for where, host in found if not OURS.fullmatch(host) and not SERVICES.fullmatch(host)}

    assert [] == sorted((where, host) for where, host in away if host not in OUTSIDE)


async def test_each_link_of_the_sandbox_opens() -> None:
    """Style sheets, scripts, the way from one chat to the other, and the jump to the messages."""
    async with (
        open_sandbox(port=0, with_teams=True) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url) as client,
    ):
        for page in ("/", "/teams"):
            html = (await client.get(page)).raise_for_status().text
            links = re.findall(r'(?:href|src)="([^"]+)"', html)
            assert len(links) > 4
            for link in links:
                if link.startswith("#"):
                    assert f'id="{link[1:]}"' in html
                else:
                    (await client.get(link)).raise_for_status()
