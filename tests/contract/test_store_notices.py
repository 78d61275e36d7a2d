"""The store's contract: messages still to deliver, and who hears how it ended, on each kind of database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.approval import Outcome, Stage
from bot.records import DueNotice, Lane, NewApproval, NotificationKind, OutboxItem, Step
from bot.store import Store
from bot.surface import Surface
from tests.contract.conftest import Eyes
from tests.contract.values import (
    NOW,
    a_claim,
    a_notice,
    a_placement,
    a_rung,
    after,
    an_approval,
    bring_to,
    claim,
    decide,
    fire,
    found,
    settle,
    unsent,
)

OUTCOME = a_notice("o", person="ann", news=NotificationKind.OUTCOME)


async def owing(store: Store, *notices: OutboxItem, approval_id: str = "r1", deadline: float = 180) -> None:
    """Admit an approval with one card and a rung that fired and owes these."""
    approval = an_approval(approval_id, deadline=after(deadline))
    rung = a_rung(approval_id=approval_id)
    await store.approvals.insert(
        [
            NewApproval(
                approval=approval, placements=[a_placement(f"c-{approval_id}", approval_id)], rungs=[rung]
            )
        ]
    )
    assert await fire(store, [rung], at=after(60), notices=notices)


async def owed(store: Store) -> list[OutboxItem]:
    """The messages still to deliver."""
    return await unsent(store)


def told(eyes: Eyes) -> list[tuple[str, str]]:
    """Kind and mark of the audit's rows about messages."""
    rows = eyes("SELECT kind, body FROM audit WHERE kind IN ('told', 'not_told') ORDER BY number")
    return [(kind, json.loads(body)["mark"]) for kind, body in rows]


async def test_a_message_comes_with_its_record_and_its_card(store: Store) -> None:
    """The earliest deadline first; one for a person alone has no card; what is decided is still told."""
    in_thread, alone = a_notice("t", card_id="c-r1", who=("ann", "bøb")), a_notice("p", "r2", person="ann")
    await owing(store, in_thread, deadline=90)
    await owing(store, alone, approval_id="r2", deadline=60)
    await store.placements.shown("c-r1", ref="ts1", revision=1)
    await decide(store, "r1")
    (first, second) = await due(store, after(59))
    assert DueNotice(notice=alone, approval=await found(store, "r2")) == first
    card = replace(a_placement("c-r1"), ref="ts1", shown_revision=1)
    assert DueNotice(notice=in_thread, approval=await found(store, "r1"), placement=card) == second
    assert Stage.DECIDED is second.approval.stage


async def test_what_cannot_be_sent_is_not_due(store: Store) -> None:
    """In the thread of no card, while a claim holds it, after the deadline, while a card shows the outcome."""
    thread, alone = a_notice("t", card_id="c-r1"), a_notice("p", person="ann")
    last_call = a_notice("l", person="ann", news=NotificationKind.LAST_CALL)
    await owing(store, thread, alone, last_call, deadline=90)
    assert ["l", "p"] == await marks(store)  # no claim any more: it is there to be dropped
    await store.placements.shown("c-r1", ref="ts1", revision=1)
    assert ["l", "p", "t"] == await marks(store)
    await claim(store, a_claim(until=after(70)))
    assert ["l"] == await marks(store)
    assert after(70) == await store.outbox.next_due(after=after(61))
    assert ["l", "p", "t"] == await marks(store, at=after(70))
    await store.outbox.postpone([alone], next_try=after(80))
    assert ["l", "t"] == await marks(store, at=after(70))
    assert after(80) == await store.outbox.next_due(after=after(70))
    assert [] == await marks(store, at=after(90))
    await settle(store, "r1")
    assert ["l", "p", "t"] == await marks(store, at=after(90))
    await store.approvals.told({"r1": [replace(OUTCOME, card_id="c-r1", person=None)]})
    await store.outbox.drop([thread, alone, last_call], why="over", at=after(91))
    assert ["o"] == await marks(store, at=after(91))
    await store.outbox.hold([replace(OUTCOME, card_id="c-r1", person=None)], until=after(150))
    assert [] == await marks(store, at=after(91))
    await store.placements.shown("c-r1", ref="ts1", revision=(await found(store)).revision)
    assert ["o"] == await marks(store, at=after(91))


async def test_each_place_has_its_turn(store: Store) -> None:
    """A place with much to be told keeps no other one waiting; asked for alone, it is read whole."""
    many = [a_notice(f"a{number}", person="ann") for number in range(5)]
    await owing(store, *many, deadline=70)
    await owing(store, a_notice("b", "r2", person="bob"), approval_id="r2")
    assert ["a0", "b"] == [one.notice.mark for one in await due(store, most=2)]
    lane = (Surface.SLACK, "ann", "")
    assert [f"a{n}" for n in range(4)] == [one.notice.mark for one in await due(store, most=4, lanes=[lane])]


async def due(
    store: Store, at: datetime | None = None, most: int = 99, lanes: Collection[Lane] = ()
) -> tuple[DueNotice, ...]:
    """What can be worked on a second after the rung fired, or then."""
    now = at or after(61)
    return await store.outbox.due(
        now, surfaces=(Surface.SLACK,), news_since=now - timedelta(hours=1), most=most, lanes=lanes
    )


async def marks(store: Store, at: datetime | None = None) -> list[str]:
    """The marks of what is due."""
    return sorted(one.notice.mark for one in await due(store, at))


async def test_a_try_is_remembered_under_its_mark(store: Store) -> None:
    """Of several tries the first one's time; failures are counted and delayed, and it is still to deliver."""
    one, other = a_notice("t", card_id="c-r1"), a_notice("p", person="ann")
    await owing(store, one, other)
    await store.outbox.attempt([one, other], sent_as="t", at=after(1))
    await store.outbox.attempt([one], sent_as="t", at=after(5))
    await store.outbox.postpone([one], next_try=after(7))
    await store.outbox.postpone([one], next_try=after(9))
    begun = replace(one, sent_as="t", attempted_at=after(1))
    expected = {replace(begun, tries=2, next_try=after(9)), replace(other, sent_as="t", attempted_at=after(1))}
    assert expected == set(await owed(store))


async def test_what_is_owed_no_more_cannot_be_begun(store: Store) -> None:
    """One of several was said by then: none of them counts as begun, so nothing is said twice."""
    first, second = a_notice("t", card_id="c-r1"), a_notice("p", person="ann")
    await owing(store, first, second)
    await store.outbox.sent([first], channel="C0APPROVALS", ref="ts1", at=after(61))

    assert not await store.outbox.attempt([first, second], sent_as="t", at=after(62))

    assert [second] == await owed(store)
    assert await store.outbox.attempt([second], sent_as="p", at=after(63))


async def test_what_was_said_is_on_record(store: Store, eyes: Eyes, rings: list[Step]) -> None:
    """Each message by itself, with its place, under the mark that it was sent as; once."""
    one, other = a_notice("t", card_id="c-r1", who=("ann",)), a_notice("p", person="bob")
    await owing(store, one, other)
    await store.outbox.attempt([one, other], sent_as="t", at=after(1))
    rings.clear()
    await store.outbox.sent([one, other], channel="C0APPROVALS", ref="ts9", at=after(2))
    await store.outbox.sent([one], channel="C0APPROVALS", ref="ts10", at=after(3))
    assert [] == await owed(store)
    assert [Step.CLOSE, Step.AMEND] == rings
    assert [("told", "t"), ("told", "t")] == told(eyes)
    bodies = [
        json.loads(body) for (body,) in eyes("SELECT body FROM audit WHERE kind = 'told' ORDER BY number")
    ]
    assert [("bob", None, []), (None, "c-r1", ["ann"])] == [(b["person"], b["card"], b["who"]) for b in bodies]
    assert {("ts9", "rung", "slack")} == {(b["ref"], b["news"], b["surface"]) for b in bodies}


async def test_what_is_dropped_is_on_record(store: Store, eyes: Eyes) -> None:
    """With why; what was sent before is not dropped, and what was dropped is not sent."""
    one, other = a_notice("t", card_id="c-r1"), a_notice("p", person="ann")
    await owing(store, one, other)
    await store.outbox.sent([one], channel="C0APPROVALS", ref="ts9", at=after(1))
    await store.outbox.drop([one, other], why="it was answered before", at=after(2))
    await store.outbox.sent([other], channel="C0APPROVALS", ref="ts9", at=after(3))
    await store.outbox.postpone([other], next_try=after(9))
    assert [] == await owed(store)
    assert [("told", "t"), ("not_told", "p")] == told(eyes)
    ((body,),) = eyes("SELECT body FROM audit WHERE kind = 'not_told'")
    assert "it was answered before" == json.loads(body)["why"]


async def test_any_number_of_messages_is_one(store: Store) -> None:
    """What waits for one person is said together, however much it is."""
    notices = [a_notice(f"m{number}", person=f"p{number}") for number in range(1_201)]
    await owing(store, *notices)
    await store.outbox.attempt(notices, sent_as="m0", at=NOW)
    assert {"m0"} == {notice.sent_as for notice in await owed(store)}
    await store.outbox.sent(notices, channel="C0APPROVALS", ref="ts1", at=NOW)
    assert [] == await owed(store)
    await store.outbox.sent([], channel="C0APPROVALS", ref="ts1", at=NOW)


async def test_marks_of_two_approvals_do_not_meet(store: Store) -> None:
    """Whatever a platform names its requests, each owes its own messages."""
    await owing(store, a_notice("x", person="ann"))
    await owing(store, a_notice("x", "r2", person="ann"), approval_id="r2")
    await store.outbox.sent([a_notice("x", person="ann")], channel="C0APPROVALS", ref="ts1", at=NOW)
    assert ["r2"] == [notice.approval_id for notice in await owed(store)]


# --- messages that are up ---------------------------------------------------------------------------------


async def up(store: Store) -> list[tuple[str, str, list[str]]]:
    """The messages that are outdated: the place of each, its mark, and which requests it is about."""
    found = await store.outbox.outdated(Surface.SLACK, most=10)
    return [(ping.ref, ping.mark, [one.id for one in ping.approvals]) for ping in found]


async def test_a_ping_is_outdated_once_its_request_has_ended(store: Store, rings: list[Step]) -> None:
    """Not while it waits, nor while its answer is on its way; and once it is changed, no more."""
    ping = a_notice("p", person="ann")
    await owing(store, ping)
    await store.outbox.attempt([ping], sent_as="p", at=after(61))
    await store.outbox.sent([ping], channel="D0ANN", ref="ts1", at=after(61))
    assert [] == await up(store)
    await decide(store)
    assert [] == await up(store)
    rings.clear()
    await settle(store, was=Stage.DECIDED)
    assert Step.AMEND in rings
    assert [("ts1", "p", ["r1"])] == await up(store)
    (found_one,) = await store.outbox.outdated(Surface.SLACK, most=10)
    assert ("slack", "D0ANN") == (found_one.surface, found_one.channel)
    await store.outbox.amended(found_one, at=after(70))
    assert [] == await up(store)


async def test_a_message_about_several_is_outdated_with_the_last_of_them(store: Store, eyes: Eyes) -> None:
    """What one of them says is true as long as one of them waits; an outcome is never outdated.

    It does not grow the index in which outdated messages are looked up, either.
    """
    one, other = a_notice("a", card_id="c-r1"), a_notice("b", "r2", card_id="c-r2")
    await owing(store, one, deadline=90)
    await owing(store, other, approval_id="r2")
    await store.outbox.attempt([one, other], sent_as="many.a", at=after(61))
    await store.outbox.sent([one, other], channel="C0APPROVALS", ref="ts1", at=after(61))
    await settle(store, "r1", was=Stage.OPEN, outcome=Outcome.TIMEOUT_SKIP)
    assert [] == await up(store)
    await settle(store, "r2", was=Stage.OPEN, outcome=Outcome.TIMEOUT_SKIP)
    assert await store.approvals.told({"r2": [OUTCOME]})
    await store.outbox.sent([OUTCOME], channel="D0ANN", ref="ts2", at=after(70))
    assert [("ts1", "many.a", ["r1", "r2"])] == await up(store)
    assert [("ts1",), ("ts1",)] == eyes("SELECT ref FROM notices WHERE ref IS NOT NULL")


async def test_what_was_never_sent_is_not_outdated(store: Store) -> None:
    """A crash between the post and its record leaves no place to change."""
    ping = a_notice("p", person="ann")
    await owing(store, ping)
    await store.outbox.attempt([ping], sent_as="p", at=after(61))
    await settle(store, was=Stage.OPEN, outcome=Outcome.TIMEOUT_SKIP)
    assert [] == await up(store)
    await store.outbox.drop([ping], why="it expired", at=after(62))
    assert [] == await up(store)


# --- how it ended -----------------------------------------------------------------------------------------


async def test_how_it_ended_is_owed_once(store: Store, rings: list[Step]) -> None:
    """To the people named the first time; a second call changes nothing."""
    await bring_to(store, Stage.DECIDED)
    assert () == await store.approvals.untold(most=9)
    assert not await store.approvals.told({"r1": [OUTCOME]})
    await settle(store, was=Stage.DECIDED)
    assert (await found(store),) == await store.approvals.untold(most=9)
    rings.clear()
    assert await store.approvals.told({"r1": [OUTCOME]})
    assert [Step.NOTIFY, Step.CLOSE] == rings
    assert not await store.approvals.told({"r1": [replace(OUTCOME, mark="o2")]})
    assert ([OUTCOME], ()) == (await owed(store), await store.approvals.untold(most=9))


async def test_an_approval_closes_when_everybody_was_told(store: Store) -> None:
    """Not before it is written down who that is, and not before each was told or cannot be."""
    await bring_to(store, Stage.SETTLED)
    other = replace(OUTCOME, mark="o2", person="bob")
    assert not await store.approvals.close("r1")
    await store.approvals.told({"r1": [OUTCOME, other]})
    assert not await store.approvals.close("r1")
    await store.outbox.sent([OUTCOME], channel="C0APPROVALS", ref="ts1", at=NOW)
    assert not await store.approvals.close("r1")
    await store.outbox.drop([other], why="nobody can be reached there", at=NOW)
    assert await store.approvals.close("r1")


async def test_a_rung_that_was_not_said_keeps_nothing_from_closing(store: Store) -> None:
    """After the end it is of no use to anybody."""
    await owing(store, a_notice("p", person="ann"))
    await settle(store)
    await store.approvals.told({"r1": ()})
    assert await store.approvals.close("r1")


async def test_of_many_who_tell_one_does(store: Store) -> None:
    """However many find it untold at once."""
    await bring_to(store, Stage.SETTLED)
    tries = [store.approvals.told({"r1": [replace(OUTCOME, mark=f"o{n}")]}) for n in range(8)]
    assert 1 == sum(map(len, await asyncio.gather(*tries)))
    assert 1 == len(await owed(store))


@pytest.mark.parametrize("change", ["card_id = 'c1'", "person = NULL", "surface = 'policy'", "news = 'gossip'"])
async def test_the_database_refuses_an_impossible_message(store: Store, eyes: Eyes, change: str) -> None:
    """It goes to a thread or to a person, on a surface, and is about something."""
    await owing(store, a_notice("p", person="ann"))
    with pytest.raises(Exception, match=r"(?i)constraint"):
        eyes(f"UPDATE notices SET {change}")
