"""Whether anybody could see a request whose time ran out: asked of the store, just before it is settled."""

from __future__ import annotations

from dataclasses import replace

from bot.alerts import REQUESTS, UNESCALATED, UNSEEN
from bot.flow.missed_requests import MissedRequests
from bot.ladder import Action
from bot.records import NewApproval
from bot.store import Store
from tests.contract.values import NOW, a_placement, a_rung, after, an_approval, found


def missed(store: Store) -> MissedRequests:
    """As each step has it."""
    return MissedRequests(store=store, clock=lambda: NOW)


async def causes(store: Store) -> list[str]:
    return sorted(alert.cause for alert in await store.alerts.open_of(approval_id=REQUESTS))


async def with_card(store: Store, **changes: object) -> None:
    """r1 with a card that nobody posted yet, and a ping that is due after 60 s."""
    approval = replace(an_approval(deadline=after(100)), **changes)
    rung = a_rung(due=60, action=Action.PING)
    await store.approvals.insert([NewApproval(approval=approval, placements=[a_placement()], rungs=[rung])])


async def test_what_a_rule_was_to_answer_is_owed_no_card(store: Store) -> None:
    """Nobody was to see it, so nobody is told that nobody did."""
    await with_card(store, rule="reads")
    await missed(store).unseen(await found(store), at=after(100))
    assert [] == await causes(store)
    await store.approvals.ask_people("r1")
    await missed(store).unseen(await found(store), at=after(100))
    assert [UNSEEN] == await causes(store)


async def test_a_digest_that_nobody_knows_the_words_of_tells_nobody(store: Store) -> None:
    """It was found again by its mark: what it says may be from before the request joined it."""
    await with_card(store)
    assert 1 == await store.queue_messages.batch(["c1"])
    (digest,) = await store.queue_messages.standing(lines=1)
    await store.queue_messages.shown(digest.digest_id, ref="ts9", shown=None, at=NOW)
    await missed(store).unseen(await found(store), at=after(100))
    assert [UNSEEN] == await causes(store)


async def test_one_that_says_it_is_enough(store: Store) -> None:
    """It was up with the request on it: people could see that something waits."""
    await with_card(store)
    assert 1 == await store.queue_messages.batch(["c1"])
    (digest,) = await store.queue_messages.standing(lines=1)
    await store.queue_messages.shown(digest.digest_id, ref="ts9", shown="x", at=NOW)
    await missed(store).unseen(await found(store), at=after(100))
    assert [] == await causes(store)


async def test_an_end_before_the_deadline_misses_no_rung_that_lay_ahead(store: Store) -> None:
    """The platform ended it early, so a ping due later was not missing. One that was due before was."""
    await with_card(store)
    await store.placements.shown("c1", ref="ts1", revision=1)
    await missed(store).silence(await found(store), at=after(60))
    assert [] == await causes(store)
    await missed(store).silence(await found(store), at=after(61))
    assert [UNESCALATED] == await causes(store)


async def test_a_look_after_the_end_misses_no_rung_at_the_end(store: Store) -> None:
    """It had no time of its own, however late anybody looks."""
    last = a_rung(due=100, action=Action.REMIND, who=())
    await store.approvals.insert(
        [NewApproval(approval=an_approval(deadline=after(100)), placements=[a_placement()], rungs=[last])]
    )
    await store.placements.shown("c1", ref="ts1", revision=1)
    await missed(store).silence(await found(store), at=after(500))
    assert [] == await causes(store)


async def test_what_lacks_a_card_is_counted_by_its_place(store: Store) -> None:
    """As tried in vain once a post failed; no longer when the card is up, or a digest tells of it."""
    await with_card(store)

    async def lacks() -> list[tuple[int, int, int]]:
        return [(one.unseen, one.in_vain, one.elsewhere) for one in await store.placements.lacking()]

    assert [(1, 0, 0)] == await lacks()
    await store.placements.postpone("c1", next_try=after(15), begun=False)
    assert [(1, 1, 0)] == await lacks()
    assert 1 == await store.queue_messages.batch(["c1"])
    assert [(1, 1, 0)] == await lacks()
    (digest,) = await store.queue_messages.standing(lines=1)
    await store.queue_messages.shown(digest.digest_id, ref="ts9", shown="x", at=NOW)
    assert [] == await lacks()
    await store.queue_messages.lost(digest.digest_id)
    assert [(1, 1, 0)] == await lacks()
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert [] == await lacks()
