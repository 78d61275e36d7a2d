"""The platforms that Nod reads and answers: `glaip` from the environment, others under `sources:`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from adapters.settings.destinations import is_variable, replaced
from adapters.settings.environment import Environment
from adapters.settings.lines import Lines, Place
from adapters.settings.models import SourcesText, SourceText
from adapters.settings.problems import ALIKE, Problems
from adapters.settings.variables import cleaned, is_plain_http, web_address
from bot.errors import ConfigError
from bot.protocol import GLAIP

#: Bytes of the longest file with a key.
LONGEST_KEY_FILE = 10_000
_LIKE = "Give it like https://aip.eu.acme.example."


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAddress:
    """Where one platform is, and what lets Nod in."""

    name: str
    url: str
    key: SecretStr
    url_named: str = "AIP_API_URL"  #: the setting, for messages
    key_named: str = "AIP_API_KEY"
    kind: str = GLAIP
    every: timedelta | None = None  #: how often it is polled; None: as `poll_every` says
    where: str = field(default="", compare=False)  #: its line in nod.yaml


def environments_source(environment: Environment) -> SourceAddress:
    """`glaip`, the one that is always there."""
    return SourceAddress(name=GLAIP, url=environment.aip_api_url, key=environment.aip_api_key)


def all_sources(environment: Environment, more: tuple[SourceAddress, ...]) -> tuple[SourceAddress, ...]:
    """`glaip` and those of the file.

    Raises ConfigError for two with one address, and for one that would send its key in the clear.
    """
    problems, known = Problems(), environments_source(environment)
    owners = {_same(known.url): known.url_named}
    for one in more:
        owner = owners.setdefault(_same(one.url), one.url_named)
        if owner != one.url_named:
            what = f"{one.url_named} is the address of {owner} too"
            problems.add([ConfigError(one.where, what, "Remove one: each request would be asked twice.")])
        if is_plain_http(one.url) and not environment.allow_plain_http:
            what = f"{one.url_named} is http:// to another machine, so that its key could be read on the way"
            fix = "Use https://, or set NOD_ALLOW_PLAIN_HTTP=true if the network is safe."
            problems.add([ConfigError(one.where, what, fix)])
    if problems:
        raise problems.together()
    return (known, *more)


def check_kept(running: tuple[SourceAddress, ...], now: tuple[SourceAddress, ...], *, where: str) -> None:
    """Raises ConfigError if a running source has another name or address now, or none.

    It is polled until the next start, and rules that name it would take nothing of it any more.
    """
    there = {one.name: _same(one.url) for one in now}
    for one in running:
        if there.get(one.name) != _same(one.url):
            what = f"the source {one.name} was removed, renamed or moved while Nod is running"
            fix = "Restart Nod to change sources; until then it uses the last valid file."
            raise ConfigError(where, what, fix)


def sources_of(
    file: SourcesText, lines: Lines, *, folder: Path, variables: Mapping[str, str] | None = None
) -> tuple[SourceAddress, ...]:
    """Those of the file; key files are relative to `folder`, `variables` is the environment unless given.

    Raises ConfigError with the line of each that is wrong.
    """
    known = os.environ if variables is None else variables
    problems = Problems()
    if GLAIP in file.sources:
        what = f"sources.{GLAIP} is the platform of AIP_API_URL"
        where = lines.where(("sources", GLAIP))
        problems.add([ConfigError(where, what, "Give this one another name, or remove it.")])
    named = {name: source for name, source in file.sources.items() if name != GLAIP}
    found = [
        problems.attempt(partial(_source, name, source, lines, folder, known)) for name, source in named.items()
    ]
    if problems:
        raise problems.together()
    return tuple(one for one in found if one is not None)


def _source(
    name: str, source: SourceText, lines: Lines, folder: Path, known: Mapping[str, str]
) -> SourceAddress:
    place: Place = ("sources", name)
    named, problems = f"sources.{name}", Problems()
    url = problems.attempt(partial(_url, source.url, lines.where((*place, "url")), f"{named}.url"))
    by_file = source.key_file is not None
    if by_file == (source.key is not None):
        what = f"{named} needs either `key` or `key_file`"
        fix = "Write key: ${EU_PLATFORM_KEY}, with the name of your variable."
        problems.add([ConfigError(lines.where(place), what, fix)])
    setting = "key_file" if by_file else "key"
    where, said = lines.where((*place, setting)), f"{named}.{setting}"
    key = None if problems and by_file else problems.attempt(lambda: _key(source, where, said, folder, known))
    if problems or url is None or key is None:
        raise problems.together()
    return SourceAddress(
        name=name, url=url, key=SecretStr(key), url_named=f"{named}.url", key_named=said, kind=source.kind,
        every=source.poll_every, where=lines.where(place),
    )  # fmt: skip


def _url(text: str, where: str, named: str) -> str:
    """Whether it may be http:// to another machine, the environment says."""
    try:
        web_address(f"https://{text[7:]}" if text.startswith("http://") else text)
    except ValueError as error:
        raise ConfigError(where, f"{named} {error}", _LIKE) from None
    if urlsplit(text).query:
        raise ConfigError(where, f"{named} must be an address without a query", _LIKE)
    return text


def _key(source: SourceText, where: str, named: str, folder: Path, known: Mapping[str, str]) -> str:
    if source.key_file is not None:
        try:
            with (folder / source.key_file).open("rb") as opened:
                text = cleaned(opened.read(LONGEST_KEY_FILE).decode())
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            fix = "Name a file that holds the key alone and that Nod may read."
            raise ConfigError(where, f"{named} cannot be read ({why})", fix) from None
    elif source.key is None:
        return "-"
    elif not is_variable(source.key):
        what = f"{named}: the key must be a variable of the environment, as in ${{EU_PLATFORM_KEY}}"
        fix = "Put the key into an environment variable: many people can read this file."
        raise ConfigError(where, what, fix)
    else:
        text = replaced(source.key, where=where, named=named, known=known)
    if not text or not all("!" <= sign <= "~" for sign in text):
        what = f"{named} is empty or contains characters that a key cannot have"
        raise ConfigError(where, what, "Copy the key again.")
    return text


def _same(url: str) -> tuple[str, str | None, int | None, str]:
    """Two addresses of one platform are the same, however they are written."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")


def unknown_source(text: str, names: tuple[str, ...]) -> tuple[str, str]:
    """What is wrong with a name that no source has, and what to do."""
    near = get_close_matches(text, names, n=1, cutoff=ALIKE)
    fix = f"Did you mean {near[0]}?" if near else f"The sources are {', '.join(names)}."
    return f"no source is called {text!r}", fix
