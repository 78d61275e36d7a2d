"""Which commands there are. The code of one is imported when it is called: `nod approve` needs no bot."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from bot.errors import ConfigError, NodError

#: Each command, in the order of the help, and the module whose `app` has it.
COMMANDS = {
    "run": "run",
    "demo": "demo",
    "check": "check",
    "pending": "pending",
    "watch": "watch",
    "approve": "answering",
    "reject": "answering",
    "skip": "answering",
    "manifest": "manifest",
    "teams": "teams",
    "relay": "relay",
    "sandbox": "demo",
    "audit": "audit_app",
    "policy": "policy_app",
}


class Commands(TyperGroup):
    """The commands by name; the module behind one is not read before that."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"adapters.cli.{COMMANDS[cmd_name]}")
        found: Any = typer.main.get_command(module.app)
        if isinstance(found, TyperGroup) and found.name != cmd_name:
            found = found.commands[cmd_name]
        return cast("TyperCommand | TyperGroup", found)


app = typer.Typer(
    name="nod",
    cls=Commands,
    help="Brings the approvals that AI agents wait for to the people who may give them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _nod() -> None:
    """Brings the approvals that AI agents wait for to the people who may give them."""


def main() -> None:
    """The entry point: no traceback for what a person can fix."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 gets codes for what it cannot show; an answer may have been sent by then.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except ConfigError as error:
        print(f"nod: {error}", file=sys.stderr)
        sys.exit(2)
    except NodError as error:
        print(f"nod: {error}", file=sys.stderr)
        sys.exit(1)
