"""nod.env: `nod init` writes the secrets to it, and every command that needs them reads it.

`NAME=value` lines, as systemd and docker compose read them. Variables of the environment win, so a value can be
changed for one run. A file that other users can read or change is refused: it holds tokens.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.errors import ConfigError

#: The default name; Nod looks for it beside nod.yaml.
NAME = "nod.env"
#: Bytes; a larger file holds no settings.
LARGEST = 100_000
#: Where a command's context keeps which file was read.
READ = "adapters.cli.env_file"

_LINE = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=(.*)", re.DOTALL)
_QUOTES = ("'", '"')


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFile:
    """A file that was read."""

    path: Path
    taken: tuple[str, ...]  #: variables that it set
    overridden: tuple[str, ...]  #: variables that the environment already had


def load(given: Path | None, variables: MutableMapping[str, str]) -> EnvFile | None:
    """Set the file's variables that `variables` does not have yet.

    Without `given`, it reads nod.env beside nod.yaml if this user can read one: under systemd the variables are
    already set and the file belongs to root. Raises ConfigError.
    """
    path = given or Path(variables.get("NOD_CONFIG") or "nod.yaml").parent / NAME
    try:
        found = read(path)
    except FileNotFoundError as error:
        if given is None:
            return None
        raise _unreadable(path, error) from None
    except OSError as error:
        if given is not None or not isinstance(error, PermissionError):
            raise _unreadable(path, error) from None
        print(f"nod: this user cannot read {path}, so Nod ignores it", file=sys.stderr)
        return None
    taken = tuple(name for name in found if not variables.get(name))
    variables.update({name: found[name] for name in taken})
    return EnvFile(path=path, taken=taken, overridden=tuple(name for name in found if name not in taken))


def read(path: Path) -> dict[str, str]:
    """The variables in a file. Raises OSError, or ConfigError for an invalid file or one open to others."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
        _check(path, os.fstat(opened.fileno()))
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ConfigError(str(path), f"is larger than {LARGEST} bytes", "Keep only NAME=value lines in it.")
    return parsed(content.decode("utf-8-sig", "replace"), path=path)


def parsed(text: str, *, path: Path) -> dict[str, str]:
    """The variables in the text of a file. Only a line feed ends a line, as in an editor and in systemd.

    Raises ConfigError.
    """
    found: dict[str, str] = {}
    for number, whole in enumerate(text.split("\n"), 1):
        line = whole.strip()
        if not line or line.startswith("#"):
            continue
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise ConfigError(
                f"{path}, line {number}", "is not NAME=value", "Correct the line, or begin it with #."
            )
        found[parts[1]] = _unquoted(parts[2].strip())
    return {name: value for name, value in found.items() if value}


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(str(path), "is not a file", "Give the path of your nod.env.")
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(str(path), "belongs to another user", "Make a copy that you own.")
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        do = "read" if mode & stat.S_IROTH else "changed"
        what = f"contains secrets and can be {do} by other users (mode {mode:04o})"
        raise ConfigError(str(path), what, f"Run: chmod 600 {path}")


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] in _QUOTES and value[0] == value[-1]:
        return value[1:-1]
    return value


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(str(path), f"cannot be read ({error.strerror})", "Check the path after --env-file.")


def add_option(command: Any) -> None:
    """Make a command, or each command of a group, read the file first."""
    for one in getattr(command, "commands", {}).values():
        add_option(one)
    if not hasattr(command, "commands"):
        command.params.append(_option())


@cache
def _option() -> Any:
    (option, *_) = typer.main.get_command(_reader).params
    option.expose_value = False
    return option


def read_by(context: typer.Context) -> EnvFile | None:
    """The file that this command has read."""
    found = context.meta.get(READ)
    return found if isinstance(found, EnvFile) else None


def _load(context: typer.Context, path: Path | None) -> None:
    if not context.resilient_parsing:
        context.meta[READ] = load(path, os.environ)


_reader = typer.Typer()


@_reader.command()
def _read(
    env_file: Annotated[
        Path | None,
        typer.Option(
            "--env-file",
            callback=_load,
            is_eager=True,
            show_default=False,
            metavar="FILE",
            help="Read settings from this file (default: nod.env beside nod.yaml).",
        ),
    ] = None,
) -> None:
    """The option, in typer's terms."""
