"""The list of commands. A command's code is imported when it is called: `nod --help` imports none of it."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

import bot
from adapters.cli.env_file import add_option
from adapters.cli.help import PlainCommand, PlainGroup
from bot.errors import ConfigError, NodError
from bot.visible import visible

if TYPE_CHECKING:
    from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """A line of the help."""

    module: str  #: in this folder, with the command in its `app`
    help: str  #: the first sentence of the command's help, which a test compares


#: Each command, in the order of the help.
COMMANDS = {
    "init": Entry("init", "Write nod.yaml and nod.env for Slack or Teams."),
    "run": Entry("run", "Run the bot until it is stopped."),
    "demo": Entry("demo", "Try Nod in the browser, without an account."),
    "check": Entry("check", "Check settings, platform, chats and database."),
    "test-card": Entry("test_card", "Post a test card and show who presses what."),
    "pending": Entry("pending", "List the pending requests."),
    "watch": Entry("watch", "Show the pending requests live, with the time left."),
    "approve": Entry("answering", "Approve a request directly on the platform."),
    "reject": Entry("answering", "Reject a request directly on the platform."),
    "skip": Entry("answering", "Skip a request: the agent continues without this step."),
    "manifest": Entry("manifest", "Print the Slack manifest or Teams app package."),
    "teams": Entry("teams", "List the Teams conversations that Nod is in."),
    "relay": Entry("relay", "Run a reverse proxy that shows cards immediately."),
    "sandbox": Entry("demo", "Run the local platform and chats without the bot."),
    "audit": Entry("audit", "Verify and export the audit log."),
    "policy": Entry("policy", "Test, lint and replay nod.yaml."),
}
#: Commands with built-in settings; all others read nod.env.
SELF_CONTAINED = ("demo", "sandbox")


class Commands(PlainGroup):
    """The commands with their lines of help; a command's module is imported when it is called."""

    def __init__(self, **settings: Any) -> None:
        """Nothing is imported yet."""
        super().__init__(**settings)
        self.commands = {name: PlainCommand(name, help=entry.help) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that was called, ready to run."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name and listed else None, rest


def loaded(name: str) -> TyperCommand | TyperGroup:
    """A command by its name; imports its module."""
    app = import_module(f"adapters.cli.{COMMANDS[name].module}").app
    app.rich_markup_mode = None
    app.info.cls = PlainGroup
    for one in app.registered_commands:
        one.cls = PlainCommand
    found: Any = typer.main.get_command(app)
    if isinstance(found, PlainGroup) and found.name != name:
        found = found.commands[name]
    if name not in SELF_CONTAINED:
        add_option(found)
    return cast("TyperCommand | TyperGroup", found)


def _version(asked: bool) -> None:
    if asked:
        print(f"nod {bot.__version__}")
        raise typer.Exit


app = typer.Typer(
    name="nod",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def _nod(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Routes AI agents' approval requests to the right people in Slack and Teams."""


def main() -> None:
    """The entry point: no traceback for what a person can fix."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 gets escapes for what it cannot show; an answer can already be sent by then.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="nod")
    except ConfigError as error:
        for one in error.each:
            print(f"nod: {visible(one.line)}", file=sys.stderr)
        sys.exit(2)
    except NodError as error:
        print(f"nod: {visible(str(error))}", file=sys.stderr)
        sys.exit(1)
