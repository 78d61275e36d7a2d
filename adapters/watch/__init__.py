"""Who watches the watchers: alerts that outlive the database, a heartbeat to the outside, a watchdog within."""

from adapters.watch.emergency import Emergency, open_emergency
from adapters.watch.heartbeat import Heartbeat, open_heartbeat
from adapters.watch.spool import Spool
from adapters.watch.watchdog import (
    EXIT_CODE,
    LATE,
    NOD,
    PULSE_EVERY,
    SCHEDULER_DEAD,
    Pulse,
    Watchdog,
    end_within,
    watched,
)

__all__ = [
    "EXIT_CODE",
    "LATE",
    "NOD",
    "PULSE_EVERY",
    "SCHEDULER_DEAD",
    "Emergency",
    "Heartbeat",
    "Pulse",
    "Spool",
    "Watchdog",
    "end_within",
    "open_emergency",
    "open_heartbeat",
    "watched",
]
