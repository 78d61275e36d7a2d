"""What all commands share: how help looks (plain text, value names instead of types) and how work is run.

It imports nothing that help does not need.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Iterable
from typing import Any, NoReturn

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

#: The level of the log for a command that prints everything itself.
SILENT = logging.CRITICAL


def end(work: Coroutine[Any, Any, int | None], *, logs: int = logging.ERROR) -> NoReturn:
    """Run this to its end with the log from this level on, and exit with its code. Raises NodError."""
    from adapters.cli.running import run_async
    from adapters.logs import configure_logs

    configure_logs("auto", level=logs)
    raise typer.Exit(run_async(work) or 0)


class PlainCommand(TyperCommand):
    """A command whose help names its values: `--output FILE`."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """As typer makes it, without its markup."""
        super().__init__(*args, **settings | {"rich_markup_mode": None})

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, with flags that are False until they are given."""
        return _with_false(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`[OPTIONS] ID [FILE]`."""
        arguments = (one for one in self.get_params(ctx) if isinstance(one, TyperArgument))
        pieces = (_name_of(one, ctx) if one.required else f"[{_name_of(one, ctx)}]" for one in arguments)
        return ["[OPTIONS]", *pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options."""
        _write(self.get_params(ctx), ctx, formatter)


class PlainGroup(TyperGroup):
    """Commands under one name, listed by the first sentence of their help."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """As typer makes it, without its markup."""
        super().__init__(*args, **settings | {"rich_markup_mode": None})

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, with flags that are False until they are given."""
        return _with_false(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Commands, then options."""
        self.format_commands(ctx, formatter)
        _write(self.get_params(ctx), ctx, formatter)


def _with_false(params: list[Any]) -> list[Any]:
    """For a flag that is None, typer imports pydantic to find its type, which takes longer than any help."""
    for one in params:
        if getattr(one, "is_flag", False) and one.default is None:
            one.default = False
    return params


def _write(params: Iterable[Any], ctx: Any, formatter: Any) -> None:
    rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for param in params:
        record = param.get_help_record(ctx)
        if record is not None:
            title = "Options" if isinstance(param, TyperOption) else "Arguments"
            rows[title].append((_name_of(param, ctx), record[1]))
    for title, records in rows.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def _name_of(param: TyperOption | TyperArgument, ctx: Any) -> str:
    """`ID`, `-o, --output FILE`, `--format jsonl|csv`, or the flag alone."""
    choices = param.display_type(ctx)[1:-1] if param.type_descriptor.is_choice else None
    value = param.metavar or choices or param.name.upper()
    if isinstance(param, TyperArgument):
        return value
    flags = ", ".join(sorted((*param.opts, *param.secondary_opts), key=lambda flag: flag.startswith("--")))
    return flags if param.is_flag or param.count else f"{flags} {value}"
