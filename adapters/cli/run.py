"""`nod run`: the bot, until it is told to stop."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer

from adapters.app import open_nod
from adapters.cli.auto import recorded, with_auto_approval
from adapters.cli.env_file import read_by
from adapters.cli.running import run_async, stop_signal
from adapters.logs import configure_logs
from adapters.settings import Environment, read_settings
from adapters.watch import end_within

app = typer.Typer(add_completion=False)
log = structlog.get_logger()


async def run(environment: Environment, *, accept_rollback: bool = False) -> None:
    """Run until SIGINT or SIGTERM, and end in time whatever hangs; a second one ends the process at once."""
    for name in environment.in_the_clear():
        log.warning("plain_http_is_allowed", variable=name, effect="it can be read and changed on the way")
    stop = stop_signal(end_within)
    async with open_nod(environment, accept_rollback=accept_rollback):
        await stop.wait()


@app.command("run")
def run_command(
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
    approving = partial(with_auto_approval, said=auto_approve, record=record, variables=os.environ)
    environment = approving(read_settings(approving).environment)
    with ExitStack() as stack:
        events = stack.enter_context(recorded(record)) if record else None
        configure_logs(environment.log_format, level=environment.log_level, record=events)
        if found := read_by(context):
            log.info("env_file_read", path=str(found.path), overridden=found.overridden)
        run_async(run(environment, accept_rollback=accept_rollback))
