"""`nod audit …`: its commands and their options."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import audit, audit_export
from adapters.cli.running import ago, run_async
from adapters.periodic import folder_of
from adapters.settings import read_local_environment, read_policy_file
from bot.approval import Outcome
from bot.errors import ConfigError
from bot.ports import utc_now
from bot.redaction import Redaction
from bot.seal import Signing

app = typer.Typer(
    name="audit", help="Verify and export the audit log.", no_args_is_help=True, add_completion=False
)


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


@app.command("verify")
def verify_command(
    checkpoints: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Checkpoints kept outside the database; they reveal a deleted end."),
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A public key that the checkpoints can be signed with.")
    ] = None,
) -> None:
    """Verify the audit log and name the first invalid row."""
    environment = read_local_environment()
    secrets = environment.known_secrets()
    work = audit.verify(
        environment.database_url,
        checkpoints=checkpoints,
        keys=key or (),
        signing=Signing(*secrets) if secrets else None,
        retention=_sets_retention(environment.config),
    )
    raise typer.Exit(run_async(work))


def _sets_retention(config: Path) -> bool | None:
    """Whether the policy file sets a retention; None where there is no file to look at."""
    try:
        return read_policy_file(config).retention is not None
    except ConfigError:
        return None


@app.command("key")
def key_command() -> None:
    """Print the public key of the audit checkpoints."""
    environment = read_local_environment()
    path = environment.audit_key or folder_of(environment.database_url) / "nod-audit.key"
    raise typer.Exit(run_async(audit.key(path)))


@app.command("export")
def export_command(
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.JSONL,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="First seen at or after: 30d (ago) or a timestamp.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="First seen before: 12h (ago) or a timestamp.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Glob pattern, for example mail_*.")
    ] = None,
    tool: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Glob pattern, for example pay_*.")
    ] = None,
    person: Annotated[str | None, typer.Option(help="Who voted: handle, name, e-mail or account id.")] = None,
    decision: Annotated[Outcome | None, typer.Option(help="Outcome of the request.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file.")
    ] = None,
    with_arguments: Annotated[
        bool, typer.Option("--with-arguments", help="Include the arguments, redacted.")
    ] = False,
) -> None:
    """Export one line per approval, oldest first."""
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
        run_async(
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


def _moment(option: str, text: str | None) -> datetime | None:
    """A moment, or a length of time ago."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return utc_now() - ago(option, text, fix="Write it like 30d, or like 2026-03-01T09:00:00+00:00.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
