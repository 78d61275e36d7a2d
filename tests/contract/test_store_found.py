"""The store's contract: a message that was found for a card, and not put up for it, must be nobody else's."""

from __future__ import annotations

from bot.records import NewApproval
from bot.store import Store
from bot.surface import Destination
from tests.contract.values import BOARD, FINANCE, NOW, a_placement, after, an_approval


async def with_card(store: Store) -> None:
    """A request with a card, which nobody tried to post yet."""
    await store.approvals.insert([NewApproval(approval=an_approval(), placements=[a_placement()])])


async def found_at(store: Store, ref: str, *, at: Destination = FINANCE) -> tuple[str | None, bool]:
    """A second card, tried before, is found at this message: its ref, and whether a try is remembered."""
    card = a_placement("c2", "r2", at=at)
    await store.approvals.insert(
        [NewApproval(approval=an_approval("r2", deadline=after(180)), placements=[card])]
    )
    await store.placements.attempt("c2", at=NOW)
    await store.placements.shown("c2", ref=ref, revision=0)
    kept = await store.placements.get("c2")
    assert kept is not None
    return kept.ref, kept.attempted_at is not None


async def test_a_message_of_its_own_is_taken(store: Store) -> None:
    """A message that no other card uses is the card's, also when it is found there a second time."""
    assert ("ts2", True) == await found_at(store, "ts2")
    await store.placements.shown("c2", ref="ts2", revision=0)
    kept = await store.placements.get("c2")
    assert kept is not None
    assert "ts2" == kept.ref


async def test_the_message_of_another_card_is_not(store: Store) -> None:
    """The card is posted again, as if nothing had been found, and the other one stays where it is."""
    await with_card(store)
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert (None, False) == await found_at(store, "ts1")
    other = await store.placements.get("c1")
    assert other is not None
    assert "ts1" == other.ref


async def test_the_message_of_the_digest_is_not(store: Store) -> None:
    """A card cannot take over the message of the channel's digest either."""
    await with_card(store)
    await store.queue_messages.batch(["c1"])
    (digest,) = await store.queue_messages.standing(lines=1)
    await store.queue_messages.shown(digest.digest_id, ref="ts9", shown="1", at=NOW)
    assert (None, False) == await found_at(store, "ts9")


async def test_a_message_of_another_channel_is_no_hindrance(store: Store) -> None:
    """A chat may count its messages by channel, so the same ref elsewhere is another message."""
    await with_card(store)
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert ("ts1", True) == await found_at(store, "ts1", at=BOARD)
