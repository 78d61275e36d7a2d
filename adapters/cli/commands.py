"""The commands and their options. Each imports its work when it is called, so help is quick."""

from __future__ import annotations

import gc
import io
import logging
import os
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import bot
from adapters.cli.env_file import add_option, read_by
from adapters.cli.frame import SILENT, PlainCommand, PlainGroup, end
from adapters.cli.subcommands import audit, policy
from bot.errors import ConfigError, NodError
from bot.surface import Surface
from bot.visible import visible

#: Commands with built-in settings; all others read nod.env.
SELF_CONTAINED = ("demo", "sandbox")
#: The port of the local pages and chats.
DEMO_PORT = 8765


class Commands(PlainGroup):
    """All commands; those that need settings read nod.env first."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """As typer makes it, with `--env-file`."""
        super().__init__(*args, **settings)
        for name, one in self.commands.items():
            if name not in SELF_CONTAINED:
                add_option(one)


app = typer.Typer(
    name="nod",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
command = partial(app.command, cls=PlainCommand)


class AppIn(StrEnum):
    """The chats that Nod can set up an app in."""

    SLACK = "slack"
    TEAMS = "teams"


RequestId = Annotated[
    str, typer.Argument(metavar="ID", help="The request id, or at least its first 8 characters.")
]
Note = Annotated[str | None, typer.Option(metavar="TEXT", help="A note to the agent.")]
SourceName = Annotated[
    str | None,
    typer.Option(
        "--source", metavar="NAME", show_default=False, help="A source in nod.yaml, or glaip for AIP_API_URL."
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Retry until the request's deadline (default: for 10 seconds).")
]


def _version(asked: bool) -> None:
    if asked:
        print(f"nod {bot.__version__}")
        raise typer.Exit


@app.callback()
def _nod(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Routes AI agents' approval requests to the right people in Slack and Teams."""


@command("init")
def _init(
    chat: Annotated[
        AppIn | None,
        typer.Option(help="The chat for cards (default: Slack, or Teams if only its variables are set)."),
    ] = None,
    channel: Annotated[
        str | None, typer.Option(metavar="CHANNEL", help="Where cards go, for example #approvals.")
    ] = None,
    approver: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PERSON",
            help="Who can approve, by e-mail, name or id. Repeat the option for each approver.",
        ),
    ] = None,
    alerts: Annotated[
        str | None, typer.Option(metavar="CHANNEL", help="Where alerts go (default: where cards go).")
    ] = None,
    api_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The platform's address, in place of AIP_API_URL.")
    ] = None,
    http: Annotated[
        bool,
        typer.Option(
            "--http",
            help="Slack: receive clicks over HTTP instead of Socket Mode (needs SLACK_SIGNING_SECRET).",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace nod.yaml and nod.env.")] = False,
) -> None:
    """Write nod.yaml and nod.env for Slack or Teams. Nod asks for what is missing and checks the tokens."""
    from adapters.cli.init import Terminal, init, likely_chat
    from adapters.cli.init_chats import Wanted

    variables = {**os.environ, **({"AIP_API_URL": api_url} if api_url else {})}
    wanted = Wanted(channel=channel, alerts=alerts, approvers=tuple(approver or ()))
    terminal = Terminal(ask=_prompt) if sys.stdin.isatty() else None
    on = Surface(chat) if chat else likely_chat(variables)
    end(init(wanted, chat=on, http=http, variables=variables, terminal=terminal, force=force), logs=SILENT)


def _prompt(question: str, hidden: bool) -> str:
    return str(typer.prompt(question, hide_input=hidden, err=True))


@command("run")
def _run(
    context: typer.Context,
    auto_approve: Annotated[
        int,
        typer.Option(
            "--auto-approve",
            count=True,
            show_default=False,
            help="Approve everything automatically, for CI. Requires --log.",
        ),
    ] = 0,
    record: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="Also append events to this file as JSON lines."),
    ] = None,
    accept_rollback: Annotated[
        bool,
        typer.Option(
            "--accept-rollback",
            help="Start once with a database that is older than its last audit checkpoint.",
        ),
    ] = False,
) -> None:
    """Run the bot until it is stopped."""
    gc.disable()  # until it has started (`run`): what it imports stays, and to look for garbage takes a sixth
    try:
        from adapters.cli.run import start

        start(
            auto_approve=auto_approve, record=record, accept_rollback=accept_rollback, env_file=read_by(context)
        )
    finally:
        gc.enable()


@command("demo")
def _demo(
    script: Annotated[
        bool, typer.Option("--script", help="Play one approval from request to result, then exit.")
    ] = False,
    port: Annotated[
        int,
        typer.Option(
            help="Port of the page. If the port is in use, Nod takes the next free one. 0 picks any free port.",
            min=0,
            max=65535,
        ),
    ] = DEMO_PORT,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the bot's logs.")] = False,
) -> None:
    """Try Nod in the browser, without an account."""
    if not script:  # the first start compiles what it imports, which takes a while
        print("Starting a platform with agents, a local Slack and Teams, and Nod.", flush=True)
    from adapters.cli.demo import play, show

    if script:
        end(play(), logs=SILENT)
    end(show(port=port), logs=logging.INFO if verbose else SILENT)


@command("check")
def _check(
    context: typer.Context,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings, too.")] = False,
) -> None:
    """Check settings, platform, chats and database. Each problem comes with a fix."""
    from adapters.cli.check import check

    end(check(strict=strict, env_file=read_by(context)))


@command("test-card")
def _test_card(
    channel: Annotated[
        str | None,
        typer.Argument(
            metavar="CHANNEL", show_default=False, help="A channel in nod.yaml, for example #approvals."
        ),
    ] = None,
    within: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait for a decision, 10s to 1h.")
    ] = "3m",
) -> None:
    """Post a test card and show who presses what. No tool runs, and Nod does not contact the platform."""
    from adapters.cli.running import ago
    from adapters.cli.test_card import put_up
    from adapters.settings import read_environment

    window = ago("--within", within, fix="Give a time like 90s or 3m.")
    end(put_up(read_environment(), channel=channel, within=window), logs=SILENT)


@command("pending")
def _pending(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, source: SourceName = None
) -> None:
    """List the pending requests."""
    from adapters.cli.pending import pending
    from adapters.settings import read_environment

    end(pending(read_environment(), as_json=as_json, source=source))


@command("watch")
def _watch(
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Show each call and answer it with a key.")
    ] = False,
    source: SourceName = None,
) -> None:
    """Show the pending requests live, with the time left."""
    from adapters.cli.watch import watch

    end(watch(interactive=interactive, source=source), logs=SILENT)


@command("approve")
def _approve(
    request_id: RequestId,
    note: Note = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also approve a call that is truncated or ambiguous.")
    ] = False,
    wait: Wait = False,
    source: SourceName = None,
) -> None:
    """Approve a request directly on the platform."""
    _answer("approved", request_id, note=note, force=force, wait=wait, source=source)


@command("reject")
def _reject(request_id: RequestId, note: Note = None, wait: Wait = False, source: SourceName = None) -> None:
    """Reject a request directly on the platform."""
    _answer("rejected", request_id, note=note, wait=wait, source=source)


@command("skip")
def _skip(request_id: RequestId, note: Note = None, wait: Wait = False, source: SourceName = None) -> None:
    """Skip a request: the agent continues without this step."""
    _answer("skipped", request_id, note=note, wait=wait, source=source)


def _answer(
    verdict: str, request_id: str, *, note: str | None, wait: bool, source: str | None, force: bool = False
) -> None:
    from adapters.cli.answering import PATIENCE, answer
    from adapters.settings import read_environment
    from bot.protocol import HITLDecision

    patience = None if wait else PATIENCE
    work = answer(
        read_environment(), request_id, HITLDecision(verdict), note=note, force=force, patience=patience,
        source=source,
    )  # fmt: skip
    # With --wait each attempt is shown; otherwise one line at the end says all.
    end(work, logs=logging.INFO if wait else SILENT)


@command("manifest")
def _manifest(
    chat: Annotated[AppIn, typer.Argument(help="The chat to create the app in.")],
    socket_mode: Annotated[
        bool, typer.Option("--socket-mode", help="Slack: receive clicks over a socket (the default).")
    ] = False,
    request_url: Annotated[
        str | None,
        typer.Option(help="Slack: receive clicks over HTTP at this URL of `nod run`, ending in /slack/events."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write: the Slack manifest, or the Teams app package to upload.")
    ] = None,
    website: Annotated[
        str | None, typer.Option(metavar="URL", help="Teams: URL of a page about Nod at your company.")
    ] = None,
) -> None:
    """Print the Slack manifest or Teams app package. For Slack, it includes a link that creates the app."""
    from adapters.cli.manifest import WEBSITE, print_slack_manifest, print_teams_manifest
    from adapters.settings import read_local_environment

    if socket_mode and request_url is not None:
        raise ConfigError("--socket-mode", "is given with --request-url", "Choose one of them.")
    if chat is AppIn.SLACK:
        print_slack_manifest(request_url=request_url, out=out)
        return
    if socket_mode or request_url is not None:
        option = "--socket-mode" if socket_mode else "--request-url"
        raise ConfigError(
            option,
            "is for Slack only",
            "Leave it out. For Teams, the address belongs in the bot's app registration.",
        )
    app_id = read_local_environment().microsoft_app_id
    print_teams_manifest(app_id=app_id, website=website or WEBSITE, out=out)


@command("teams")
def _teams() -> None:
    """List the Teams conversations that Nod is in, with their names for nod.yaml."""
    from adapters.cli.teams import conversations
    from adapters.settings import read_local_environment

    end(conversations(read_local_environment().database_url))


@command("relay")
def _relay(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 picks any free port.", min=0, max=65535)
    ] = 3001,
    bot_url: Annotated[
        str, typer.Option("--bot", metavar="URL", help="URL of `nod run`, notified when a request appears.")
    ] = "http://127.0.0.1:3000",
) -> None:
    """Run a reverse proxy that shows cards immediately. Cards do not wait for the next poll."""
    from adapters.cli.relay import start

    start(host=host, port=port, bot=bot_url)


@command("sandbox")
def _sandbox(
    port: Annotated[
        int,
        typer.Option(
            help="Port of the local platform and the local chats; 0 picks any free port.", min=0, max=65535
        ),
    ] = DEMO_PORT,
    request_url: Annotated[
        str,
        typer.Option(metavar="URL", help="Request URL that the local Slack sends clicks to."),
    ] = "http://127.0.0.1:3000/slack/events",
    env_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the settings for `nod run` to this file.")
    ] = None,
) -> None:
    """Run the local platform and chats without the bot. Then you can try `nod run` with them."""
    from adapters.cli.demo import serve

    end(serve(port=port, request_url=request_url, env_file=env_file))


app.add_typer(audit)
app.add_typer(policy)


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
