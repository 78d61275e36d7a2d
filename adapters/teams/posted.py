"""What each message shows: the cards that were last shown, so that an invoke can be answered with one.

Memory only, and a bound on it. After a restart it is empty, and the messages themselves fill it again: each
press, Teams' own included, says on which message it was.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from adapters.teams.conversations import ref_of
from bot.card import Card, QueueCard
from bot.ports import Clock

#: Messages that are remembered; a card has about 10 kB.
MOST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedMessage:
    """A message of ours."""

    channel: str  #: as the policy calls it
    ref: str  #: as the core keeps it (`ref_of`)
    card: Card | QueueCard | None


class PostedMessages:
    """The messages by conversation and id."""

    def __init__(self, *, clock: Clock, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._by_message: OrderedDict[tuple[str, str], PostedMessage] = OrderedDict()
        self._by_mark: OrderedDict[tuple[str, str], tuple[str, datetime]] = OrderedDict()

    def put(self, conversation: str, ref: str, *, channel: str, card: Card | QueueCard) -> None:
        """This message shows this card."""
        whole = ref_of(conversation, ref)
        self._keep(conversation, ref, PostedMessage(channel=channel, ref=whole, card=card))
        self.seen(mark_of(card), channel, whole)

    def words(self, conversation: str, ref: str, *, channel: str) -> None:
        """This message shows no card: it was put up for what it says."""
        self._keep(conversation, ref, PostedMessage(channel=channel, ref=ref_of(conversation, ref), card=None))

    def elsewhere(self, conversation: str, ref: str, of: PostedMessage) -> None:
        """This message is a view of another one, sent to one person."""
        self._keep(conversation, ref, of)

    def at(self, conversation: str, ref: str) -> PostedMessage | None:
        """What this message is."""
        found = self._by_message.get((conversation, ref))
        if found is not None:
            self._by_message.move_to_end((conversation, ref))
        return found

    def taken(self, conversation: str, ref: str, mark: str) -> bool:
        """Whether this message is known to show something else than what goes by this mark."""
        there = self._by_message.get((conversation, ref))
        return there is not None and (there.card is None or mark_of(there.card) != mark)

    def seen(self, mark: str, channel: str, ref: str) -> None:
        """A person looked at this message, so it is up."""
        self._by_mark[mark, channel] = ref, self._clock()
        while len(self._by_mark) > self._most:
            self._by_mark.popitem(last=False)

    def found(self, mark: str, channel: str, *, since: datetime) -> str | None:
        """The message with this mark, where it was put up or looked at since then."""
        ref, at = self._by_mark.get((mark, channel), (None, since))
        return ref if at >= since else None

    def drop(self, conversation: str, ref: str) -> None:
        """The message is gone."""
        gone = self._by_message.pop((conversation, ref), None)
        if gone is not None:
            whole = ref_of(conversation, ref)
            for key in [
                key for key, (kept, _) in self._by_mark.items() if kept == whole and key[1] == gone.channel
            ]:
                del self._by_mark[key]

    def _keep(self, conversation: str, ref: str, standing: PostedMessage) -> None:
        self._by_message[conversation, ref] = standing
        self._by_message.move_to_end((conversation, ref))
        while len(self._by_message) > self._most:
            self._by_message.popitem(last=False)


def mark_of(card: Card | QueueCard) -> str:
    """The mark under which the core looks for a message."""
    return card.digest_id if isinstance(card, QueueCard) else card.card_id
