"""Who watches the watchers: alerts that outlive the database, a heartbeat to the outside, a watchdog within."""

from adapters.watch.alert_fallback import AlertFallback, open_alert_fallback
from adapters.watch.heartbeat import Heartbeat, open_heartbeat
from adapters.watch.spool import Spool
from adapters.watch.watchdog import (
    EXIT_CODE,
    LATE,
    NOD,
    PULSE_EVERY,
    LoopLiveness,
    Watchdog,
    end_within,
    watched,
)
from bot.alerts import SCHEDULER_DEAD

__all__ = [
    "EXIT_CODE",
    "LATE",
    "NOD",
    "PULSE_EVERY",
    "SCHEDULER_DEAD",
    "AlertFallback",
    "Heartbeat",
    "LoopLiveness",
    "Spool",
    "Watchdog",
    "end_within",
    "open_alert_fallback",
    "open_heartbeat",
    "watched",
]
