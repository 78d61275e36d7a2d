"""The commands, their options, and how mistakes are told."""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import answering, console, demo, relay, run, teams
from adapters.cli import check as checking
from adapters.cli import watch as watching
from adapters.cli.auto import recorded, with_auto_approval
from adapters.cli.doing import do
from adapters.cli.doors import audit_app, policy_app
from adapters.cli.manifest import WEBSITE, Chat, print_manifest
from adapters.logs import configure_logs
from adapters.settings import read_environment, read_local_environment, read_relay_environment
from bot.errors import ConfigError, NodError
from bot.protocol import HITLDecision

app = typer.Typer(
    name="nod",
    help="Brings the approvals that AI agents wait for to the people who may give them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(audit_app, name="audit")
app.add_typer(policy_app, name="policy")

RequestId = Annotated[
    str, typer.Argument(metavar="ID", help="The request's id, or at least its first 8 characters.")
]
Note = Annotated[str | None, typer.Option(help="What the agent is told with the answer.")]


@app.command("run")
def run_command(
    auto_approve: Annotated[
        int,
        typer.Option(
            "--auto-approve", count=True, help="Approve everything without asking, for CI; needs --log."
        ),
    ] = 0,
    log: Annotated[
        Path | None, typer.Option("--log", help="Where each event is written too, as a line of JSON.")
    ] = None,
    accept_rollback: Annotated[
        bool,
        typer.Option(
            "--accept-rollback", help="Go on with a database that ends before its last checkpoint; once."
        ),
    ] = False,
) -> None:
    """Run the bot until it is stopped."""
    environment = with_auto_approval(read_environment(), said=auto_approve, record=log, variables=os.environ)
    with ExitStack() as stack:
        record = stack.enter_context(recorded(log)) if log else None
        configure_logs(environment.log_format, record=record)
        do(run.run(environment, accept_rollback=accept_rollback))


@app.command("demo")
def demo_command(
    script: Annotated[bool, typer.Option("--script", help="Play the whole story and exit.")] = False,
    port: Annotated[
        int, typer.Option(help="Where the page is served; 0 takes a free port.", min=0, max=65535)
    ] = 8765,
) -> None:
    """Try Nod without any account: agents, a chat in the browser, and the bot between them."""
    if script:
        raise typer.Exit(do(demo.play()))
    do(demo.show(port=port))


@app.command("check")
def check_command(
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")] = False,
) -> None:
    """Check settings, platform, scopes, channels and the database; say what to do about each finding."""
    configure_logs("auto", level=logging.ERROR)  # the report says what the log would
    raise typer.Exit(do(checking.check(strict=strict)))


@app.command("pending")
def pending_command(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List what waits on the platform."""
    do(console.pending(read_environment(), as_json=as_json))


@app.command("watch")
def watch_command(
    interactive: Annotated[bool, typer.Option("--interactive", help="Show each call, and answer it.")] = False,
) -> None:
    """Show what waits on the platform, live, with the time that is left."""
    configure_logs("auto", level=logging.CRITICAL)  # the screen says what the log would
    raise typer.Exit(do(watching.watch(interactive=interactive)))


@app.command("approve")
def approve_command(
    request_id: RequestId,
    note: Note = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also a call that was cut or can be read in two ways.")
    ] = False,
) -> None:
    """Approve a request straight on the platform, with its API key."""
    _answer(request_id, HITLDecision.APPROVED, note, force=force)


@app.command("reject")
def reject_command(request_id: RequestId, note: Note = None) -> None:
    """Reject a request straight on the platform, with its API key."""
    _answer(request_id, HITLDecision.REJECTED, note)


@app.command("skip")
def skip_command(request_id: RequestId, note: Note = None) -> None:
    """Skip a request straight on the platform, with its API key: the agent goes on without the tool."""
    _answer(request_id, HITLDecision.SKIPPED, note)


def _answer(request_id: str, verdict: HITLDecision, note: str | None, *, force: bool = False) -> None:
    configure_logs("auto")
    work = answering.answer(read_environment(), request_id, verdict, note=note, force=force)
    raise typer.Exit(do(work))


@app.command("manifest")
def manifest_command(
    chat: Annotated[Chat, typer.Argument(help="The chat that Nod becomes an app of.")],
    out: Annotated[
        Path | None, typer.Option(help="A file in place of the screen; of Teams the package to upload.")
    ] = None,
    website: Annotated[str, typer.Option(help="A page about Nod in your company, for Teams.")] = WEBSITE,
) -> None:
    """Print what makes Nod an app of a chat: Slack's manifest, or the Teams app for MicrosoftAppId."""
    app_id = read_local_environment().microsoft_app_id
    print_manifest(chat, app_id=app_id, website=website, out=out)


@app.command("teams")
def teams_command() -> None:
    """List the conversations of Teams that Nod is in, by the names that nod.yaml can use."""
    raise typer.Exit(do(teams.conversations(read_local_environment().database_url)))


@app.command("relay")
def relay_command(
    host: Annotated[str, typer.Option(help="The address that the relay listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port; 0 takes a free one.", min=0, max=65535)] = 3001,
    bot: Annotated[
        str, typer.Option(help="Where `nod run` listens, to be told when to look.")
    ] = "http://127.0.0.1:3000",
) -> None:
    """Stand in front of the platform, change nothing, and have cards up as soon as a run waits."""
    environment = read_relay_environment()
    configure_logs(environment.log_format)
    do(relay.relay(environment, host=host, port=port, bot=bot))


@app.command("sandbox")
def sandbox_command(
    port: Annotated[
        int,
        typer.Option(
            help="Where the platform, the chat and the page are served; 0 takes a free port.", min=0, max=65535
        ),
    ] = 8765,
    request_url: Annotated[
        str, typer.Option(help="Where the local Slack sends clicks, as in a Slack app's settings.")
    ] = "http://127.0.0.1:3000/slack/events",
    env_file: Annotated[
        Path | None, typer.Option(help="Write the settings for `nod run` to this file.")
    ] = None,
) -> None:
    """The embedded platform and chat without the bot: for trying and testing `nod run` against them."""
    do(demo.serve(port=port, request_url=request_url, env_file=env_file))


def main() -> None:
    """The entry point: no traceback for what a person can mend."""
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
