"""From a press of a button to the desk and back: the decision is committed first, then Teams gets its answer.

The answer is the card that takes the place of the one that was pressed, for that person alone; the message
itself is changed for everybody by the flow. Nothing here waits for the network: what needs it is an errand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from adapters.teams.buttons import SHOW, TURN, Asks, Data, Queue
from adapters.teams.conversations import Identity, base_of, ref_of
from adapters.teams.elements import Content, content, sentence
from adapters.teams.modals import CLAIMED, claimed_saying, done_view, reason_view, refusal_lines, said_view
from adapters.teams.payloads import Press
from adapters.teams.places import Places
from adapters.teams.render import NO_CARD, Stand, content_of, digest_content_of
from adapters.teams.rosters import Rosters, watchers_of
from adapters.teams.standing import Standing, Stands, mark_of
from adapters.teams.whole import first_page, turned_page
from bot.approval import Claim
from bot.card import Button, Card, DigestCard
from bot.desk import Asked, Click, Desk
from bot.errors import Refusal, Refused
from bot.routing import ReasonRule
from bot.surface import Surface

#: Refusals that are about the note: the form stays open, with what is wrong above it.
ABOUT_THE_NOTE = frozenset({Refusal.REASON_REQUIRED, Refusal.NOTE_TOO_LONG})
#: Codes with which somebody may still answer: her vote counts, and a later one takes its place.
MAY_STILL = frozenset({Refusal.ALREADY_VOTED.value, Refusal.DENIED.value})
#: With these there was no card of ours behind the button.
NOT_OURS = frozenset({Refusal.FORGED, Refusal.UNKNOWN_CARD})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a press came from, and what is known to stand there."""

    press: Press
    standing: Standing
    stand: Stand

    @property
    def card(self) -> Card | None:
        """The card that was last shown there."""
        return self.standing.card if isinstance(self.standing.card, Card) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the person is shown: a card in place of hers, or None where hers may stay."""

    content: Content | None
    duplicate: bool = False  #: the card stands there twice, and this is the one that does not count


class Clicks:
    """Answers presses. Raises Malformed for what cannot be one, and nothing else that belongs to a person."""

    def __init__(
        self,
        *,
        desk: Desk,
        places: Places,
        rosters: Rosters,
        stands: Stands,
        identity: Identity,
        open_door: bool,
        count: Callable[[str], None],
    ) -> None:
        """`count` is told the name of each event that an operator may want a number of."""
        self._desk, self._places, self._rosters = desk, places, rosters
        self._stands, self._identity, self._open_door, self._count = stands, identity, open_door, count

    async def pressed(self, press: Press) -> Shown:
        """One press, to its end: whatever is decided is committed when this returns."""
        spot = self._spot(press)
        try:
            shown = await self._answer(spot)
        except Refused as refused:
            if refused.code not in NOT_OURS and refused.code is not Refusal.MOVED_CARD:
                self._looked_at(spot)
            log.info("click_refused", code=refused.code.value)
            return self._refused(spot, refused)
        self._looked_at(spot)
        return shown

    async def _answer(self, spot: Spot) -> Shown:
        match spot.press.data.verb:
            case verb if verb == SHOW:
                return await self._show(spot)
            case verb if verb == TURN:
                return await self._turn(spot)
            case Button.WHY.value:
                lines = await self._desk.explain(self._click(spot, Button.WHY))
                return Shown(content=self._said(spot, lines))
            case Button.CLAIM.value:
                claim = await self._desk.claim(self._click(spot, Button.CLAIM))
                return Shown(content=_claimed(spot, claim))
            case Button.NEXT.value:
                return await self._next(spot)
            case verb:
                return await self._verdict(spot, Button(verb))

    async def _show(self, spot: Spot) -> Shown:
        """The card as it stands, for this person: with buttons for whoever may decide, without for others."""
        press = spot.press
        if isinstance(spot.standing.card, DigestCard):
            return Shown(content=digest_content_of(spot.standing.card, spot.stand))
        lines = await self._desk.explain(self._click(spot, Button.WHY))
        if _may(lines[-1] if lines else ""):
            # The press of a Reject that is not one yet: what its form asks is part of the card.
            asking = replace(press, data=replace(press.data, value=press.data.ask))
            asked = await self._desk.look(self._click(replace(spot, press=asking), Button.REJECT))
            if asked is not None:
                asks = Asks(rule=asked.reason, presets=asked.presets)
                return Shown(content=content_of(asked.card, spot.stand, asks=asks))
        if spot.card is None:
            return Shown(content=None)
        return Shown(content=content_of(spot.card, spot.stand, answers=False))

    async def _next(self, spot: Spot) -> Shown:
        """The next request of a digest, as a look at all of it with its answers below."""
        queue = spot.press.data.queue
        asked = await self._desk.next(self._click(spot, Button.NEXT), after=queue.after if queue else None)
        going = Queue(value=spot.press.data.value, after=asked.card.card_id)
        return Shown(content=first_page(asked, spot.stand, queue=going))

    async def _turn(self, spot: Spot) -> Shown:
        """A page that was shown before, or the next; which were shown is what the seal says, not the button."""
        asked = await self._desk.ask(self._click(spot, Button.VIEW_ALL))
        return Shown(content=turned_page(asked, spot.press.data, spot.stand))

    async def _verdict(self, spot: Spot, which: Button) -> Shown:
        """Approve, Reject, Skip or View all: a form where one is needed, else the answer itself."""
        press, click = spot.press, self._click(spot, which)
        if which is Button.APPROVE and press.data.whole and press.data.look:
            click = replace(click, look=press.data.look.proof)
        if which is Button.VIEW_ALL or not press.data.form:
            asked = await self._desk.ask(click)
            if which is Button.VIEW_ALL:
                return Shown(content=first_page(asked, spot.stand, queue=press.data.queue))
            if _needs_form(asked, which):
                return Shown(content=reason_view(asked, press.data, spot.stand))
        try:
            vote = await self._desk.decide(click)
        except Refused as refused:
            if refused.code not in ABOUT_THE_NOTE:
                raise
            # The form once more, with what was wrong above it and the fields that the rule asks for.
            log.info("click_refused", code=refused.code.value)
            asked = await self._desk.ask(click)
            again = reason_view(asked, press.data, spot.stand, said=(refusal_lines(refused)[0],))
            return Shown(content=again)
        log.info("click_taken", verb=which.value)
        return Shown(content=done_view(spot.card, vote, spot.stand, press.data.queue))

    def _refused(self, spot: Spot, refused: Refused) -> Shown:
        """A look by Teams itself is refused silently; a person is told why."""
        if spot.press.automatic:
            return Shown(content=None, duplicate=self._is_duplicate(spot, refused))
        lines = refusal_lines(refused)
        return Shown(
            content=self._said(spot, lines),
            duplicate=self._is_duplicate(spot, refused),
        )

    def _is_duplicate(self, spot: Spot, refused: Refused) -> bool:
        """This very card, put up here by us, on a message that is not the one which counts.

        Where it is not known what stands there nothing is proven: anybody can send the data of one card from
        another message, and what is written over might be a card that somebody is about to answer.
        """
        there = spot.standing
        mark = _mark_in(spot.press.data)
        same = there.card is not None and _ref(spot.press) == there.ref and mark_of(there.card) == mark
        return refused.code is Refusal.MOVED_CARD and same

    def _said(self, spot: Spot, lines: tuple[str, ...]) -> Content:
        return said_view(lines, spot.stand, card=spot.card, queue=spot.press.data.queue)

    def _spot(self, press: Press) -> Spot:
        standing = self._stands.at(press.conversation, press.ref)
        if standing is None:
            # The name that the button brought back counts only where it leads to where the button was pressed.
            named = self._places.named_by(press.data.channel, press.conversation)
            channel = press.data.channel if named else base_of(press.conversation)
            standing = Standing(channel=channel, ref=_ref(press), card=None)
        place = self._places.known(press.conversation)
        members = (self._rosters.now(place) if place else None) or ()
        watchers = watchers_of(members, self._identity.tenants)
        stand = Stand(channel=standing.channel, watchers=watchers, open_door=self._open_door)
        return Spot(press=press, standing=standing, stand=stand)

    def _looked_at(self, spot: Spot) -> None:
        """The message is up: a post whose answer was lost is found by that. One of ours that shows something
        else is not that post, whatever the button's data says.
        """
        press, mark = spot.press, _mark_in(spot.press.data)
        taken = mark and self._stands.taken(press.conversation, press.ref, mark)
        if mark and not taken and spot.standing.ref == _ref(press):
            self._stands.seen(mark, spot.standing.channel, spot.standing.ref)

    def _click(self, spot: Spot, verb: Button) -> Click:
        press = spot.press
        member = self._rosters.person(press.account)
        home = press.account.partition("/")[0] in self._identity.tenants
        if member is not None and (member.guest or member.tenant not in self._identity.tenants):
            home = False
        return Click(
            surface=Surface.TEAMS,
            account=press.account,
            home=home,
            value=press.data.value,
            channel=spot.standing.channel,
            ref=spot.standing.ref,
            verb=verb,
            note=press.note,
        )


def _claimed(spot: Spot, claim: Claim) -> Content:
    """The card, with its answers where they were: it changes for everybody a moment later, and a button that
    was a way back would then be an Approve, under the hand of whoever is about to press it.
    """
    card = spot.card
    if card is None or not card.buttons:
        return content(sentence(claimed_saying(claim)), fallbackText=NO_CARD)
    rest = dict(card.buttons)
    rest.pop(Button.CLAIM, None)
    return content_of(replace(card, buttons=rest), spot.stand, said=(CLAIMED,))


def _ref(press: Press) -> str:
    return ref_of(press.conversation, press.ref)


def _needs_form(asked: Asked, which: Button) -> bool:
    """Reject offers a form whenever a reason is welcome, the others where one is required."""
    welcome = which is Button.REJECT and asked.reason is ReasonRule.OPTIONAL
    return asked.reason is ReasonRule.REQUIRED or welcome


def _may(line: str) -> bool:
    """Whether the last line of an explanation, which is about the person, says that she may decide."""
    code = line.rpartition("[")[2].removesuffix("]") if line.endswith("]") else ""
    return code not in set(Refusal) or code in MAY_STILL


def _mark_in(data: Data) -> str | None:
    """Which card a sealed value is for (`bot.seal`); the desk has opened it by now."""
    parts = data.value.split(".")
    return parts[2] if len(parts) == 6 and data.queue is None and data.verb != Button.NEXT.value else None
