"""Auto-approval in `nod run`, by option or variable: for CI, on record, and what keeps it from production."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from adapters.settings import Environment
from adapters.settings.variables import LOOPBACK
from bot.errors import ConfigError

if TYPE_CHECKING:
    from io import RawIOBase

    from structlog.types import EventDict

#: Where deployments say what they are, by the usual names.
STAGES = ("NOD_ENV", "AIP_ENV", "ENVIRONMENT", "ENV", "APP_ENV", "DEPLOY_ENV", "STAGE")
#: How such a value begins where it matters.
_PRODUCTION = ("prod", "prd", "live")
#: The variable that says so, too; the platform's own client reads it as well.
VARIABLE = "GLAIP_HITL_AUTO_APPROVE"
#: How often it must be said where it matters.
ENOUGH = 2


def signs_of_production(url: str, *, variables: Mapping[str, str]) -> tuple[str, ...]:
    """What looks like production, in words: a variable that says so, or a platform on another machine."""
    signs = [
        f"{name} says so"
        for name in STAGES
        if variables.get(name, "").strip().casefold().startswith(_PRODUCTION)
    ]
    if urlsplit(url).hostname not in LOOPBACK:
        signs.append("AIP_API_URL is another machine")
    return tuple(signs)


def with_auto_approval(
    environment: Environment, *, said: int, record: Path | None, variables: Mapping[str, str]
) -> Environment:
    """The settings with everything approved, where somebody said so; else as they are.

    It is said by GLAIP_HITL_AUTO_APPROVE, which counts once, and by each `--auto-approve`, which `said` counts.
    Raises ConfigError without a record, and where it looks like production and was said once.
    """
    times = said + environment.auto_approve
    if not times:
        return environment
    where = "--auto-approve" if said else VARIABLE
    if record is None:
        fix = "Add --log FILE: every approval that nobody gave is written there."
        raise ConfigError(where, "needs a record", fix)
    signs = signs_of_production(environment.aip_api_url, variables=variables)
    if signs and times < ENOUGH:
        fix = "Whoever means it says it twice: --auto-approve --auto-approve, or the variable and the option."
        raise ConfigError(where, f"this looks like production ({'; '.join(signs)})", fix)
    return environment.model_copy(update={"auto_approve": True})


class Record:
    """Each event as one line of JSON, before it goes on to where logs go (a structlog processor)."""

    def __init__(self, file: RawIOBase, *, stop: Callable[[], None]) -> None:
        """Into this file, which the caller closes; `stop` ends the bot when it cannot be written."""
        self._file, self._stop = file, stop
        self.broken: OSError | None = None

    def __call__(self, logger: object, method: str, event: EventDict) -> EventDict:
        """Write it. Where that fails the bot is told to stop: nothing is approved without a record."""
        line = {name: value for name, value in event.items() if name not in ("exc_info", "stack_info")}
        try:
            self._file.write(json.dumps(line, default=str).encode() + b"\n")
        except OSError as error:
            if self.broken is None:
                self.broken = error
                self._stop()
        return event


def _stop() -> None:
    signal.raise_signal(signal.SIGTERM)


@contextmanager
def recorded(path: Path, *, stop: Callable[[], None] = _stop) -> Iterator[Record]:
    """A record at the end of this file. Raises ConfigError when it cannot be written, now or later."""
    fix = "Name a file in a folder that is there and can be written."
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise ConfigError("--log", f"{path} cannot be written ({error.strerror})", fix) from error
    with file:
        record = Record(file, stop=stop)
        yield record
    if record.broken is not None:
        raise ConfigError("--log", f"{path} could not be written ({record.broken.strerror})", fix)
