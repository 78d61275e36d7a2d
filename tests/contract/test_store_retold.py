"""An alert that says more than when it was raised, and how many decisions were lost since."""

from __future__ import annotations

from bot.approval import Outcome, Stage
from bot.store import Store
from tests.contract.values import NOW, admit, after, an_alert, decide


async def test_an_open_alert_is_told_again_under_its_ref(store: Store) -> None:
    """Each pager gets the new text once, where it has the old one; what says the same is no news."""
    alert, alerts = an_alert("platform"), store.alerts
    await alerts.reword("platform", cause=alert.cause, text="no such alert")
    assert () == await alerts.due(NOW, most=99)
    await alerts.raise_(alert)
    for page in await alerts.due(NOW, most=99):
        await alerts.attempt(page, at=NOW)
        await alerts.taken(page, ref=f"ref of {page.pager}")
    assert () == await alerts.due(NOW, most=99)

    await alerts.reword("platform", cause=alert.cause, text=alert.text)
    assert () == await alerts.due(NOW, most=99)
    await alerts.reword("platform", cause=alert.cause, text="two of them")
    owed = await alerts.due(NOW, most=99)
    assert [("two of them", f"ref of {page.pager}", None) for page in owed] == [
        (page.alert.text, page.ref, page.attempted_at) for page in owed
    ]
    assert 2 == len(owed)
    assert not await alerts.raise_(alert)

    for page in owed:
        await alerts.taken(page, ref=None)
    await alerts.resolve("platform", cause=alert.cause, how="over")
    await alerts.reword("platform", cause=alert.cause, text="three")
    assert {"two of them"} == {page.alert.text for page in await alerts.due(NOW, most=99)}


async def test_what_was_lost_since_is_counted(store: Store) -> None:
    """From that very moment on, and nothing that ended in another way."""
    ends = {"r1": (Outcome.UNDELIVERABLE, 1), "r2": (Outcome.UNDELIVERABLE, 2), "r3": (Outcome.APPROVED, 2)}
    for name, (outcome, at) in ends.items():
        await admit(store, name)
        await decide(store, name)
        assert await store.approvals.settle(name, was=Stage.DECIDED, outcome=outcome, at=after(at))
    assert [2, 1, 0] == [await store.approvals.lost_since(after(at)) for at in (1, 1.5, 2.5)]
