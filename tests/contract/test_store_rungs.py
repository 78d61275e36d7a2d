"""The store's contract: rungs that are due, and what firing them writes down, on each kind of database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from adapters.store.open import SqlStore
from bot.approval import Stage
from bot.ladder import Action
from bot.records import UNWRITTEN, Alert, NewApproval, NotificationKind, OutboxItem, Step, Triggered
from bot.store import Store
from bot.surface import Surface
from tests.contract.conftest import Eyes
from tests.contract.values import (
    BOARD,
    FINANCE,
    LEASE,
    NOW,
    a_claim,
    a_notice,
    a_placement,
    a_request,
    a_rung,
    a_vote,
    after,
    ahead_of,
    an_approval,
    claim,
    close,
    decide,
    fire,
    found,
    revise,
    settle,
    unfired,
    unsent,
    wins,
)


async def test_rungs_are_due_at_their_time(store: Store) -> None:
    """Not a millisecond before, and the earliest deadline first; decided approvals are not escalated."""
    await store.approvals.insert(
        [
            NewApproval(
                approval=an_approval("r1", deadline=after(90)), rungs=[a_rung(0, due=10), a_rung(1, due=20)]
            )
        ]
    )
    other = a_rung(0, due=15, approval_id="r2")
    await store.approvals.insert([NewApproval(approval=an_approval("r2", deadline=after(60)), rungs=[other])])
    assert after(10) == await store.rungs.next_due(after=NOW)
    assert after(15) == await store.rungs.next_due(after=after(10))
    assert () == await store.rungs.due(after(9.999), most=9)
    assert [a_rung(0, due=10)] == [rung for rung, _ in await store.rungs.due(after(10), most=9)]
    assert [other, a_rung(0, due=10), a_rung(1, due=20)] == [
        r for r, _ in await store.rungs.due(after(20), most=9)
    ]
    await decide(store, "r1")
    waits = replace(an_approval("r2", deadline=after(60)), ahead=ahead_of(other))
    assert [(other, waits)] == list(await store.rungs.due(after(20), most=9))
    assert after(15) == await store.rungs.next_due(after=NOW)


async def test_a_few_are_due_at_once(store: Store, eyes: Eyes) -> None:
    """The most urgent, each with all its rungs; what is too late, a rule's or not Nod's, takes no place."""
    ids = ["r5", "r1", "r2", "r3", "r4"]
    by_rule = replace(an_approval("r0", deadline=after(40)), rule="reads")
    await store.approvals.insert([NewApproval(approval=by_rule, rungs=[a_rung(due=10, approval_id="r0")])])
    for place, one in enumerate(ids):
        rungs = [a_rung(number, due=10 + number, approval_id=one) for number in (0, 1)]
        approval = an_approval(one, deadline=after(30 * (place + 1)))
        await store.approvals.insert([NewApproval(approval=approval, rungs=rungs)])
    eyes("UPDATE approvals SET route = 'another' WHERE id = 'r1'")

    due = await store.rungs.due(after(30), most=2)

    assert [(one, n) for one in ids[1:4] for n in (0, 1)] == [
        (rung.approval_id, rung.number) for rung, _ in due
    ]


async def test_what_a_claim_holds_back_is_not_due(store: Store) -> None:
    """Until it ends; then it is due, and what tells nobody else does not wait."""
    rungs = [a_rung(0, due=10), a_rung(UNWRITTEN, due=11, action=Action.REDRAW)]
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=rungs)])
    await claim(store, a_claim(until=after(40)))
    assert after(40) == await store.rungs.next_due(after=after(39))
    assert [UNWRITTEN] == [rung.number for rung, _ in await store.rungs.due(after(20), most=9)]
    due = [rung.number for rung, _ in await store.rungs.due(after(40), most=9)]
    assert 0 in due


async def test_a_rung_fires_once_and_shows(store: Store) -> None:
    """Firing marks it and raises the revision; firing it again changes nothing."""
    rung = a_rung(0, due=10)
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=[rung])])
    assert await fire(store, [rung], at=after(11))
    assert not await fire(store, [rung], at=after(13))
    assert replace(an_approval(), escalated_at=after(11), revision=2) == await store.approvals.get("r1")
    assert [] == await unfired(store, after(99))
    assert await store.rungs.next_due(after=NOW) is None


@pytest.mark.parametrize("stage", [Stage.DECIDED, Stage.SETTLED, Stage.CLOSED])
async def test_what_was_answered_is_not_escalated(store: Store, stage: Stage) -> None:
    """A rung that comes late changes nothing, and nobody gets a message."""
    rung = a_rung(0, due=10)
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=[rung])])
    await decide(store)
    if stage is not Stage.DECIDED:
        await settle(store, was=Stage.DECIDED)
    if stage is Stage.CLOSED:
        assert await close(store)
    before = await found(store)
    assert not await fire(store, [rung], at=after(11), notices=[a_notice()], placements=[a_placement()])
    assert before == await found(store)
    assert ([], ()) == (await owed(store), await store.placements.of("r1"))


async def owed(store: Store) -> list[OutboxItem]:
    """The messages still to deliver."""
    return await unsent(store)


async def test_a_rung_reads_back_as_it_was(store: Store) -> None:
    """What it does, who it names and which channels get the card are stored with it."""
    rungs = [
        a_rung(number, due=number, action=action, cards=(BOARD, FINANCE))
        for number, action in enumerate(Action, start=1)
    ]
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=rungs)])
    assert rungs == [rung for rung, _ in await unfired(store, after(99))]


LOUD = {Action.REMIND, Action.PING, Action.WIDEN, Action.PAGE, Action.FALLBACK}


@pytest.mark.parametrize("action", Action)
async def test_a_card_shows_what_concerns_everybody(store: Store, action: Action) -> None:
    """A last call changes no card; a redraw only redraws it; all others mark it as escalated."""
    rung = a_rung(action=action, who=())
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=[rung])])
    assert await fire(store, [rung], at=after(60))
    escalated_at = after(60) if action in LOUD else None
    revision = 1 if action is Action.LAST_CALL else 2
    assert replace(an_approval(), revision=revision, escalated_at=escalated_at) == await found(store)


async def test_rungs_fire_together_or_not_at_all(store: Store, rings: list[Step]) -> None:
    """One that has fired keeps the others from firing, and nothing that they owe is written."""
    first, second = a_rung(0, due=1), a_rung(1, due=2)
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=[first, second])])
    assert await fire(store, [first], at=after(1))
    rings.clear()
    owes: dict[str, Any] = {"notices": [a_notice()], "placements": [a_placement()]}
    assert not await fire(store, [first, second], at=after(2), **owes)
    assert ([], ()) == (await owed(store), await store.placements.of("r1"))
    assert [second] == [rung for rung, _ in await unfired(store, after(99))]
    assert [] == rings
    assert await fire(store, [second], at=after(2), **owes)
    assert [a_notice()] == await owed(store)


async def test_rungs_of_two_approvals_are_a_mistake(store: Store) -> None:
    """A firing is of one approval."""
    with pytest.raises(ValueError, match="must belong to one approval"):
        await fire(store, [a_rung(), a_rung(approval_id="r2")], at=NOW)


async def test_a_rung_that_was_put_off_does_not_fire_early(store: Store) -> None:
    """A caller that read it before its deadline moved finds another one in its place."""
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=[a_rung(due=10)])])
    later = a_rung(due=500)
    assert await store.approvals.retime(
        "r1",
        was=an_approval().deadline.at,
        route="payments",
        deadline=replace(an_approval().deadline, at=after(900)),
        rungs=[later],
        lease=LEASE,
    )
    assert not await fire(store, [a_rung(due=10)], at=after(10))
    assert await fire(store, [later], at=after(500))


async def test_a_rung_widens_who_may_decide(store: Store) -> None:
    """Its people join those of earlier rungs, each once; a ping lets nobody in."""
    rungs = [
        a_rung(0, due=1, action=Action.WIDEN, who=("cfo",)),
        a_rung(1, due=2, action=Action.PING, who=("bob",)),
        a_rung(2, due=3, action=Action.WIDEN, who=("board", "cfo", "bøb")),
    ]
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=rungs)])
    assert await fire(store, rungs[:1], at=after(1))
    assert await fire(store, rungs[1:], at=after(3))
    assert ("cfo", "board", "bøb") == (await found(store)).widened


async def test_whom_another_ladder_let_in_has_no_say_on_a_changed_call(store: Store) -> None:
    """Under the same route they may decide the new call, too; under another one it has its own approvers."""
    for approval_id, route in (("r1", "payments"), ("r2", "wires")):
        rung = a_rung(approval_id=approval_id, action=Action.WIDEN, who=("cfo",))
        await store.approvals.insert([NewApproval(approval=an_approval(approval_id), rungs=[rung])])
        await fire(store, [rung], at=after(60))
        assert await revise(store, approval_id, route=route)
    assert ("cfo",) == (await found(store, "r1")).widened
    assert () == (await found(store, "r2")).widened


async def test_a_card_goes_up_where_none_stands(store: Store) -> None:
    """On the other surface, too; not where one is up already, unless that one asks about an older call."""
    rungs = [a_rung(number, due=number + 1, action=Action.FALLBACK) for number in range(3)]
    await store.approvals.insert(
        [NewApproval(approval=an_approval(), placements=[a_placement("c1")], rungs=rungs[:2])]
    )
    new = [a_placement("c2"), a_placement("c3", at=BOARD)]
    assert await fire(store, rungs[:1], at=after(1), placements=new)
    assert ["c1", "c3"] == [placement.card_id for placement in await store.placements.of("r1")]
    assert await revise(store, rungs=rungs[2:])
    assert await fire(store, rungs[2:], at=after(3), placements=[a_placement("c4")])
    standing = [placement for placement in await store.placements.of("r1") if not placement.superseded]
    assert [a_placement("c4")] == standing


async def test_what_comes_late_comes_as_one_message(store: Store) -> None:
    """A newer word for the same thread or person takes the place of the one that waits, with all its names."""
    rungs = [a_rung(0, due=1), a_rung(1, due=2)]
    await store.approvals.insert([NewApproval(approval=an_approval(), placements=[a_placement()], rungs=rungs)])
    first = [
        a_notice("t0", who=("ann", "bob")),
        a_notice("elsewhere", card_id="c9"),
        a_notice("ann0", person="ann"),
        a_notice("ann0.teams", person="ann", surface=Surface.TEAMS),
        a_notice("ann.last", person="ann", news=NotificationKind.LAST_CALL),
    ]
    await fire(store, rungs[:1], at=after(1), notices=first)
    second = [a_notice("t1", who=("cfo", "bob")), a_notice("ann1", person="ann")]
    await fire(store, rungs[1:], at=after(2), notices=second)
    merged = replace(second[0], who=("ann", "bob", "cfo"))
    expected = {merged, second[1], first[1], first[3], first[4]}
    assert expected == set(await owed(store))


async def test_a_message_that_may_be_up_is_not_replaced(store: Store) -> None:
    """It is looked for and marked as sent; the newer word is a message of its own."""
    rungs = [a_rung(0, due=1), a_rung(1, due=2)]
    await store.approvals.insert([NewApproval(approval=an_approval(), placements=[a_placement()], rungs=rungs)])
    await fire(store, rungs[:1], at=after(1), notices=[a_notice("t0")])
    await store.outbox.attempt([a_notice("t0")], sent_as="t0", at=after(1))
    await fire(store, rungs[1:], at=after(2), notices=[a_notice("t1")])
    assert ["t0", "t1"] == [notice.mark for notice in await owed(store)]


async def test_rungs_fire_once_however_many_try(store: SqlStore, eyes: Eyes) -> None:
    """Of many who fire the same rungs at the same moment, one does, and its messages are sent once."""
    rungs = [a_rung(0, due=1), a_rung(1, due=2)]
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=rungs)])
    tries = [
        fire(store, rungs, at=after(2), notices=[a_notice(f"t{n}")], placements=[a_placement(f"c{n}")])
        for n in range(8)
    ]
    assert 1 == sum(await asyncio.gather(*tries))
    assert (1, 1) == (len(await owed(store)), len(await store.placements.of("r1")))
    assert [(2,)] == eyes("SELECT count(*) FROM audit WHERE kind = 'rung_fired'")
    assert 2 == (await found(store)).revision


async def test_a_rung_and_a_decision_do_not_mix(store: Store) -> None:
    """Nobody is pinged for what was decided; and who decides in the same moment has decided."""
    for number in range(10):
        name = f"r{number}"
        approval, rung = an_approval(name), a_rung(approval_id=name)
        await store.approvals.insert([NewApproval(approval=approval, rungs=[rung])])
        firing = fire(store, [rung], at=after(60), notices=[a_notice(f"{name}.t", name)])
        click = wins(store, a_vote(digest=approval.request.digest), name)
        if number % 2:
            decided, fired = await asyncio.gather(click, firing)
        else:
            fired, decided = await asyncio.gather(firing, click)
        assert decided
        now = await found(store, name)
        assert (Stage.DECIDED, fired) == (now.stage, now.escalated_at is not None)
        assert fired is bool([notice for notice in await owed(store) if notice.approval_id == name])


async def test_rungs_of_what_is_closed_are_cleared_away(store: Store, eyes: Eyes) -> None:
    """Else every look for what is due would pass by the rungs of all that was ever answered."""
    rungs = [a_rung(0, due=1), a_rung(1, due=2)]
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=rungs)])
    await fire(store, rungs[:1], at=after(1))
    await settle(store)
    assert [(2,)] == eyes("SELECT count(*) FROM rungs")
    assert await close(store)
    assert [(0,)] == eyes("SELECT number FROM rungs")


async def test_a_redraw_comes_again_with_each_ladder(store: Store) -> None:
    """A redraw notifies nobody, so it can repeat; a rung that pinged people at a moment now past cannot."""
    redraw, ping = a_rung(100, due=-1, action=Action.REDRAW, who=()), a_rung(0, due=-1)
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=[ping, redraw])])
    await fire(store, [ping, redraw], at=after(1))
    assert await revise(store, rungs=[ping, redraw], request=a_request(arguments="other"))
    assert [redraw] == [rung for rung, _ in await unfired(store, after(99))]


async def test_a_rung_is_hastened_once_and_never_put_back(store: Store, rings: list[Step]) -> None:
    """Of one kind and not fired: it is due at once, and the step that fires it is woken."""
    fallbacks = [a_rung(number, due=60 + number, action=Action.FALLBACK) for number in (0, 1)]
    ping = a_rung(2, due=90)
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=[*fallbacks, ping])])
    assert await fire(store, fallbacks[:1], at=after(1))
    rings.clear()
    assert await store.rungs.hasten(["r2", "r1"], action=Action.FALLBACK, at=after(2))
    assert [Step.ESCALATE] == rings
    assert [replace(fallbacks[1], due_at=after(2))] == [rung for rung, _ in await unfired(store, after(2))]
    rings.clear()
    assert not await store.rungs.hasten(["r2", "r1"], action=Action.FALLBACK, at=after(3))
    assert not await store.rungs.hasten(["r2"], action=Action.FALLBACK, at=after(3))
    await decide(store)
    assert not await store.rungs.hasten(["r1"], action=Action.PING, at=after(3))
    assert [] == [ring for ring in rings if ring is Step.ESCALATE]


async def test_what_is_due_together_fires_together(store: SqlStore, eyes: Eyes, rings: list[Step]) -> None:
    """One commit for all, and each of them as if it were alone; who was answered meanwhile is left out."""
    names = [f"r{number}" for number in range(5)]
    for name in names:
        rungs = [a_rung(0, due=1, approval_id=name), a_rung(1, due=2, approval_id=name, action=Action.WIDEN)]
        await store.approvals.insert([NewApproval(approval=an_approval(name), rungs=rungs)])
    await decide(store, "r1")
    assert await fire(store, [a_rung(0, due=1, approval_id="r2")], at=after(1))
    rings.clear()

    def firing(name: str) -> Triggered:
        due = tuple(rung for rung, approval in everything if approval.id == name)
        page = Alert(approval_id=name, cause="rung-1", text="nobody answers", raised_at=after(3))
        return Triggered(
            rungs=due or (a_rung(0, due=1, approval_id=name),),
            notices=(a_notice(f"{name}.thread", name), a_notice(f"{name}.ann", name, person="ann")),
            placements=(a_placement(f"{name}.c", approval_id=name),),
            alert=page,
        )

    everything = await unfired(store, after(3))
    stale = firing("r3").rungs[0]
    await store.approvals.retime(
        "r3", was=an_approval().deadline.at, route="payments", placements=(),
        deadline=replace(an_approval().deadline, at=after(900)), rungs=[replace(stale, due_at=after(500))],
        lease=LEASE,
    )  # fmt: skip
    rings.clear()

    assert {"r0", "r2", "r4"} == await store.rungs.trigger([firing(name) for name in names], at=after(3))

    assert {Step.SHOW, Step.BATCH, Step.NOTIFY, Step.ALERT} == set(rings)
    assert [] == [rung for rung, approval in await unfired(store, after(3))]
    went = {name: await found(store, name) for name in names}
    assert {"r0": 2, "r1": 2, "r2": 3, "r3": 2, "r4": 2} == {name: a.revision for name, a in went.items()}
    assert {"r0", "r2", "r4"} == {name for name, approval in went.items() if approval.widened}
    assert {"r0", "r2", "r4"} == {alert.approval_id for alert in await store.alerts.open_of()}
    assert sorted(f"{name}.{to}" for name in ("r0", "r2", "r4") for to in ("ann", "thread")) == sorted(
        notice.mark for notice in await owed(store)
    )
    cards = [placement.card_id for placement in await store.placements.of(*names)]
    assert ["r0.c", "r2.c", "r4.c"] == sorted(cards)
    told = eyes("SELECT approval_id, count(*) FROM audit WHERE kind = 'rung_fired' GROUP BY 1 ORDER BY 1")
    assert [("r0", 2), ("r2", 2), ("r4", 2)] == told


async def test_a_page_that_is_open_is_not_raised_again(store: SqlStore, eyes: Eyes) -> None:
    """It may have been raised by another way, while the database took no write."""
    rung = a_rung(action=Action.PAGE)
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=[rung])])
    page = Alert(approval_id="r1", cause="rung-0", text="nobody answers", raised_at=after(60))
    assert await store.alerts.raise_(page)
    again = replace(page, raised_at=after(61))
    assert {"r1"} == await store.rungs.trigger([Triggered(rungs=(rung,), alert=again)], at=after(61))
    assert (page,) == await store.alerts.open_of()
    assert [(1,)] == eyes("SELECT count(*) FROM audit WHERE kind = 'alert_raised'")


async def test_what_say_is_about_to_send_is_not_replaced(store: Store) -> None:
    """Its sending has begun under its mark, so it is still delivered, beside the newer ones."""
    rungs = [a_rung(0, due=1), a_rung(1, due=2)]
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=rungs)])
    begun, waits = a_notice("t0"), a_notice("p0", person="ann", who=("bob",))
    assert await fire(store, rungs[:1], at=after(1), notices=[begun, waits])
    assert await store.outbox.attempt([begun], sent_as="t0", at=after(1))
    later = [a_notice("t1"), a_notice("p1", person="ann", who=("cyd",))]
    assert await fire(store, rungs[1:], at=after(2), notices=later)
    assert {"t0": (), "t1": (), "p1": ("bob", "cyd")} == {one.mark: one.who for one in await owed(store)}
