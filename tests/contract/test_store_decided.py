"""When a decision is due is kept with its record: each move that begins or ends a wait says so."""

from __future__ import annotations

from datetime import datetime

import pytest

from bot.approval import Outcome, Stage
from bot.protocol import HITLDecision
from bot.records import Outlook
from bot.store import Store
from tests.contract.conftest import Eyes
from tests.contract.values import (
    DEADLINE,
    NOW,
    a_request,
    a_vote,
    admit,
    after,
    begin,
    decide,
    found,
    vanished,
    wins,
)


async def due(store: Store, now: datetime = NOW, **more: object) -> list[str]:
    """What can be sent now."""
    found = await store.approvals.deliverable(now, **{"after": now, "most": 9, **more})  # type: ignore[arg-type]
    return [approval.id for approval in found]


async def outlook(store: Store, now: datetime = NOW) -> Outlook:
    """What there is to do."""
    return await store.approvals.outlook(now, late=now)


async def listed(store: Store, at: float, *names: str) -> None:
    """A poll that began then lists these calls."""
    calls = {name: a_request(name).digest for name in names or ("r1",)}
    await store.approvals.confirm(calls, began_at=after(at))


async def test_an_approve_is_due_once_a_poll_lists_it_and_a_reject_at_once(store: Store) -> None:
    """By the move itself, so nobody has to look for what waits."""
    await admit(store)
    await admit(store, "r2")
    await decide(store)
    no = a_vote(digest=a_request("r2").digest, verdict=HITLDecision.REJECTED)
    assert await wins(store, no, "r2")
    assert ["r2"] == await due(store)
    assert (await outlook(store)).unlisted
    await listed(store, 0)  # it may have begun before the click
    assert ["r2"] == await due(store)
    await listed(store, 0.001)
    assert ["r1", "r2"] == await due(store)
    assert not (await outlook(store)).unlisted


async def test_the_votes_of_several_make_a_reject_due(store: Store) -> None:
    """It is due from the moment of the last vote."""
    await admit(store)
    for person, at in (("ann", 1), ("bob", 2)):
        vote = a_vote(person, verdict=HITLDecision.REJECTED, at=after(at))
        await store.approvals.vote("r1", vote=vote, needs=2, eligible=None)
    assert (["r1"], []) == (await due(store, after(2)), await due(store, after(1.9)))


@pytest.mark.parametrize("verdict", [HITLDecision.APPROVED, HITLDecision.SKIPPED])
async def test_what_is_under_way_or_has_a_pause_is_not_due_before_it_is_over(
    store: Store, verdict: HITLDecision
) -> None:
    """And an Approve is not due even then, before another poll has listed it."""
    again = verdict is HITLDecision.APPROVED
    await admit(store)
    assert await wins(store, a_vote(verdict=verdict))
    await listed(store, 0.001)
    assert await begin(store, now=after(1), until=after(21))
    assert [] == await due(store, after(20.999))
    assert (after(21), False) == ((await ahead(store, after(1))), (await outlook(store, after(1))).unlisted)
    await listed(store, 2)
    assert (["r1"], after(21)) == (await due(store, after(21)), (await outlook(store, after(1))).next_due)
    await store.approvals.postpone("r1", next_try=after(5), trouble=None)
    assert ([], ["r1"]) == (await due(store, after(4.9)), await due(store, after(5)))
    assert await begin(store, now=after(5), until=after(25))
    await store.approvals.postpone("r1", next_try=after(6), trouble=None)
    assert ([] if again else ["r1"]) == await due(store, after(6))
    assert again is (await outlook(store, after(6))).unlisted
    await listed(store, 5.5)
    assert ["r1"] == await due(store, after(6))


async def ahead(store: Store, now: datetime) -> datetime | None:
    """When there is something to look at again."""
    seen = await outlook(store, now)
    return min((at for at in (seen.next_due, seen.next_turn) if at), default=None)


async def test_what_was_called_resolved_waits_for_a_list_whatever_the_verdict(store: Store) -> None:
    """A poll that began before says nothing about it."""
    await admit(store)
    assert await wins(store, a_vote(verdict=HITLDecision.REJECTED))
    read = await begin(store, now=after(1))
    assert read is not None
    assert await store.approvals.called_resolved("r1", as_read=read, at=after(2), next_try=after(3))
    await listed(store, 2)
    assert [] == await due(store, after(9))
    await listed(store, 2.001)
    assert ([], ["r1"]) == (await due(store, after(2.9)), await due(store, after(3)))


async def test_what_is_over_or_open_again_is_never_due(store: Store, eyes: Eyes) -> None:
    """So the index holds what waits, and nothing of what was."""
    for name in ("r1", "r2"):
        await admit(store, name)
        vote = a_vote(digest=a_request(name).digest, verdict=HITLDecision.REJECTED)
        assert await wins(store, vote, name)
    assert await store.approvals.void("r1", why="denied", at=NOW)
    await store.approvals.settle("r2", was=Stage.DECIDED, outcome=Outcome.REJECTED, at=NOW)
    assert [] == eyes("SELECT id FROM approvals WHERE due_at IS NOT NULL")


async def test_the_most_urgent_come_first_and_some_can_be_left_out(store: Store) -> None:
    """First tries and retries apart, within the bound."""
    for number in range(4):
        name = f"r{number}"
        await admit(store, name, deadline=after(100 - number))
        vote = a_vote(digest=a_request(name).digest, verdict=HITLDecision.REJECTED)
        assert await wins(store, vote, name)
    assert await begin(store, "r1", until=after(1))
    assert ["r3", "r2"] == await due(store, most=2)
    assert ["r2", "r0"] == await due(store, most=9, without=["r3"])
    later = after(1)
    assert (["r1"], ["r3", "r2", "r0"]) == (
        await due(store, later, tried=True),
        await due(store, later, tried=False),
    )
    assert ["r3"] == await due(store, later, by=after(97))
    assert ["r0"] == await due(store, later, after=after(99))
    assert [] == await due(store, most=0)


async def test_what_cannot_be_worked_on_is_put_off(store: Store) -> None:
    """For a while, or until a poll lists it."""
    await admit(store)
    assert await wins(store, a_vote(verdict=HITLDecision.REJECTED))
    await store.approvals.put_off(["r1"], until=after(5))
    assert ([], ["r1"]) == (await due(store, after(4)), await due(store, after(5)))
    await store.approvals.put_off(["r1"], until=None)
    assert [] == await due(store, after(50))
    await listed(store, 1)
    assert ["r1"] == await due(store, after(50))


async def test_a_start_makes_due_what_an_earlier_process_had_begun(store: Store) -> None:
    """Its lease is gone with it."""
    await admit(store)
    assert await wins(store, a_vote(verdict=HITLDecision.REJECTED))
    assert await begin(store, until=after(20))
    assert [] == await due(store, after(1))
    await store.approvals.resume()
    assert ["r1"] == await due(store, after(1))


async def test_trouble_is_told_in_batches_and_counted(store: Store) -> None:
    """To those that wait for a list, and to those that the platform refuses; each once."""
    for name in ("r1", "r2", "r3"):
        await admit(store, name)
        await decide(store, name)
    assert NOW == await store.approvals.unread_since()
    assert 0 == await store.approvals.unread(begun_by=after(-1), trouble="unread", most=2)
    assert 2 == await store.approvals.unread(begun_by=NOW, trouble="unread", most=2)
    assert 1 == await store.approvals.unread(begun_by=NOW, trouble="unread", most=2)
    assert await store.approvals.unread_since() is None
    assert 3 == (await outlook(store)).late
    await listed(store, 1, "r1", "r2")
    assert 2 == await store.approvals.hold(after(1), trouble="refused", most=9)
    assert 0 == await store.approvals.hold(after(1), trouble="refused", most=9)
    assert ["refused", "refused", "unread"] == [(await found(store, f"r{n}")).trouble for n in (1, 2, 3)]
    first = await store.approvals.first_late()
    assert first is not None
    assert "r1" == first.id


async def test_the_audit_is_asked_once_for_each_time_something_is_missing(store: Store) -> None:
    """After two polls; once it came back and is missing again, again. Gone without its word after five."""
    await admit(store)
    for polls in range(1, 6):
        await store.approvals.miss(["r1"], began_at=after(polls))
        names = [approval.id for approval in await vanished(store)]
        assert (["r1"] if polls in (2, 5) else []) == names
        if polls == 2:
            await store.approvals.asked({"r1": 2})
    await listed(store, 6)
    for polls in (7, 8):
        await store.approvals.miss(["r1"], began_at=after(polls))
    assert ["r1"] == [approval.id for approval in await vanished(store)]


async def test_overdue_is_what_no_post_can_reach_any_more(store: Store) -> None:
    """Whatever it waits for; but not while a POST is under way."""
    for name in ("r1", "r2"):
        await admit(store, name)
        await decide(store, name)
    await listed(store, 0.001, "r2")
    assert await begin(store, "r2", now=after(170), until=after(190))
    late = await store.approvals.overdue(DEADLINE, by=DEADLINE, most=9)
    assert ["r1"] == [approval.id for approval in late]
    assert (await store.approvals.outlook(DEADLINE, late=DEADLINE)).overdue


@pytest.mark.parametrize("lost", ["NULL", "due_at + 3600000"])
async def test_the_auditor_makes_due_what_lost_its_moment(store: Store, eyes: Eyes, lost: str) -> None:
    """However it got into the database; a request that really waits is left alone."""
    for name in ("r1", "r2", "r3"):
        await admit(store, name)
        await decide(store, name)
    await listed(store, 0.001, "r1", "r3")
    await store.approvals.postpone("r3", next_try=after(3600), trouble=None)
    assert not await store.approvals.repair_due(after(1))
    eyes(f"UPDATE approvals SET due_at = {lost} WHERE id = 'r1'")
    assert [] == await due(store, after(1))
    assert await store.approvals.repair_due(after(1))
    assert ["r1"] == await due(store, after(1))
    assert not await store.approvals.repair_due(after(1))
