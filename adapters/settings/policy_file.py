"""nod.yaml: one reviewed file that says where cards show, who may decide, and what needs nobody."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr, ValidationError

from adapters.settings.checks import check
from adapters.settings.conversion import elsewhere_of, policy_of
from adapters.settings.destinations import PagerAddress, Told, alerts_of, workflows_of
from adapters.settings.lines import Lines, Place, parse_yaml
from adapters.settings.models import FileText, SourcesText, json_schema
from adapters.settings.problems import Problems, in_file
from adapters.settings.sources import SourceAddress, sources_of
from bot.callbacks import CallOutcome
from bot.errors import ConfigError
from bot.policy import Policy
from bot.ports import GroupRef
from bot.surface import Destination

#: Bytes of the largest policy file; more is no policy that anybody reviewed.
LARGEST_FILE = 1_000_000
#: Hex digits of a policy's version: 48 bits, enough to tell the versions of one file apart.
VERSION_DIGITS = 12
#: Behind the version of a policy that is in force together with auto-approval.
AUTO_MARK = "+auto-approve"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """The file's contents as the core's own values."""

    policy: Policy  #: with the people of groups that are kept elsewhere still missing
    poll_every: timedelta
    sources: tuple[SourceAddress, ...]  #: the platforms beside that of the environment
    places: Mapping[Destination, str]  #: every channel that it names, with the line where it first does
    workflows: Mapping[str, SecretStr]  #: the addresses of those `teams:` places that are only told
    pagers: tuple[PagerAddress, ...]  #: who is told of alerts beside the policy's channels
    hooks: tuple[str, ...]  #: `module:function`, called for what cannot be recovered
    elsewhere: Mapping[str, tuple[GroupRef, ...]]  #: group -> external groups that belong to it
    calendar_hosts: tuple[str, ...]  #: the only hosts that calendars are read from
    retention: timedelta | None  #: how long the audit is kept; None: for ever


def read_policy_file(path: Path, *, auto_approve: bool = False) -> PolicyFile:
    """The policy in a file; `auto_approve` is what GLAIP_HITL_AUTO_APPROVE says.

    Variables under `alerts` and `workflows` are replaced from the environment of the process.

    Raises ConfigError with the line, what is wrong there and how to fix it; and nothing else, whatever the
    file holds: it is read in a running bot, too.
    """
    caught = CallOutcome()
    with caught:
        return _read(path, auto_approve=auto_approve)
    if isinstance(caught.error, ConfigError):
        raise caught.error
    raise ConfigError(str(path), "cannot be used", "Undo the last change to the file.") from None


def _read(path: Path, *, auto_approve: bool) -> PolicyFile:
    content = _content(path)
    value, lines = parse_yaml(content, path)
    problems = Problems()
    try:
        file = FileText.model_validate(value)
    except ValidationError as error:
        problems.add(in_file(error, lines, schema=json_schema()))
        raise problems.together() from None
    problems.attempt(lambda: check(file, lines, auto_approve=auto_approve))
    told = problems.attempt(lambda: alerts_of(file.alerts, lines))
    workflows = problems.attempt(lambda: workflows_of(file.workflows, lines))
    sources = problems.attempt(lambda: sources_of(file, lines, folder=path.parent))
    if told is None or workflows is None or sources is None or problems:
        raise problems.together()
    version = hashlib.sha256(content).hexdigest()[:VERSION_DIGITS] + (AUTO_MARK if auto_approve else "")
    return PolicyFile(
        policy=policy_of(
            file,
            lines,
            folder=path.parent,
            alerts=tuple(told.channels),
            version=version,
            auto_approve=auto_approve,
        ),
        poll_every=file.poll_every,
        sources=sources,
        places=_places(file, lines, told),
        workflows=workflows,
        pagers=told.pagers,
        hooks=tuple(file.on_unrecoverable_error),
        elsewhere=elsewhere_of(file),
        calendar_hosts=tuple(dict.fromkeys(host.casefold() for host in file.calendar_hosts)),
        retention=file.retention,
    )


def read_sources(path: Path) -> tuple[SourceAddress, ...]:
    """Only the sources of a policy file, whatever else is wrong with it. Raises ConfigError."""
    value, lines = parse_yaml(_content(path), path)
    some = value.get("sources", {}) if isinstance(value, dict) else {}
    try:
        file = SourcesText.model_validate({"sources": some})
    except ValidationError as error:
        problems = Problems()
        problems.add(in_file(error, lines, schema=json_schema()))
        raise problems.together() from None
    return sources_of(file, lines, folder=path.parent)


def _content(path: Path) -> bytes:
    """What is in the file, which must be one: a pipe would be waited for, and be empty at the next look."""
    fix = "Create it with `nod init`, or set NOD_CONFIG to your nod.yaml."
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise ConfigError(str(path), "cannot be read (not a file)", fix)
            content = opened.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise ConfigError(str(path), "does not exist", fix) from None
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})", fix) from None
    if len(content) > LARGEST_FILE:
        raise ConfigError(str(path), f"is larger than {LARGEST_FILE} bytes", fix)
    return content


def _places(file: FileText, lines: Lines, told: Told) -> Mapping[Destination, str]:
    found: dict[Destination, str] = {}
    for number, route in enumerate(file.routes):
        lists: list[tuple[Place, list[Destination]]] = [(("routes", number, "cards"), route.cards)]
        for rung_number, rung in enumerate(route.ladder):
            lists.append((("routes", number, "ladder", rung_number, "cards"), rung.cards))
        for place, cards in lists:
            for index, card in enumerate(cards):
                found.setdefault(card, lines.where((*place, index)))
    return {**told.channels, **found}
