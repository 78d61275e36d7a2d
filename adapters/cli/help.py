"""How help looks: plain text, value names instead of types, and no highlighter to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


class PlainCommand(TyperCommand):
    """A command whose help names its values: `--output FILE`."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """As typer makes it, without its markup."""
        super().__init__(*args, **settings | {"rich_markup_mode": None})

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

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Commands, then options."""
        self.format_commands(ctx, formatter)
        _write(self.get_params(ctx), ctx, formatter)


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
