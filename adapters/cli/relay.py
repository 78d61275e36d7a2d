"""`nod relay`: the reverse proxy in front of the platform, in a separate process.

So a restart, a busy loop or the watchdog of the bot does not affect any run.
"""

from __future__ import annotations

import structlog

from adapters.cli.running import run_async, stop_signal
from adapters.logs import configure_logs
from adapters.relay import open_relay, open_waker, serve_relay
from adapters.settings import RelayEnvironment, read_relay_environment
from adapters.settings.variables import guarded
from bot.errors import ConfigError

log = structlog.get_logger()


async def relay(environment: RelayEnvironment, *, host: str, port: int, bot: str) -> None:
    """Relay until SIGINT or SIGTERM, then until the open streams have ended; a second signal ends those.

    Raises ConfigError for a bot address that must not get the token, or a port that is taken.
    """
    try:
        guarded(bot)
    except ValueError as error:
        raise ConfigError("--bot", str(error), "Set it to the URL of `nod run`.") from error
    stop = stop_signal()
    async with (
        open_waker(bot, environment.relay_token.get_secret_value()) as waker,
        open_relay(environment.aip_api_url, wake=waker.ring, told=waker.tell) as app,
        serve_relay(app, host=host, port=port, keep_alive=environment.keep_alive) as address,
    ):
        log.info("relay_started", address=address)
        await stop.wait()
        log.info("relay_stopping")
    log.info("relay_stopped")


def start(*, host: str, port: int, bot: str) -> None:
    """Read the settings, configure the log, and relay."""
    environment = read_relay_environment()
    configure_logs(environment.log_format, level=environment.log_level)
    run_async(relay(environment, host=host, port=port, bot=bot))
