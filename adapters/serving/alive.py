"""Asks, while a connection is silent, whether the other side is still there: a run may be silent for hours.

A side that vanished without a word (a lid was shut, a cable pulled) would otherwise keep its run open.
"""

from __future__ import annotations

import socket

#: Seconds of silence before the first question, and between the others; so many unanswered ones are the end.
IDLE, BETWEEN, MOST = 60, 15, 4

#: Options of a socket, as `setsockopt` takes them; the system's own times where it has no name for these.
ALIVE: list[tuple[int, int, int]] = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", IDLE), ("TCP_KEEPINTVL", BETWEEN), ("TCP_KEEPCNT", MOST))
        if hasattr(socket, name)
    ),
]


def keep_asking(connection: socket.socket) -> None:
    """Have the system do so on this connection."""
    for option in ALIVE:
        connection.setsockopt(*option)
