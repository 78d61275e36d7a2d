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
)
from bot.ports import utc_now

app = typer.Typer(
    name="policy", help="Try a policy before it is in force.", no_args_is_help=True, add_completion=False
)


@app.command("test")
def test_command(
    request: Annotated[Path, typer.Argument(help="A request as the platform lists it, in a JSON file.")],
) -> None:
    """Print what the policy makes of a request: route, approvers, ladder, automatic answer."""
    environment = read_local_environment()
    work = policy.test(request, path=environment.config, auto_approve=environment.auto_approve, now=utc_now())
    raise typer.Exit(run_async(work))


@app.command("lint")
def lint_command(
    offline: Annotated[bool, typer.Option("--offline", help="Ask no chat who can be found.")] = False,
) -> None:
    """Prove that each route has enough reachable approvers; name dead routes and missing people."""
    configure_logs("auto", level=logging.ERROR)  # the report says what the log would
    if offline:
        local = read_local_environment()
        work = policy.lint(path=local.config, auto_approve=local.auto_approve, now=utc_now())
    else:
        work = _lint_online(read_environment())
    raise typer.Exit(run_async(work))


@app.command("replay")
def replay_command(
    file: Annotated[Path | None, typer.Argument(help="The new policy; without it, NOD_CONFIG's.")] = None,
    since: Annotated[str, typer.Option(help="How far back, such as 30d.")] = "30d",
) -> None:
    """Run the history through a policy file and print what would have changed."""
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
