"""The `nod` command before any of its commands: help, version, completion and near misses."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from adapters.cli.commands import app

ROOT = Path(__file__).parents[2]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
#: What a list of commands has no use for.
HEAVY = (
    "sqlalchemy",
    "slack_bolt",
    "botbuilder",
    "pygments",
    "rich",
    "httpx",
    "sandbox",
    "pydantic",
    "asyncio",
)
NOD = """
import sys
from adapters.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def started(*args: str, **variables: str) -> tuple[str, set[str]]:
    """What a new process prints, and every module that it has imported."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        [sys.executable, "-c", NOD, *args], env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout, set(done.stderr.split())


@pytest.mark.parametrize(
    "args",
    [("--help",), ("--version",), ("approve", "--help"), ("policy", "-h"), ("audit", "export", "-h")],
    ids=" ".join,
)
def test_help_imports_no_work(args: tuple[str, ...]) -> None:
    """No database, no chat, no highlighter: the help is there before they would be."""
    printed, imported = started(*args)

    assert "adapters.cli.commands" in imported
    assert [] == [name for name in HEAVY if name in imported]
    assert printed.startswith(("Usage: nod", "nod "))
    if args == ("--help",):
        assert "COMMAND [ARGS]...\n\n  Routes AI agents' approval requests" in printed


def test_nothing_to_do_is_the_help() -> None:
    """`nod` alone lists the commands, and is no success in a script."""
    done = CliRunner().invoke(app, [])

    assert done.exit_code == 2
    assert "Commands:\n  init " in done.output


def test_completion_imports_none_of_them() -> None:
    """A press of Tab has the commands at once."""
    printed, imported = started(_NOD_COMPLETE="complete_bash", COMP_WORDS="nod p", COMP_CWORD="1")

    assert ["pending", "policy"] == printed.split()
    assert [] == [name for name in HEAVY if name in imported]


def test_completion_knows_the_options_of_a_command() -> None:
    """The one command that is being completed is imported, with what it takes."""
    printed, _ = started(_NOD_COMPLETE="complete_bash", COMP_WORDS="nod relay --", COMP_CWORD="2")

    assert {"--host", "--port", "--bot"} <= set(printed.split())


def test_the_version_is_the_packages() -> None:
    """What `nod --version` prints is what is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert f"nod {project['version']}\n" == CliRunner().invoke(app, ["--version"]).stdout


def test_a_mistyped_command_is_named() -> None:
    """A near miss says what was meant."""
    assert "No such command 'aprove'. Did you mean 'approve'?" in CliRunner().invoke(app, ["aprove"]).output


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command with those under it, by their full names."""
    yield name, command
    for inner, one in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {inner}", one)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_written_for_people(name: str) -> None:
    """Each value has a name in place of a type of Python, and each option a sentence."""
    for full, command in commands(name, COMMANDS[name]):
        done = CliRunner().invoke(app, [*full.split(), "-h"])

        assert done.exit_code == 0
        assert [] == re.findall(r"<\w+>|\{\w+\}", done.stdout)
        assert [] == [one.name for one in command.params if not (one.help or "").endswith(".")]
