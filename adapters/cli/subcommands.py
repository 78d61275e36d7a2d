"""`nod audit …` and `nod policy …`: their commands and options. Each imports its work when it is called."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.frame import PlainCommand, PlainGroup, end
from bot.approval import Outcome

group = partial(typer.Typer, cls=PlainGroup, no_args_is_help=True, rich_markup_mode=None)
audit = group(name="audit", help="Verify and export the audit log.")
audit_command = partial(audit.command, cls=PlainCommand)
policy = group(name="policy", help="Test, lint and replay nod.yaml.")
policy_command = partial(policy.command, cls=PlainCommand)


class Format(StrEnum):
    """The format of an export."""

    JSONL = "jsonl"
    CSV = "csv"


@audit_command("verify")
def _verify(
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Checkpoint file, with which Nod can tell whether the last rows were deleted.",
        ),
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Public key that you trust to sign checkpoints.")
    ] = None,
) -> None:
    """Verify the audit log and name the first invalid row."""
    from adapters.cli.audit import sets_retention, verify
    from adapters.settings import read_local_environment
    from bot.seal import Signing

    environment = read_local_environment()
    secrets = environment.known_secrets()
    end(
        verify(
            environment.database_url,
            checkpoints=checkpoints,
            keys=key or (),
            signing=Signing(*secrets) if secrets else None,
            retention=sets_retention(environment.config),
        )
    )


@audit_command("key")
def _key() -> None:
    """Print the public key of the audit checkpoints."""
    from adapters.cli.audit import key
    from adapters.periodic import folder_of
    from adapters.settings import read_local_environment

    environment = read_local_environment()
    end(key(environment.audit_key or folder_of(environment.database_url) / "nod-audit.key"))


@audit_command("export")
def _export(
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
    from adapters.cli.audit_export import Filter, export
    from adapters.cli.running import moment
    from adapters.settings import read_local_environment, read_policy_file
    from bot.redaction import Redaction

    environment = read_local_environment()
    only = Filter(
        since=moment("--since", since),
        until=moment("--until", until),
        agent=agent,
        tool=tool,
        person=person,
        decision=decision,
    )
    end(
        export(
            environment.database_url,
            form=form.value,
            only=only,
            output=output,
            with_arguments=with_arguments,
            redaction=read_policy_file(environment.config).policy.redaction if with_arguments else Redaction(),
        )
    )


@policy_command("test")
def _test(
    request: Annotated[
        Path, typer.Argument(metavar="FILE", help="A request in JSON, as the platform lists it.")
    ],
) -> None:
    """Show what nod.yaml does with a request: route, approvers, escalation, automatic answer."""
    from adapters.cli.policy import test
    from adapters.settings import read_local_environment
    from bot.ports import utc_now

    environment = read_local_environment()
    end(test(request, path=environment.config, auto_approve=environment.auto_approve, now=utc_now()))


@policy_command("lint")
def _lint(
    offline: Annotated[bool, typer.Option("--offline", help="Do not query Slack or Teams.")] = False,
) -> None:
    """Check that every route has enough reachable approvers; list dead routes and unknown people."""
    from adapters.cli.policy import lint, lint_online
    from adapters.settings import read_environment, read_local_environment
    from bot.ports import utc_now

    if not offline:
        end(lint_online(read_environment()))
    local = read_local_environment()
    end(lint(path=local.config, auto_approve=local.auto_approve, now=utc_now()))


@policy_command("replay")
def _replay(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The new policy file (default: the one in NOD_CONFIG)."),
    ] = None,
    since: Annotated[str, typer.Option(metavar="AGO", help="How far back to look, for example 30d.")] = "30d",
) -> None:
    """Run past requests through a policy file and show what would change."""
    from adapters.cli.policy import replay
    from adapters.cli.running import ago
    from adapters.settings import read_local_environment
    from bot.ports import utc_now

    environment = read_local_environment()
    end(
        replay(
            database_url=environment.database_url,
            path=environment.config,
            new=file,
            since=ago("--since", since),
            auto_approve=environment.auto_approve,
            now=utc_now(),
        )
    )


@policy_command("schema")
def _schema() -> None:
    """Print the JSON Schema of nod.yaml, for editors."""
    from adapters.settings import schema_text

    print(schema_text(), end="")
