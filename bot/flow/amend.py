"""Updates pings after their requests have ended, so that old messages do not say "pending"."""

from __future__ import annotations

import structlog

from bot.errors import Forbidden, Gone
from bot.flow.chat_step import ChatStep
from bot.notifications import ended_ping
from bot.ports import Chat
from bot.records import Ping

#: Messages of one round: urgent work uses the chats' rate limits first, and the ticker comes back.
MOST = 20

log = structlog.get_logger()


class Amend(ChatStep):
    """Updates one message of a chat at a time; after a crash in between, the same update is sent again."""

    async def round(self) -> None:
        self._pool.look()
        for surface, chat in self._chats.items():
            if outdated := await self._store.outbox.outdated(surface, most=MOST):
                self._pool.take(surface, outdated[0].approvals[0].id, self._amend, chat, outdated)

    async def _amend(self, chat: Chat, outdated: tuple[Ping, ...]) -> None:
        for ping in outdated:
            try:
                await chat.amend(ended_ping(ping, policy=self._policy()), ping.channel, ping.ref)
            except (Gone, Forbidden) as error:  # nobody can read it any more, or it cannot be changed
                log.info("ping_not_amended", surface=ping.surface, reason=str(error))
            await self._store.outbox.amended(ping, at=self._clock())
            self._metrics.count("ping_amended")
