"""The store's contract: an open alert that nobody has goes to the pagers of now."""

from __future__ import annotations

from dataclasses import replace

from adapters.store.open import open_store
from bot.records import Step
from bot.store import Store
from tests.contract.values import NOW, after, an_alert


async def owed(store: Store) -> list[tuple[str, str]]:
    """The cause and the pager of each page still to deliver."""
    return [(page.alert.cause, page.pager) for page in await store.alerts.due(after(60), most=99)]


async def test_an_alert_that_nobody_took_is_owed_to_a_new_pager(url: str) -> None:
    """The key of the only pager was wrong and is changed: what it never took waits for the new one, once."""
    async with open_store(url, ring=lambda _: None, pagers=("old",), clock=lambda: NOW) as store:
        for cause in ("no-card", "undelivered", "mended"):
            await store.alerts.raise_(an_alert(cause=cause))
        (taken,) = [page for page in await store.alerts.due(NOW, most=99) if page.alert.cause == "undelivered"]
        await store.alerts.taken(taken, ref=None)
        await store.alerts.resolve("r1", cause="mended", how="it is over")
    rung: list[Step] = []
    for _ in range(2):
        async with open_store(url, ring=rung.append, pagers=("new",), clock=lambda: NOW) as store:
            assert [("mended", "old"), ("no-card", "new"), ("no-card", "old")] == await owed(store)
            assert 1 == await store.alerts.unacknowledged(after(1))
    assert [Step.ALERT] == rung
    async with open_store(url, ring=lambda _: None, pagers=("new",), clock=lambda: NOW) as store:
        (page,) = [page for page in await store.alerts.due(NOW, most=99) if page.pager == "new"]
        await store.alerts.taken(page, ref="x")
        assert 0 == await store.alerts.unacknowledged(after(1))


async def test_what_a_pager_that_left_never_took_keeps_no_heart_still(url: str) -> None:
    """Without any pager there is nobody who could take it; its row stays for when the pager is back."""
    async with open_store(url, ring=lambda _: None, pagers=("old",), clock=lambda: NOW) as store:
        await store.alerts.raise_(an_alert())
        assert 1 == await store.alerts.unacknowledged(after(1))
        assert 0 == await store.alerts.unacknowledged(NOW)
    async with open_store(url, ring=lambda _: None, pagers=(), clock=lambda: NOW) as store:
        assert 0 == await store.alerts.unacknowledged(after(1))
        assert [("undelivered", "old")] == await owed(store)


async def test_an_alert_that_came_right_is_news_to_nobody_new(url: str) -> None:
    """Nor is one that another pager has."""
    async with open_store(url, ring=lambda _: None, pagers=("one", "two"), clock=lambda: NOW) as store:
        await store.alerts.raise_(an_alert())
        await store.alerts.raise_(replace(an_alert(cause="x"), text="y"))
        await store.alerts.resolve("r1", cause="x", how="it is well")
        first = (await store.alerts.due(NOW, most=99))[0]
        assert "one" == first.pager
        await store.alerts.taken(first, ref=None)
    async with open_store(url, ring=lambda _: None, pagers=("one", "three"), clock=lambda: NOW) as store:
        assert "three" not in {pager for _, pager in await owed(store)}
