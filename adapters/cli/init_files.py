"""What `nod init` writes: a policy for people to read and extend, and the secrets beside it.

Both files appear complete and together, or not at all. An existing file is replaced only on request.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.cli.env_file import NAME, parsed
from bot.errors import ConfigError
from bot.surface import Destination

#: Names of groups in the file; no person gets them.
APPROVERS = "approvers"

_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,~-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approver:
    """A person as nod.yaml names them: by e-mail, or by their id in the chat."""

    name: str
    email: str | None = None
    slack: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where cards or alerts go, with the name that people use for it."""

    at: Destination
    name: str


def policy_text(*, cards: Place, alerts: Place, approvers: Sequence[Approver]) -> str:
    """nod.yaml: one route for everything, one group of approvers, a ping at half time."""
    people = dict(zip(_handles(approvers), approvers, strict=True))
    lines = [
        "# Written by nod init. `nod check` checks this file; a running bot picks up changes by itself.",
        "people:",
        *(f"  {handle}: {_person(person)}" for handle, person in people.items()),
        "",
        "groups:",
        f"  {APPROVERS}: [{', '.join(people)}]",
        "",
        "routes:  # the first route that matches a request takes it; add yours above the default",
        "  - name: default",
        "    match: {}",
        f"    cards: [{_quoted(str(cards.at))}]  # {_comment(cards.name)}",
        f"    approvers: [{APPROVERS}]",
        "    ladder:",
        f"      - {{at: 50%, do: ping, who: [{APPROVERS}]}}",
        "",
        f"alerts: [{_quoted(str(alerts.at))}]  # {_comment(alerts.name)}",
    ]
    return "".join(f"{line}\n" for line in lines)


def env_text(values: Mapping[str, str]) -> str:
    """nod.env, in a form that systemd and docker compose read the same way.

    Raises ConfigError for a value that would be read as a different one, or as a separate line.
    """
    head = "# Written by nod init. This file contains secrets: do not commit it. Every nod command reads it.\n"
    for name, value in values.items():
        if not value.isprintable() or parsed(f"{name}={_assigned(value)}", path=Path(NAME)) != {name: value}:
            what = f"contains a character that {NAME} cannot hold"
            raise ConfigError(name, what, "Copy it again, on one line and without quotes.")
    return head + "".join(f"{name}={_assigned(value)}\n" for name, value in values.items())


def write_files(files: Mapping[Path, tuple[str, int]], *, force: bool) -> None:
    """Each path with its text and mode, all of them or none. Raises ConfigError."""
    check_absent(files, force=force)
    sqlite_template: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    try:
        for path, (text, mode) in files.items():
            sqlite_template.append((_beside(path, text, mode), path))
        for new, path in sqlite_template:
            if force:
                new.replace(path)
            else:
                path.hardlink_to(new)  # fails if another process wrote one meanwhile
                placed.append(path)
    except OSError as error:
        for path in placed:
            path.unlink(missing_ok=True)
        where = str(error.filename2 or error.filename or next(iter(files)))
        what = f"cannot be written ({error.strerror})"
        raise ConfigError(where, what, "Choose a writable folder.") from None
    finally:
        for new, _ in sqlite_template:
            new.unlink(missing_ok=True)


def check_absent(files: Iterable[Path], *, force: bool) -> None:
    """Raises ConfigError for the first existing file that must not be replaced."""
    for path in files:
        if not force and os.path.lexists(path):
            raise ConfigError(str(path), "already exists", "Keep it, or replace both files with --force.")


def _beside(path: Path, text: str, mode: int) -> Path:
    """The text in a new file in the same folder, on the disk. Raises OSError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    return new


def _handles(approvers: Sequence[Approver]) -> list[str]:
    """A short handle for each, from their name: `ann`, then `ann2`; never one that YAML reads as no text."""
    taken: list[str] = [APPROVERS]
    for person in approvers:
        plain = unicodedata.normalize("NFKD", (person.email or person.name).partition("@")[0])
        first = re.split(r"[^a-z0-9]+", plain.encode("ascii", "ignore").decode().casefold().strip(" ._-"))[0]
        base = "person" if first.isdigit() or not first or first in _YAML_WORDS else first
        number = 1 + sum(1 for name in taken if name.rstrip("0123456789") == base)
        taken.append(base if number == 1 else f"{base}{number}")
    return taken[1:]


def _person(person: Approver) -> str:
    fields = {"name": person.name, "email": person.email, "slack": None if person.email else person.slack}
    return "{" + ", ".join(f"{key}: {_quoted(value)}" for key, value in fields.items() if value) + "}"


def _comment(text: str) -> str:
    """On one line, so that it stays a comment."""
    return "".join(char if char.isprintable() else " " for char in text)


def _quoted(text: str) -> str:
    """As a YAML string, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)


def _assigned(value: str) -> str:
    if _PLAIN.fullmatch(value) or "'" in value:
        return value
    return f"'{value}'"  # nothing in it is replaced
