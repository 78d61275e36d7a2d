"""The store's contract: what is gathered for a channel, and the message that says so."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from bot.approval import Stage
from bot.ladder import Action
from bot.records import NewApproval, QueueMessage, Step, Waiting
from bot.store import Store
from bot.surface import Destination
from tests.contract.conftest import Eyes
from tests.contract.values import (
    BOARD,
    FINANCE,
    NOW,
    a_placement,
    a_request,
    a_rung,
    a_vote,
    admit,
    after,
    all_lagging,
    all_waiting,
    an_approval,
    claim,
    close,
    decide,
    fire,
    found,
    revise,
    settle,
    wins,
)


async def with_cards(store: Store, *deadlines: float, at: Destination = FINANCE, first: int = 1) -> None:
    """Approvals r1, r2, … with a card c1, c2, … each, and these deadlines in seconds from NOW."""
    for number, deadline in enumerate(deadlines, start=first):
        approval = an_approval(f"r{number}", deadline=after(deadline))
        card = a_placement(f"c{number}", f"r{number}", at=at)
        await store.approvals.insert([NewApproval(approval=approval, placements=[card])])


async def the_digest(store: Store, *, lines: int = 10) -> QueueMessage:
    """The one digest that there is."""
    (digest,) = await store.queue_messages.standing(lines=lines)
    return digest


async def waiting(store: Store) -> list[str]:
    """The cards that nobody has tried to post, over all channels."""
    return [card.card_id for queue in (await all_waiting(store)).values() for card in queue]


# --- what waits -------------------------------------------------------------------------------------------


async def test_cards_that_wait_are_told_by_channel(store: Store) -> None:
    """Earliest deadline first, with what it takes to say which come too late, and whose they are."""
    await with_cards(store, 90, 30)
    await with_cards(store, 60, at=BOARD, first=3)
    one, two, three = (
        Waiting(
            card_id=f"c{n}", approval_id=f"r{n}", agent_id="treasury", first_seen=NOW, deadline=after(seconds)
        )
        for n, seconds in ((1, 90), (2, 30), (3, 60))
    )
    assert {FINANCE: (two, one), BOARD: (three,)} == dict(await all_waiting(store))


async def test_only_cards_that_nobody_tried_wait(store: Store) -> None:
    """Not what is up, may be up, was given up, superseded, decided, gathered, or is for a rule to answer."""
    await with_cards(store, *range(10, 110, 10))
    await store.placements.attempt("c1", at=NOW)
    await store.placements.shown("c2", ref="ts2", revision=1)
    await store.placements.attempt("c3", at=NOW)
    await store.placements.postpone("c3", next_try=after(1))
    await store.placements.give_up("c4")
    await store.placements.attempt("c9", at=NOW)
    await store.placements.postpone("c9", next_try=after(1), begun=False)
    assert await revise(store, "r5", placements=[a_placement("c5.new", "r5")])
    await decide(store, "r6")
    await settle(store, "r7")
    assert 1 == await store.queue_messages.batch(["c8"])
    ruled = replace(an_approval("r99"), rule="reads")
    await store.approvals.insert([NewApproval(approval=ruled, placements=[a_placement("c99", "r99")])])
    assert {"c5.new", "c9", "c10"} == set(await waiting(store))


async def test_agents_are_counted_by_what_waits_for_people(store: Store) -> None:
    """Only agents with that many; a changed call is counted under the agent that asks now."""
    for number, agent in enumerate("aaabbc"):
        request = a_request(f"r{number}", agent_id=agent)
        await store.approvals.insert([NewApproval(approval=an_approval(f"r{number}", request=request))])
    ruled = an_approval("r9", request=a_request("r9", agent_id="c"))
    await store.approvals.insert([NewApproval(approval=replace(ruled, rule="reads"))])
    assert {"a": 3, "b": 2} == dict(await store.approvals.open_by_agent(at_least=2))
    await settle(store, "r0")
    assert await revise(store, "r3", request=a_request("r3", agent_id="c"))
    assert {"a": 2, "b": 1, "c": 2} == dict(await store.approvals.open_by_agent(at_least=1))


# --- what is gathered -------------------------------------------------------------------------------------


async def test_what_is_gathered_stands_on_its_channels_digest(store: Store, rings: list[Step]) -> None:
    """One digest for each channel, with its count and the first of them; its cards lag and wait no more."""
    await with_cards(store, 90, 30, 60)
    await with_cards(store, 45, at=BOARD, first=4)
    rings.clear()
    assert 4 == await store.queue_messages.batch(["c1", "c2", "c3", "c4"])
    assert [Step.SHOW] == rings
    assert 0 == await store.queue_messages.batch(["c1"])
    assert 0 == await store.queue_messages.batch([])
    here, there = await store.queue_messages.standing(lines=2)
    assert (FINANCE, 3, ["r2", "r3"]) == (here.destination, here.count, [a.id for a in here.first])
    assert (BOARD, 1, (await found(store, "r4"),)) == (there.destination, there.count, there.first)
    assert ((), []) == (await all_lagging(store), await waiting(store))
    on = await store.queue_messages.on(here.digest_id)
    assert [("c2", "r2"), ("c3", "r3"), ("c1", "r1")] == [(one.card_id, one.approval_id) for one in on]
    first = on[0]
    assert ("payments", after(30), (), frozenset()) == (
        first.route, first.deadline, first.widened, first.voters
    )  # fmt: skip
    assert replace(here, first=here.first[:1]) == await store.queue_messages.get(here.digest_id)


async def test_what_is_on_its_way_is_not_gathered(store: Store) -> None:
    """A post that has begun goes on, and one that begins after all takes its card off the digest."""
    await with_cards(store, 30, 60, 90)
    await store.placements.attempt("c1", at=NOW)
    await store.placements.shown("c2", ref="ts2", revision=1)
    assert 1 == await store.queue_messages.batch(["c1", "c2", "c3"])
    await store.placements.attempt("c3", at=NOW)
    assert () == await store.queue_messages.standing(lines=1)
    await store.placements.shown("c3", ref="ts3", revision=1)
    await decide(store, "r3")
    assert {"c1", "c3"} == {card.card_id for card, _ in await all_lagging(store)}


async def test_a_post_and_a_gathering_do_not_mix(store: Store) -> None:
    """Whatever comes first, a card that goes up is kept up to date, and one that does not is on the digest."""
    await with_cards(store, *[60] * 10)
    for number in range(1, 11):
        card = f"c{number}"
        moves = [store.placements.attempt(card, at=NOW), store.queue_messages.batch([card])]
        await asyncio.gather(*(moves if number % 2 else reversed(moves)))
        placement = await store.placements.get(card)
        assert placement is not None
        assert (NOW, False) == (placement.attempted_at, placement.gathered)


async def test_a_gathering_is_on_record(store: Store, eyes: Eyes) -> None:
    """A row for each channel, with which cards, and how many."""
    await with_cards(store, 30, 60)
    await with_cards(store, 60, at=BOARD, first=3)
    await store.queue_messages.batch(["c2", "c1", "c3"])
    rows = eyes("SELECT approval_id, body FROM audit WHERE kind = 'gathered' ORDER BY number")
    bodies = [json.loads(body) for _, body in rows]
    expected = [(str(FINANCE), 2, ["c1", "c2"]), (str(BOARD), 1, ["c3"])]
    assert expected == [(body["destination"], body["count"], body["cards"]) for body in bodies]
    assert {None} == {approval_id for approval_id, _ in rows}


async def test_a_digest_that_is_up_is_on_record(store: Store, eyes: Eyes) -> None:
    """Once for each message; what it says changes too often for rows, and the rows of gatherings tell it."""
    await with_cards(store, 60)
    await store.queue_messages.batch(["c1"])
    digest = await the_digest(store)
    for ref, shown in (("ts1", "abc"), ("ts1", "def"), ("ts2", "def")):
        await store.queue_messages.shown(digest.digest_id, ref=ref, shown=shown, at=NOW)
    await store.queue_messages.shown("nowhere", ref="ts3", shown="abc", at=NOW)
    rows = eyes("SELECT body FROM audit WHERE kind = 'digest_shown' ORDER BY number")
    expected = [
        {"destination": str(FINANCE), "digest_card": digest.digest_id, "ref": r} for r in ("ts1", "ts2")
    ]
    assert expected == [json.loads(body) for (body,) in rows]


async def test_a_digest_counts_what_waits_for_people(store: Store) -> None:
    """Not what was decided, ended or changed: the new call has a card of its own to come."""
    await with_cards(store, 10, 20, 30, 40)
    await store.queue_messages.batch(["c1", "c2", "c3", "c4"])
    await decide(store, "r1")
    await settle(store, "r2")
    assert await revise(store, "r3", placements=[a_placement("c3.new", "r3")])
    digest = await the_digest(store)
    assert (1, ["r4"]) == (digest.count, [approval.id for approval in digest.first])
    assert ["c3.new"] == await waiting(store)
    assert await store.approvals.void("r1", why="denied", at=NOW)
    assert 2 == (await the_digest(store)).count


async def test_a_digest_shows_votes_and_claims(store: Store) -> None:
    """Its lines are read whole; of what Next looks through it is known who voted on the call as it is."""
    await with_cards(store, 180)
    await store.queue_messages.batch(["c1"])
    vote = a_vote()
    await store.approvals.vote("r1", vote=vote, needs=2, eligible=None)
    await claim(store)
    digest = await the_digest(store)
    approval = await found(store)
    assert (1, 1) == (len(approval.votes), len(approval.claims))
    assert (approval,) == digest.first
    assert [{"ann"}] == [one.voters for one in await store.queue_messages.on(digest.digest_id)]
    assert await revise(store, placements=[a_placement("c2")])
    await store.queue_messages.batch(["c2"])
    assert [frozenset()] == [one.voters for one in await store.queue_messages.on(digest.digest_id)]


async def test_what_is_gathered_keeps_nothing_from_closing(store: Store) -> None:
    """No message of its own has to show the end."""
    await with_cards(store, 60)
    await store.queue_messages.batch(["c1"])
    await settle(store)
    assert await close(store)
    assert Stage.CLOSED is (await found(store)).stage


async def test_a_rung_brings_a_card_beside_a_digest(store: Store) -> None:
    """Where the card is on the digest no second one goes up; in another channel one does."""
    rung = a_rung(action=Action.FALLBACK, cards=(FINANCE, BOARD))
    await store.approvals.insert(
        [NewApproval(approval=an_approval(), placements=[a_placement()], rungs=[rung])]
    )
    await store.queue_messages.batch(["c1"])
    new = [a_placement("c2"), a_placement("c3", at=BOARD)]
    assert await fire(store, [rung], at=after(60), placements=new)
    assert ["c3"] == await waiting(store)


async def test_a_gathered_request_is_decided_once(store: Store) -> None:
    """Like any other: standing on a digest changes nothing about it."""
    await with_cards(store, 60)
    await store.queue_messages.batch(["c1"])
    assert await wins(store, a_vote())
    assert not await wins(store, a_vote("bob"))


# --- the message ------------------------------------------------------------------------------------------


async def test_a_digests_message_is_kept_like_a_cards(store: Store, rings: list[Step]) -> None:
    """The first try's time, delayed failures, what it says and since when; a deleted one is posted again."""
    await with_cards(store, 60)
    await store.queue_messages.batch(["c1"])
    plain = await the_digest(store)
    rings.clear()
    await store.queue_messages.attempt(plain.digest_id, at=after(1))
    await store.queue_messages.attempt(plain.digest_id, at=after(2))
    await store.queue_messages.postpone(plain.digest_id, next_try=after(9))
    assert [] == rings
    begun = replace(plain, attempted_at=after(1))
    assert replace(begun, tries=1, next_try=after(9)) == await the_digest(store)
    await store.queue_messages.shown(plain.digest_id, ref="ts1", shown="abc", at=after(3))
    assert [Step.NOTIFY] == rings
    assert replace(begun, ref="ts1", shown="abc", shown_at=after(3)) == await the_digest(store)
    await store.queue_messages.lost(plain.digest_id)
    assert [Step.NOTIFY, Step.BATCH] == rings
    assert plain == await the_digest(store)


@pytest.mark.parametrize(
    ("shown", "stands"),
    [("abc", True), (None, True), ("empty", False)],
    ids=["says more", "unknown", "says so"],
)
async def test_an_empty_digest_stands_until_it_says_so(store: Store, shown: str | None, stands: bool) -> None:
    """A message that tells of requests is corrected when none waits any more; then it is left alone."""
    await with_cards(store, 60, 60)
    await store.queue_messages.batch(["c1"])
    digest = await the_digest(store)
    await store.queue_messages.shown(digest.digest_id, ref="ts1", shown=shown, at=NOW)
    await decide(store, "r1")
    assert stands is bool(await store.queue_messages.standing(lines=1))
    now = await store.queue_messages.get(digest.digest_id)
    assert now is not None
    assert (0, (), ()) == (now.count, now.first, await store.queue_messages.on(digest.digest_id))
    await store.queue_messages.batch(["c2"])
    assert (digest.digest_id, 1) == ((await the_digest(store)).digest_id, (await the_digest(store)).count)


async def test_a_digest_that_was_never_up_goes_without_a_word(store: Store) -> None:
    """Unless a try may have put it up: then it is looked for."""
    await with_cards(store, 60, 60)
    await store.queue_messages.batch(["c1"])
    digest = await the_digest(store)
    await decide(store, "r1")
    assert () == await store.queue_messages.standing(lines=1)
    await store.queue_messages.attempt(digest.digest_id, at=NOW)
    assert [digest.digest_id] == [one.digest_id for one in await store.queue_messages.standing(lines=1)]


async def test_an_unknown_digest_has_nothing(store: Store) -> None:
    """Nothing, not an error."""
    await admit(store)
    assert (None, ()) == (await store.queue_messages.get("nowhere"), await store.queue_messages.on("nowhere"))
