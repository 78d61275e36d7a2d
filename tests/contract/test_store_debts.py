"""The store's contract, second part: cards, rungs and pages still to deliver, on each kind of database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.approval import Approval, Stage
from bot.audit import Fact
from bot.records import NewApproval, PendingPage, Step
from bot.store import Store
from tests.contract.conftest import Eyes
from tests.contract.values import (
    NOW,
    a_placement,
    a_request,
    a_rules_vote,
    a_rung,
    a_vote,
    admit,
    after,
    all_lagging,
    an_alert,
    an_approval,
    begin,
    bring_to,
    close,
    decide,
    decision_of,
    fire,
    revise,
    settle,
    vanished,
    wins,
)


async def with_card(store: Store, approval_id: str = "r1", *, deadline: float = 180, card: str = "c1") -> None:
    """Admit an approval with one card."""
    approval = an_approval(approval_id, deadline=after(deadline))
    await store.approvals.insert([NewApproval(approval=approval, placements=[a_placement(card, approval_id)])])


async def lagging(store: Store) -> list[str]:
    """The ids of the cards that lag, in their order."""
    return [placement.card_id for placement, _ in await all_lagging(store)]


async def stage_of(store: Store, approval_id: str = "r1") -> Stage:
    """How far an approval is."""
    found = await store.approvals.get(approval_id)
    assert found is not None
    return found.stage


# --- cards ------------------------------------------------------------------------------------------------


async def test_cards_that_lag_come_with_their_record(store: Store) -> None:
    """Earliest deadline first, each with its approval and decision; one that shows the last revision is not."""
    await with_card(store, "r1", deadline=90, card="c1")
    await with_card(store, "r2", deadline=30, card="c2")
    await with_card(store, "r3", deadline=60, card="c3")
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert ["c2", "c3"] == await lagging(store)
    vote = await decide(store, "r1")
    found = {placement.card_id: (placement, approval) for placement, approval in await all_lagging(store)}
    placement, approval = found["c1"]
    assert replace(a_placement("c1"), ref="ts1", shown_revision=1) == placement
    assert (decision_of(vote), (vote,), 2) == (approval.decision, approval.votes, approval.revision)


async def test_a_card_put_off_still_lags(store: Store) -> None:
    """It is returned with its time, for the step to wait for; success forgets the failures."""
    await with_card(store)
    await store.placements.postpone("c1", next_try=after(1))
    await store.placements.postpone("c1", next_try=after(3))
    ((placement, _),) = await all_lagging(store)
    assert (2, after(3)) == (placement.tries, placement.next_try)
    await store.placements.shown("c1", ref="ts1", revision=0)
    ((placement, _),) = await all_lagging(store)
    assert ("ts1", 0, 0, None) == (
        placement.ref,
        placement.shown_revision,
        placement.tries,
        placement.next_try,
    )


async def test_the_first_try_of_a_post_is_remembered(store: Store) -> None:
    """A search for a message that may be up must reach back to the first try, not the latest."""
    await with_card(store)
    await store.placements.attempt("c1", at=after(1))
    await store.placements.attempt("c1", at=after(5))
    assert replace(a_placement(), attempted_at=after(1)) == await store.placements.get("c1")


async def test_a_lost_card_is_posted_anew(store: Store) -> None:
    """A deleted message leaves the placement as if nothing had ever been there."""
    await with_card(store)
    await store.placements.attempt("c1", at=NOW)
    await store.placements.shown("c1", ref="ts1", revision=1)
    await store.placements.postpone("c1", next_try=after(3))
    await store.placements.lost("c1")
    assert [(a_placement(), an_approval())] == list(await all_lagging(store))


async def test_a_card_given_up_is_owed_nothing(store: Store) -> None:
    """It neither lags nor keeps its approval from being closed."""
    await with_card(store)
    await store.placements.shown("c1", ref="ts1", revision=1)
    await settle(store)
    assert not await close(store)
    await store.placements.give_up("c1")
    assert [] == await lagging(store)
    assert await close(store)


async def test_a_card_nobody_saw_is_not_owed_after_the_end(store: Store) -> None:
    """While there is something to ask it is; once it is over, a card never tried is not put up any more."""
    await with_card(store)
    await decide(store)
    assert ["c1"] == await lagging(store)
    await settle(store, was=Stage.DECIDED)
    assert [] == await lagging(store)
    assert await close(store)


async def test_a_card_that_tells_of_a_rule_is_owed_after_the_end(store: Store) -> None:
    """It alone says which rule answered, so it goes up also when the platform was quicker than the chat."""
    approval = replace(an_approval("r1", deadline=after(180)), rule="reads")
    await store.approvals.insert([NewApproval(approval=approval, placements=[a_placement("c1", "r1")])])
    assert await wins(store, a_rules_vote())
    await settle(store, was=Stage.DECIDED)
    await store.approvals.told({"r1": ()})
    assert ["c1"] == await lagging(store)
    assert not await close(store)

    await store.placements.give_up("c1")
    assert await close(store)


async def test_a_card_that_may_be_up_is_looked_for_after_the_end(store: Store) -> None:
    """A try that was never confirmed blocks closing until the channel was searched."""
    await with_card(store)
    await store.placements.attempt("c1", at=NOW)
    await settle(store)
    assert ["c1"] == await lagging(store)
    assert not await close(store)
    await store.placements.lost("c1")
    assert await close(store)


async def test_an_approval_closes_when_its_last_card_shows_the_end(store: Store, eyes: Eyes) -> None:
    """Showing an earlier revision is not enough; showing the last one is, and then it is not searched again."""
    await with_card(store)
    await store.placements.shown("c1", ref="ts1", revision=1)
    await settle(store)
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert not await close(store)
    await store.placements.shown("c1", ref="ts1", revision=2)
    assert await close(store)
    assert Stage.CLOSED is await stage_of(store)
    assert [(0,)] == eyes("SELECT count(*) FROM placements WHERE owed")


async def test_a_post_that_overlaps_the_end_is_still_corrected(store: Store) -> None:
    """A card that goes up in the very moment its approval is closed lags until it shows the end."""
    await with_card(store)
    await settle(store)
    assert await close(store)
    await store.placements.attempt("c1", at=NOW)
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert ["c1"] == await lagging(store)
    await store.placements.shown("c1", ref="ts1", revision=2)
    assert [] == await lagging(store)


# --- alerts -----------------------------------------------------------------------------------------------


async def owed(store: Store, seconds: float = 0) -> list[PendingPage]:
    """The pages to deliver by that time."""
    return list(await store.alerts.due(after(seconds), most=99))


async def test_an_alert_is_owed_to_every_pager_once(store: Store) -> None:
    """A request alerts once per cause; each pager has its own row; the oldest comes first."""
    assert await store.alerts.raise_(an_alert(raised_at=after(1)))
    assert not await store.alerts.raise_(replace(an_alert(), text="again"))
    assert await store.alerts.raise_(an_alert(cause="no-card"))
    first, second = an_alert(cause="no-card"), an_alert(raised_at=after(1))
    expected = [
        PendingPage(alert=alert, pager=pager) for alert in (first, second) for pager in ("oncall", "ops")
    ]
    assert expected == await owed(store)


async def test_a_page_is_owed_until_it_is_taken(store: Store) -> None:
    """Tries are counted and delayed; a page that the pager accepted is not sent again."""
    await store.alerts.raise_(an_alert())
    page, other = await owed(store)
    await store.alerts.attempt(page, at=after(1))
    await store.alerts.attempt(page, at=after(2))
    await store.alerts.postpone(page, next_try=after(5))
    assert [other] == await owed(store, 4.999)
    assert [replace(page, attempted_at=after(1), tries=1), other] == await owed(store, 5)
    await store.alerts.taken(page, ref="p1")
    assert [other] == await owed(store, 99)


async def test_mending_is_told_to_every_pager(store: Store) -> None:
    """One that took the alert is told with its ref, one that waits to try again at once; then no more."""
    await store.alerts.raise_(an_alert())
    took, waits = await owed(store)
    await store.alerts.taken(took, ref="p1")
    await store.alerts.attempt(waits, at=after(1))
    await store.alerts.postpone(waits, next_try=after(60))
    await store.alerts.resolve("r1", cause="undelivered", how="it got through")
    await store.alerts.resolve("r1", cause="undelivered", how="told twice")
    resolved = replace(an_alert(), resolved="it got through")
    told = [replace(took, alert=resolved, ref="p1"), replace(waits, alert=resolved, attempted_at=after(1))]
    assert told == await owed(store)
    for page in told:
        await store.alerts.taken(page, ref=None)
    assert [] == await owed(store, 99)


async def test_mending_while_a_page_is_under_way_is_still_told(store: Store) -> None:
    """A pager that was sent the open alert must still be sent its end."""
    await store.alerts.raise_(an_alert())
    page, _ = await owed(store)
    await store.alerts.resolve("r1", cause="undelivered", how="it got through")
    await store.alerts.taken(page, ref="p1")
    assert [("oncall", "p1"), ("ops", None)] == [(p.pager, p.ref) for p in await owed(store)]


async def test_mending_what_was_never_alerted_does_nothing(store: Store, rings: list[Step]) -> None:
    """Nobody is told of a trouble that they never heard of, and nobody is woken."""
    await admit(store)
    await store.alerts.raise_(an_alert(cause="no-card"))
    before = await owed(store)
    rings.clear()
    await store.alerts.resolve("r1", cause="undelivered", how="fine")
    assert before == await owed(store)
    assert [] == rings


async def test_alerts_that_are_open_are_found(store: Store) -> None:
    """Of one request, of one cause, or all, the oldest first; not those that came right."""
    alerts = [
        an_alert("r1", "undelivered", raised_at=after(3)),
        an_alert("r1", "no-card", raised_at=after(2)),
        an_alert("r2", "undelivered", raised_at=after(1)),
        an_alert("r3", "undelivered", raised_at=NOW),
    ]
    for alert in alerts:
        await store.alerts.raise_(alert)
    await store.alerts.resolve("r3", cause="undelivered", how="fine")
    assert (alerts[2], alerts[1], alerts[0]) == await store.alerts.open_of()
    assert (alerts[1], alerts[0]) == await store.alerts.open_of(approval_id="r1")
    assert (alerts[2], alerts[0]) == await store.alerts.open_of(cause="undelivered")
    assert (alerts[1],) == await store.alerts.open_of(approval_id="r1", cause="no-card")


async def test_an_alert_that_was_mended_is_raised_again(store: Store, rings: list[Step]) -> None:
    """It opens with the new text, and every pager gets a new page; a second raise changes nothing."""
    await store.alerts.raise_(an_alert())
    for page in await owed(store):
        await store.alerts.taken(page, ref="p1")
    await store.alerts.resolve("r1", cause="undelivered", how="it got through")
    told, waits = await owed(store)
    await store.alerts.taken(told, ref=None)
    await store.alerts.attempt(waits, at=after(1))
    await store.alerts.postpone(waits, next_try=after(60))
    rings.clear()
    again = replace(an_alert(raised_at=after(9)), text="It is stuck again.")
    assert await store.alerts.raise_(again)
    assert not await store.alerts.raise_(replace(an_alert(raised_at=after(10)), text="And again."))
    assert [Step.ALERT] == rings
    assert [PendingPage(alert=again, pager=pager) for pager in ("oncall", "ops")] == await owed(store)


async def test_an_alert_raised_again_is_owed_to_new_and_absent_pagers(store: Store, eyes: Eyes) -> None:
    """One that left the settings keeps its row for when it is back; one that came since gets its own."""
    await store.alerts.raise_(an_alert())
    eyes("UPDATE pages SET pager = 'gone', taken = true WHERE pager = 'ops'")
    await store.alerts.resolve("r1", cause="undelivered", how="it got through")
    await store.alerts.raise_(an_alert(raised_at=after(9)))
    assert ["gone", "oncall", "ops"] == [page.pager for page in await owed(store)]


async def test_what_a_pager_took_before_is_not_the_alert_raised_again(store: Store) -> None:
    """A page that was under way while the alert was raised again takes nothing of the new one from it."""
    await store.alerts.raise_(an_alert())
    await store.alerts.resolve("r1", cause="undelivered", how="it got through")
    old, _ = await owed(store)
    await store.alerts.raise_(an_alert(raised_at=after(9)))
    before = await owed(store)
    await store.alerts.attempt(old, at=after(10))
    await store.alerts.taken(old, ref="p1")
    await store.alerts.postpone(old, next_try=after(60))
    assert before == await owed(store)


# --- who is woken -----------------------------------------------------------------------------------------

Act = Callable[[Store], Awaitable[object]]

ASKED = {Step.SHOW, Step.BATCH, Step.ESCALATE, Step.EXPIRE}
WOKEN: dict[str, tuple[Stage, Act, set[Step]]] = {
    "confirm": (
        Stage.OPEN,
        lambda s: s.approvals.confirm({"r1": a_request().digest}, began_at=NOW),
        {Step.DELIVER},
    ),
    "miss": (Stage.OPEN, lambda s: s.approvals.miss(["r1"], began_at=after(1)), {Step.RECONCILE}),
    "revise": (Stage.OPEN, revise, {*ASKED, Step.ALERT}),
    "revise decided": (Stage.DECIDED, lambda s: revise(s, was=Stage.DECIDED), {*ASKED, Step.ALERT}),
    "void": (
        Stage.DECIDED,
        lambda s: s.approvals.void("r1", why="denied", at=NOW),
        ASKED,
    ),
    "vote": (
        Stage.OPEN,
        lambda s: s.approvals.vote("r1", vote=a_vote(), needs=2, eligible=None),
        {Step.SHOW, Step.ESCALATE},
    ),
    "lost vote": (
        Stage.DECIDED,
        lambda s: s.approvals.vote("r1", vote=a_vote("bob"), needs=1, eligible=None),
        set(),
    ),
    "ask people": (Stage.OPEN, lambda s: s.approvals.ask_people("r1"), {Step.SHOW, Step.BATCH, Step.ESCALATE}),
    "decide": (Stage.OPEN, decide, {Step.SHOW, Step.DELIVER, Step.INGEST, Step.BATCH}),
    "begin delivery": (
        Stage.DECIDED,
        begin,
        set(),
    ),
    "postpone": (
        Stage.DECIDED,
        lambda s: s.approvals.postpone("r1", next_try=NOW, trouble="503"),
        {Step.SHOW, Step.DELIVER},
    ),
    "settle": (Stage.OPEN, settle, {Step.SHOW, Step.ANNOUNCE, Step.CLOSE, Step.BATCH, Step.AMEND}),
    "close": (Stage.SETTLED, close, {Step.NOTIFY, Step.CLOSE}),
    "admit": (Stage.OPEN, lambda s: with_card(s, "r2"), ASKED),
    "admit by a rule": (
        Stage.OPEN,
        lambda s: s.approvals.insert([NewApproval(approval=replace(an_approval("r2"), rule="reads"))]),
        {*ASKED, Step.ANSWER},  # others may be for people
    ),
    "note": (Stage.OPEN, lambda s: s.journal.note(Fact(kind="refused", at=NOW, body={})), set()),
    "raise": (Stage.OPEN, lambda s: s.alerts.raise_(an_alert()), {Step.ALERT}),
}


@pytest.mark.parametrize("act", WOKEN)
async def test_a_move_wakes_the_steps_that_got_work(store: Store, rings: list[Step], act: str) -> None:
    """Those, once each, and no other."""
    stage, do, woken = WOKEN[act]
    await bring_to(store, stage)
    rings.clear()
    await do(store)
    assert (woken, len(woken)) == (set(rings), len(rings))


async def test_a_card_or_rung_that_moved_wakes_its_steps(store: Store, rings: list[Step]) -> None:
    """Shown: it may close, be escalated in, or lag again. Lost: post it. Given up: it may close."""
    await store.approvals.insert(
        [NewApproval(approval=an_approval(), placements=[a_placement()], rungs=[a_rung()])]
    )
    await store.alerts.raise_(an_alert())
    rings.clear()
    await store.placements.attempt("c1", at=NOW)
    await store.placements.postpone("c1", next_try=NOW)
    assert [] == rings
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert [Step.CLOSE, Step.NOTIFY, Step.SHOW] == rings
    rings.clear()
    await store.placements.lost("c1")
    assert [Step.SHOW, Step.CLOSE] == rings
    rings.clear()
    await store.placements.give_up("c1")
    assert [Step.CLOSE, Step.NOTIFY] == rings
    rings.clear()
    await fire(store, [a_rung()], at=NOW)
    assert [Step.SHOW, Step.BATCH, Step.NOTIFY, Step.ALERT] == rings
    rings.clear()
    await store.alerts.resolve("r1", cause="undelivered", how="fine")
    assert [Step.ALERT] == rings


# --- work, found without reading everything ---------------------------------------------------------------


async def test_each_step_reads_only_its_work(store: Store) -> None:
    """What is due, what vanished, what a rule answers, and what a poll is compared with, each by itself."""
    soon, later = an_approval("r1", deadline=after(60)), an_approval("r2", deadline=after(90))
    ruled = replace(an_approval("r3", deadline=after(120)), rule="read-only")
    for approval in (soon, later, ruled):
        await store.approvals.insert([NewApproval(approval=approval)])
    await store.approvals.miss(["r2"], began_at=after(1))
    await store.approvals.miss(["r2"], began_at=after(1))

    def ids(found: tuple[Approval, ...]) -> list[str]:
        return [approval.id for approval in found]

    assert ["r1"] == ids(await store.approvals.expired(after(60), most=9))
    assert [] == ids(await store.approvals.expired(after(59.999), most=9))
    assert ["r2"] == ids(await vanished(store))
    assert ["r3"] == ids(await store.approvals.ruled(most=9))
    assert after(90) == await store.approvals.next_deadline(after=after(60))
    assert await store.approvals.next_deadline(after=after(120)) is None
    standing = await store.approvals.standing(["r1", "r2", "r3", "r4"])
    assert {"r1": 0, "r2": 2, "r3": 0} == {name: one.missed for name, one in standing.items()}
    assert soon.request.digest == standing["r1"].digest
    assert {Stage.OPEN} == {one.stage for one in standing.values()}
