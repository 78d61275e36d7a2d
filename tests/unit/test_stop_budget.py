"""What a stop waits for, one after another, fits into the time after which the process is ended."""

from __future__ import annotations

from adapters.chat.background import LAST_CALL
from adapters.runtime import GRACE as FLOW
from adapters.slack.socket import GOODBYE
from adapters.watch.watchdog import ENDS_WITHIN, LAST_WORD
from adapters.web import GRACE as FRONT

#: Seconds for the database, and for a machine that has other work.
MARGIN = 0.2


def test_all_bounds_of_a_stop_fit_into_its_time() -> None:
    """With everything hanging: the front, the flow, the socket, errands of two chats, answers of Teams."""
    waits = FRONT + FLOW + GOODBYE + 3 * LAST_CALL
    assert waits <= ENDS_WITHIN - LAST_WORD - MARGIN + 1e-9, waits
