"""Whether another bot has sockets of our Slack app token: then Slack gives it some of our clicks."""

from __future__ import annotations

import structlog

from bot.audit import Fact
from bot.errors import Unavailable
from bot.ports import Clock
from bot.records import Alert
from bot.store import Store

#: The rows of the audit that say how many sockets there are.
SOCKETS = "sockets_counted"
#: What the alert is about, and its cause.
ABOUT, SHARED = "socket:slack", "socket-shared"

log = structlog.get_logger()


class SharedToken:
    """Records what Slack counts, and alerts while others have sockets of ours."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._noted: int | None = None

    async def counted(self, sockets: int, others: int, stay: bool) -> None:
        """So many are open, so many of them are not ours; `stay`: they were there a minute ago, too.

        One process has a database, and one socket, so others are of somebody else's.
        """
        log.info("sockets_counted", open=sockets, others=others)
        try:
            if others != self._noted:
                body = {"open": sockets, "others": others}
                await self._store.journal.note(Fact(kind="sockets_counted", at=self._clock(), body=body))
                self._noted = others
            if others and stay:
                await self._store.alerts.raise_(self._alert(others))
            elif not others:
                await self._store.alerts.resolve(ABOUT, cause=SHARED, how="the socket is the only one")
        except Unavailable as error:
            log.warning("sockets_not_noted", reason=str(error))

    def _alert(self, others: int) -> Alert:
        """What an operator does about it."""
        what = "1 socket" if others == 1 else f"{others} sockets"
        text = (
            f"Slack counts {what} of SLACK_APP_TOKEN that this bot did not open. Another process uses the "
            "token and gets some of the clicks, which are lost here. Stop it, or give it an app of its own."
        )
        return Alert(approval_id=ABOUT, cause=SHARED, text=text, raised_at=self._clock())
