"""A store that comes and goes, a receiver of alerts, and the emergency exit between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from adapters.store.open import SqlStore, open_store
from adapters.watch import AlertFallback, Spool
from adapters.web import front
from sandbox.serve import serve
from tests.servers.pagers import Receiver, open_service
from tests.servers.sqlite_template import lay_database
from tests.story.spooling_child import Fickle, open_exit, utc_now


@dataclass(kw_only=True)
class Rig:
    """A store that comes and goes, a receiver of alerts, and the way from one to the other."""

    store: SqlStore
    alerts: Fickle
    receiver: Receiver
    spool: Path
    url: str
    alert_fallback: AlertFallback

    def kept(self) -> list[str]:
        return [alert.cause for alert in Spool(self.spool).entries()]

    def told(self) -> list[str]:
        return [body["cause"] for body in self.receiver.bodies]

    async def stored(self) -> list[tuple[str, str | None]]:
        """Cause of each page that the store owes, and how it was mended."""
        owed = await self.store.alerts.due(utc_now() + timedelta(days=1), most=99)
        return [(page.alert.cause, page.alert.resolved) for page in owed]


@asynccontextmanager
async def open_rig(folder: Path, *, down: bool = True, proven: float = 60.0) -> AsyncIterator[Rig]:
    receiver, spool = Receiver(), folder / "alerts.jsonl"
    lay_database(folder)
    async with (
        open_service(receiver) as url,
        open_store(f"sqlite:///{folder / 'nod.db'}", ring=lambda _: None, pagers=("p",)) as store,
    ):
        alerts = Fickle(store.alerts, down=down)
        async with open_exit(alerts, spool, url, proven=proven) as alert_fallback:
            yield Rig(
                store=store,
                alerts=alerts,
                receiver=receiver,
                spool=spool,
                url=url,
                alert_fallback=alert_fallback,
            )


async def health(alert_fallback: AlertFallback) -> tuple[int, str]:
    """What `/healthz` answers."""
    app = front(
        receivers={}, troubles=list, health=alert_fallback.problems, metrics=lambda: (b"", "text/plain")
    )
    async with serve(app) as address, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{address}/healthz")
    return answer.status_code, answer.text
