"""A command or a program that is copied from the pages works: each is parsed, and run where it can be."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import typer

import nod
from adapters.cli.commands import app
from adapters.settings import Environment
from adapters.settings.environment import RelayEnvironment
from bot.approval import Outcome
from bot.protocol import HITLDecision, HITLRequest
from sandbox.servers import API_KEY, Sandbox, open_sandbox

ROOT = Path(__file__).parents[1]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
#: Variables of the system and of the examples, which no setting of Nod has.
OTHERS = {"PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY"}


def blocks(*kinds: str) -> Iterator[tuple[str, str]]:
    """The fenced examples of these kinds, each with where it is."""
    for page in PAGES:
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text())):
            if kind in kinds:
                yield f"{page.stem}-{number}", text


def commands() -> Iterator[tuple[str, str]]:
    """Each `nod …` of a shell example, and each one in a sentence with something behind its name."""
    for where, text in blocks("sh", "bash"):
        for line in text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|", line.partition(" #")[0]):
                if found := re.match(r"\s*(?:docker .* exec nod |\.venv/bin/)?(nod .*)", part):
                    yield where, found[1].strip()
    for page in PAGES:
        for inline in re.findall(r"`(nod [a-z][^`\n]*)`", FENCE.sub("", page.read_text())):
            if not re.search(r"[\[|…]", inline):
                yield from ((page.stem, part.strip()) for part in inline.split("&&"))


@pytest.mark.parametrize(("where", "line"), sorted(set(commands())), ids=lambda value: value.replace(" ", "_"))
def test_a_command_is_one(where: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command exists, its options do, and what a shell example gives them is taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch(mode=0o600)
    name, *words = shlex.split(line)[1:]
    assert name in COMMANDS
    command: Any = COMMANDS[name]
    while words and hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    options = {option for parameter in command.params for option in parameter.opts}

    assert [] == [word for word in words if word.startswith("-") and word not in options], line
    if "-" in where:  # of a shell example: it is whole
        command.make_context("nod", words).close()


def test_variables_that_the_examples_set_are_variables_that_are_read() -> None:
    """No example sets a variable that means nothing."""
    known = {
        str(field.validation_alias)
        for model in (Environment, RelayEnvironment)
        for field in model.model_fields.values()
    }
    named = {
        name for _, text in blocks("sh", "bash") for line in re.findall(r"^ *export (.*)$", text, re.MULTILINE)
        for name in re.findall(r"(\w+)=", line)
    }  # fmt: skip

    assert len(named) > 5
    assert set() == named - known - OTHERS


def test_make_has_what_the_pages_ask_of_it() -> None:
    """Each `make …` of a page is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }

    assert {"demo", "test"} <= asked
    assert set() == asked - targets


@pytest.mark.parametrize(
    "text", [text for _, text in blocks("json")], ids=[where for where, _ in blocks("json")]
)
def test_json_is_json(text: str) -> None:
    """An example of what is sent can be read."""
    assert json.loads(text)


def compiled(text: str) -> CodeType:
    """An example as code; it may wait at its top level."""
    return compile(text, "<example>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def program(begins: str) -> str:
    """The one Python example with this in it."""
    (text,) = (text for _, text in blocks("python") if begins in text)
    return text


@pytest.mark.parametrize(
    "text", [text for _, text in blocks("python")], ids=[where for where, _ in blocks("python")]
)
def test_python_is_python(text: str) -> None:
    """Each example compiles, and whatever it imports from Nod is there."""
    assert compiled(text)
    imports = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom))
    names = [name.name for node in imports if node.module == "nod" for name in node.names]
    assert [] == [name for name in names if not hasattr(nod, name)]


async def ran(text: str, sandbox: Sandbox, **names: str) -> dict[str, Any]:
    """What an example leaves behind that ran against the sandbox."""
    scope: dict[str, Any] = {}
    for given, real in {"http://localhost:8000": sandbox.url, '"…"': f'"{API_KEY}"', **names}.items():
        text = text.replace(given, real)
    done = eval(compiled(text), scope)
    if inspect.isawaitable(done):
        await done
    return scope


async def test_the_client_on_the_page_approves() -> None:
    """The first example of the library lists a request of the sandbox and approves it."""
    async with open_sandbox() as sandbox:
        request_id = sandbox.platform.ask(arguments={})

        scope = await ran(
            program("await client.list_pending()"),
            sandbox,
            **{"bc4d0a77-7800-470e-a91c-7fd663a66b4d": request_id},
        )

        assert Outcome.APPROVED is scope["outcome"]
        assert (request_id,) == tuple(sandbox.platform.executed)


async def test_the_handler_on_the_page_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler of the library answers what the sandbox lists, by its own rule."""
    async with open_sandbox() as sandbox:
        monkeypatch.setenv("AIP_API_URL", sandbox.url)
        monkeypatch.setenv("AIP_API_KEY", API_KEY)
        sandbox.platform.ask(tool="pay", arguments={})
        watching = asyncio.create_task(ran(program("handler.watch()"), sandbox))
        while not sandbox.platform.decisions:
            await asyncio.sleep(0.01)
        watching.cancel()

        assert ["rejected"] == [post.decision for post in sandbox.platform.decisions]


@pytest.mark.parametrize(
    ("total", "verdict"), [(200, HITLDecision.APPROVED), (201, HITLDecision.REJECTED)]
)  # fmt: skip
def test_the_rule_on_the_page_decides(make_request: Any, total: int, verdict: HITLDecision) -> None:
    """The callback of the policy's page approves within its budget."""
    scope: dict[str, Any] = {}
    exec(program("budget of 200"), scope)
    request: HITLRequest = make_request(arguments={"total": total})

    assert verdict is scope["decide"](request).decision


def test_the_hook_on_the_page_takes_an_alert(capsys: pytest.CaptureFixture[str]) -> None:
    """The hook of the operator's page says what it was called for."""
    scope: dict[str, Any] = {}
    exec(program("def page_us"), scope)

    scope["page_us"]("6f1c", RuntimeError("late"))

    assert "6f1c: late" in capsys.readouterr().out
