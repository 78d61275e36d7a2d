"""`nod policy …`: its commands and their options."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from adapters.app import group_keepers, schedule_keepers
from adapters.cli import policy
from adapters.cli.read_only_chats import directories_of
from adapters.cli.running import ago, run_async
from adapters.logs import configure_logs
from adapters.settings import (
    Environment,
    check_schedule_keys,
    read_chats,
    read_environment,
    read_local_environment,
    read_policy_file,
    schema_text,
)
from bot.ports import utc_now

app = typer.Typer(
    name="policy", help="Test, lint and replay nod.yaml.", no_args_is_help=True, add_completion=False
)


@app.command("test")
def test_command(
    request: Annotated[
        Path, typer.Argument(metavar="FILE", help="A request in JSON, as the platform lists it.")
    ],
) -> None:
    """Show what nod.yaml does with a request: route, approvers, escalation, automatic answer."""
    environment = read_local_environment()
    work = policy.test(request, path=environment.config, auto_approve=environment.auto_approve, now=utc_now())
    raise typer.Exit(run_async(work))


@app.command("lint")
def lint_command(
    offline: Annotated[bool, typer.Option("--offline", help="Do not query Slack or Teams.")] = False,
) -> None:
    """Check that every route has enough reachable approvers; list dead routes and unknown people."""
    configure_logs("auto", level=logging.ERROR)  # the report says what the log would
    if offline:
        local = read_local_environment()
        work = policy.lint(path=local.config, auto_approve=local.auto_approve, now=utc_now())
    else:
        work = _lint_online(read_environment())
    raise typer.Exit(run_async(work))


@app.command("replay")
def replay_command(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The new policy file (default: the one in NOD_CONFIG)."),
    ] = None,
    since: Annotated[str, typer.Option(metavar="AGO", help="How far back to look, for example 30d.")] = "30d",
) -> None:
    """Run past requests through a policy file and show what would change."""
    environment = read_local_environment()
    work = policy.replay(
        database_url=environment.database_url,
        path=environment.config,
        new=file,
        since=ago("--since", since),
        auto_approve=environment.auto_approve,
        now=utc_now(),
    )
    raise typer.Exit(run_async(work))


@app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of nod.yaml, for editors."""
    print(schema_text(), end="")


async def _lint_online(environment: Environment) -> int:
    file = read_policy_file(environment.config, auto_approve=environment.auto_approve)
    check_schedule_keys(environment, file.policy)
    async with AsyncExitStack() as stack:
        chats = read_chats(environment, file)
        directories, slack = await directories_of(chats, environment, stack)
        return await policy.lint(
            path=environment.config,
            auto_approve=environment.auto_approve,
            now=utc_now(),
            directories=directories,
            groups=await group_keepers(environment, slack, stack),
            schedules=await schedule_keepers(environment, file, stack),
        )
