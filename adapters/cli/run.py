"""`nod run`: the bot, until it is stopped; for CI also with everything approved automatically, on record."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from adapters.app import open_nod
from adapters.cli.env_file import EnvFile
from adapters.cli.running import run_async, stop_signal
from adapters.logs import configure_logs
from adapters.plugins import read_settings
from adapters.settings import Environment
from adapters.settings.variables import LOOPBACK
from adapters.watch import end_within
from bot.errors import ConfigError

if TYPE_CHECKING:
    from io import RawIOBase

    from structlog.types import EventDict

#: New objects between two collections. Python's own number has them take 8 % of the CPU under load.
YOUNG = 10_000

log = structlog.get_logger()


async def run(environment: Environment, *, accept_rollback: bool = False) -> None:
    """Run until SIGINT or SIGTERM. A stop ends hung work in time; a second signal ends the process at once."""
    for name in environment.in_the_clear():
        log.warning(
            "plain_http_is_allowed",
            variable=name,
            effect="others on the network can read and change the traffic",
        )
    stop = stop_signal(end_within)
    async with open_nod(environment, accept_rollback=accept_rollback):
        gc.freeze()  # what is here stays: collections from now on pass over it
        gc.set_threshold(YOUNG)
        gc.enable()
        await stop.wait()


def start(*, auto_approve: int, record: Path | None, accept_rollback: bool, env_file: EnvFile | None) -> None:
    """Read the settings, configure the log, and run. `auto_approve` is how often it was said, see below."""
    approving = partial(with_auto_approval, said=auto_approve, record=record, variables=os.environ)
    environment = approving(read_settings(approving).environment)
    with ExitStack() as stack:
        events = stack.enter_context(recorded(record)) if record else None
        configure_logs(environment.log_format, level=environment.log_level, record=events)
        if env_file:
            log.info("env_file_read", path=str(env_file.path), overridden=env_file.overridden)
        run_async(run(environment, accept_rollback=accept_rollback))


#: Common variables that name the stage of a deployment.
STAGES = ("NOD_ENV", "AIP_ENV", "ENVIRONMENT", "ENV", "APP_ENV", "DEPLOY_ENV", "STAGE")
#: How the value of such a variable begins in production.
_PRODUCTION = ("prod", "prd", "live")
#: The variable that also approves everything; the platform's client reads it too.
VARIABLE = "GLAIP_HITL_AUTO_APPROVE"
#: How often it must be said in production.
ENOUGH = 2


def signs_of_production(url: str, *, variables: Mapping[str, str]) -> tuple[str, ...]:
    """What looks like production, in words: a variable, or a platform on another machine."""
    signs = [
        f"{name} says so"
        for name in STAGES
        if variables.get(name, "").strip().casefold().startswith(_PRODUCTION)
    ]
    if urlsplit(url).hostname not in LOOPBACK:
        signs.append("AIP_API_URL points to another machine")
    return tuple(signs)


def with_auto_approval(
    environment: Environment, *, said: int, record: Path | None, variables: Mapping[str, str]
) -> Environment:
    """The settings with everything approved, if requested; otherwise unchanged.

    GLAIP_HITL_AUTO_APPROVE requests it once, and each `--auto-approve` (counted in `said`) once more. Raises
    ConfigError without a record, and if it looks like production and was requested only once.
    """
    times = said + environment.auto_approve
    if not times:
        return environment
    where = "--auto-approve" if said else VARIABLE
    if record is None:
        fix = "Add --log FILE to record every automatic approval."
        raise ConfigError(where, "needs a record of what it approves", fix)
    signs = signs_of_production(environment.aip_api_url, variables=variables)
    if signs and times < ENOUGH:
        fix = "To confirm, give --auto-approve --auto-approve, or set the variable and give the option once."
        raise ConfigError(where, f"this looks like production ({'; '.join(signs)})", fix)
    return environment.model_copy(update={"auto_approve": True})


class Record:
    """Writes each event as one line of JSON before it goes to the log (a structlog processor)."""

    def __init__(self, file: RawIOBase, *, stop: Callable[[], None]) -> None:
        """Writes to this file, which the caller closes; `stop` ends the bot when it cannot be written."""
        self._file, self._stop = file, stop
        self.broken: OSError | None = None

    def __call__(self, logger: object, method: str, event: EventDict) -> EventDict:
        """Write it. If that fails the bot stops: nothing is approved without a record."""
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
    """A record appended to this file. Raises ConfigError when it cannot be written, now or later."""
    fix = "Choose a writable path."
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise ConfigError("--log", f"{path} cannot be written ({error.strerror})", fix) from error
    with file:
        record = Record(file, stop=stop)
        yield record
    if record.broken is not None:
        raise ConfigError("--log", f"{path} could not be written ({record.broken.strerror})", fix)
