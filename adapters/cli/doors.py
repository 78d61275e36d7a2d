"""`nod audit …` and `nod policy …`: the options of both, as typer reads them."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from adapters.app import group_keepers, schedule_keepers, utc_now
from adapters.chores import folder_of
from adapters.cli import audit, audit_export, policy
from adapters.cli.doing import do
from adapters.cli.looking import directories_of
from adapters.logs import configure_logs
from adapters.settings import (
    Environment,
    check_schedule_keys,
    read_chats,
    read_environment,
    read_local_environment,
    read_policy_file,
)
from adapters.settings.words import duration
from bot.approval import Outcome
from bot.errors import ConfigError
from bot.redaction import Redaction
from bot.signing import Signing

audit_app = typer.Typer(help="The audit: prove it, export it.", no_args_is_help=True)
policy_app = typer.Typer(help="Try a policy before it is in force.", no_args_is_help=True)


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


@audit_app.command("verify")
def verify_command(
    checkpoints: Annotated[
        Path | None, typer.Option(help="Checkpoints that were kept elsewhere: shows a cut tail.")
    ] = None,
    key: Annotated[list[str] | None, typer.Option(help="A public key that may have signed them.")] = None,
) -> None:
    """Read the whole chain; name the first row that does not hold."""
    environment = read_local_environment()
    secrets = environment.known_secrets()
    work = audit.verify(
        environment.database_url,
        checkpoints=checkpoints,
        keys=key or (),
        signing=Signing(*secrets) if secrets else None,
        retention=_sets_retention(environment.config),
    )
    raise typer.Exit(do(work))


def _sets_retention(config: Path) -> bool | None:
    """Whether the policy file sets a retention; None where there is no file to look at."""
    try:
        return read_policy_file(config).retention is not None
    except ConfigError:
        return None


@audit_app.command("key")
def key_command() -> None:
    """Print the public key that checkpoints are signed with."""
    environment = read_local_environment()
    path = environment.audit_key or folder_of(environment.database_url) / "nod-audit.key"
    raise typer.Exit(do(audit.key(path)))


@audit_app.command("export")
def export_command(
    form: Annotated[Format, typer.Option("--format")] = Format.JSONL,
    since: Annotated[str | None, typer.Option(help="First seen from here on: 30d, or a moment.")] = None,
    until: Annotated[str | None, typer.Option(help="First seen before: a length ago, or a moment.")] = None,
    agent: Annotated[str | None, typer.Option(help="A glob.")] = None,
    tool: Annotated[str | None, typer.Option(help="A glob.")] = None,
    person: Annotated[str | None, typer.Option(help="Who voted: handle, name, address or account.")] = None,
    decision: Annotated[Outcome | None, typer.Option(help="How it was decided, or how it ended.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file in place of the screen.")
    ] = None,
    with_arguments: Annotated[bool, typer.Option(help="Write the arguments too, redacted.")] = False,
) -> None:
    """Write one line for each approval, oldest first."""
    environment = read_local_environment()
    only = audit_export.Filter(
        since=_moment("--since", since),
        until=_moment("--until", until),
        agent=agent,
        tool=tool,
        person=person,
        decision=decision,
    )
    redaction = read_policy_file(environment.config).policy.redaction if with_arguments else Redaction()
    raise typer.Exit(
        do(
            audit_export.export(
                environment.database_url,
                form=form.value,
                only=only,
                output=output,
                with_arguments=with_arguments,
                redaction=redaction,
            )
        )
    )


@policy_app.command("test")
def test_command(
    request: Annotated[Path, typer.Argument(help="A request as the platform lists it, in a JSON file.")],
) -> None:
    """Print what the policy makes of a request: route, approvers, ladder, automatic answer."""
    environment = read_local_environment()
    work = policy.test(request, path=environment.config, auto_approve=environment.auto_approve, now=utc_now())
    raise typer.Exit(do(work))


@policy_app.command("lint")
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
    raise typer.Exit(do(work))


@policy_app.command("replay")
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
        since=_length("--since", since),
        auto_approve=environment.auto_approve,
        now=utc_now(),
    )
    raise typer.Exit(do(work))


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


def _length(option: str, text: str, *, fix: str = "Write it like 30d or 12h.") -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise ConfigError(option, f"{text!r} {error}", fix) from None


def _moment(option: str, text: str | None) -> datetime | None:
    """A moment, or a length of time ago."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return utc_now() - _length(option, text, fix="Write it like 30d, or like 2026-03-01T09:00:00+00:00.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
