"""Opens the pagers that are services on the network: one client for all of them, closed with them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from adapters.http import open_client
from adapters.pagers.exchange import LIMIT, Exchange
from adapters.pagers.services import OpsgeniePager, PagerDutyPager, WebhookPager
from bot.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from bot.ports import Clock, Pager


@asynccontextmanager
async def open_pagers(
    named: Iterable[tuple[str, str]],
    *,
    webhook_secret: str | None,
    pagerduty_url: str,
    opsgenie_url: str,
    clock: Clock,
    limit: float = LIMIT,
) -> AsyncIterator[dict[str, Pager]]:
    """The pagers by their names, for pairs of a kind (`webhook`, `pagerduty`, `opsgenie`) and address or key.

    The same pair twice is one pager; `limit` is in seconds, of one POST. Nothing is sent yet. Raises
    ConfigError for a webhook without a secret, whose alerts anybody could forge.
    """
    async with open_client(timeout=limit) as client:
        exchange = Exchange(client=client, clock=clock, limit=limit)

        def made(kind: str, value: str) -> Pager:
            match kind:
                case "pagerduty":
                    return PagerDutyPager(value, url=pagerduty_url, exchange=exchange)
                case "opsgenie":
                    return OpsgeniePager(value, url=opsgenie_url, exchange=exchange)
                case "webhook" if webhook_secret:
                    return WebhookPager(value, secret=webhook_secret, exchange=exchange)
                case "webhook":
                    raise ConfigError("NOD_WEBHOOK_SECRET", "is not set", "Set it: it signs what is sent.")
                case _:
                    raise ConfigError("alerts", f"{kind} is no pager", "Name one that Nod knows.")

        pagers = [made(kind, value) for kind, value in named]
        yield {pager.name: pager for pager in pagers}
