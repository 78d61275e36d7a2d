"""From a press of a button to the desk and back: the decision is committed first, then Teams gets its answer.

The answer is the card that takes the place of the one that was pressed, for that person alone; the message
itself is changed for everybody by the flow. Nothing here waits for the network: what needs it is an errand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from adapters.chat.paging import QueueCursor
from adapters.chat.text import acknowledged
from adapters.teams.buttons import SHOW, TURN, Asks
from adapters.teams.conversations import Identity, base_of, ref_of
from adapters.teams.elements import Content, content, sentence
from adapters.teams.modals import (
    CLAIMED,
    done_view,
    explanation_view,
    ids_view,
    reason_view,
    refusal_view,
    turned_content,
    whole_content,
)
from adapters.teams.payloads import Press
from adapters.teams.places import Places
from adapters.teams.posted import PostedMessage, PostedMessages, mark_of
from adapters.teams.render import NO_CARD, RenderContext, content_of, digest_content_of
from adapters.teams.rosters import Rosters, watchers_of
from bot.approval import Claim
from bot.card import Button, Card, QueueCard
from bot.desk import (
    Acknowledged,
    Click,
    Desk,
    Explanation,
    Identified,
    NextRequest,
    NotCounted,
    Preview,
    ReasonForm,
    Reply,
    Voted,
    WholeCall,
)
from bot.errors import Refusal
from bot.seal import Seal
from bot.surface import Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickContext:
    """Where a press came from, and what is known to stand there."""

    press: Press
    standing: PostedMessage
    context: RenderContext

    @property
    def card(self) -> Card | None:
        """The card that was last shown there."""
        return self.standing.card if isinstance(self.standing.card, Card) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the person is shown: a card in place of theirs, or None to leave theirs."""

    content: Content | None
    duplicate: bool = False  #: the card is there twice, and this is the second one, which is not answered


class Clicks:
    """Answers presses. Raises Malformed for what cannot be one, and nothing else that belongs to a person."""

    def __init__(
        self,
        *,
        desk: Desk,
        places: Places,
        rosters: Rosters,
        posted: PostedMessages,
        identity: Identity,
        open_door: bool,
    ) -> None:
        self._desk, self._places, self._rosters = desk, places, rosters
        self._posted, self._identity, self._open_door = posted, identity, open_door

    async def pressed(self, press: Press) -> Shown:
        """One press, to its end: whatever is decided is committed when this returns."""
        here = self._context(press)
        match press.data.verb:
            case verb if verb == SHOW:
                if isinstance(here.standing.card, QueueCard):
                    return Shown(content=digest_content_of(here.standing.card, here.context))
                verb = _claimed(here, Button.WHY, Button.VIEW_CALL)
                reply: Reply | Preview = await self._desk.preview(self._click(here, verb))
            case verb if verb == TURN:
                verb = _claimed(here, Button.VIEW_ALL, Button.VIEW_CALL)
                reply = await self._desk.press(self._click(here, verb))
            case verb:
                reply = await self._desk.press(self._click(here, Button(verb)))
        if reply.card_id and press.data.queue is None and not _is_moved(reply):
            self._looked_at(here, reply.card_id)
        return Shown(content=self._content(here, reply), duplicate=_is_duplicate(here, reply))

    def _content(self, here: ClickContext, reply: Reply | Preview) -> Content | None:
        """What takes the card's place for the person who pressed."""
        data, context = here.press.data, here.context
        match reply:
            case Explanation():
                return explanation_view(reply, context, card=here.card, queue=data.queue)
            case Identified():
                return ids_view(reply, context, card=here.card)
            case Acknowledged(claim=claim):
                return _on_it(here, claim)
            case Preview(form=None):
                return content_of(here.card, context, answers=False) if here.card else None
            case Preview(form=form) if form is not None:
                return content_of(form.card, context, asks=Asks(rule=form.reason, presets=form.presets))
            case NextRequest(form=form):
                return whole_content(
                    form, context, queue=QueueCursor(value=data.value, after=form.card.card_id)
                )
            case WholeCall(form=form) if data.verb == TURN:
                return turned_content(form, data, context)
            case WholeCall(form=form):
                return whole_content(form, context, queue=data.queue)
            case ReasonForm(form=form, problem=problem):
                return reason_view(form, data, context, said=(problem.text,) if problem else ())
            case Voted(vote=vote):
                return done_view(here.card, vote, context, data.queue)
            case NotCounted():
                # A look by Teams itself is refused silently; a person is told why.
                if here.press.automatic:
                    return None
                return refusal_view(reply, context, card=here.card, queue=data.queue)
            case _:
                raise TypeError(reply)

    def _context(self, press: Press) -> ClickContext:
        standing = self._posted.at(press.conversation, press.ref)
        if standing is None:
            # The name that the button brought back counts only where it leads to where the button was pressed.
            named = self._places.named_by(press.data.channel, press.conversation)
            channel = press.data.channel if named else base_of(press.conversation)
            standing = PostedMessage(channel=channel, ref=_ref(press), card=None)
        place = self._places.known(press.conversation)
        members = (self._rosters.now(place) if place else None) or ()
        watchers = watchers_of(members, self._identity.tenants)
        context = RenderContext(channel=standing.channel, watchers=watchers, open_door=self._open_door)
        return ClickContext(press=press, standing=standing, context=context)

    def _looked_at(self, here: ClickContext, mark: str) -> None:
        """The message is up: a post whose answer was lost is found by that. One of ours that shows something
        else is not that post, whatever the button's data says.
        """
        press = here.press
        taken = self._posted.taken(press.conversation, press.ref, mark)
        if not taken and here.standing.ref == _ref(press):
            self._posted.seen(mark, here.standing.channel, here.standing.ref)

    def _click(self, here: ClickContext, verb: Button) -> Click:
        press = here.press
        member = self._rosters.person(press.account)
        home = press.account.partition("/")[0] in self._identity.tenants
        if member is not None and (member.guest or member.tenant not in self._identity.tenants):
            home = False
        return Click(
            surface=Surface.TEAMS,
            account=press.account,
            home=home,
            value=press.data.value,
            channel=here.standing.channel,
            ref=here.standing.ref,
            verb=verb,
            form=press.data.form,
            note=press.note,
            look=press.data.state.proof if press.data.whole and press.data.state else None,
            after=press.data.queue.after if press.data.queue else None,
        )


def _claimed(here: ClickContext, usual: Button, other: Button) -> Button:
    """Which of two buttons the value was sealed for; the desk opens the seal."""
    return other if Seal.claimed_verb(here.press.data.value) == other.value else usual


def _on_it(here: ClickContext, claim: Claim) -> Content:
    """The card, with its answers where they were: it changes for everyone a moment later, and where a
    "back" button had been there would then be an Approve, just as the person presses.
    """
    card = here.card
    if card is None or not card.buttons:
        return content(sentence(acknowledged(claim)), fallbackText=NO_CARD)
    rest = dict(card.buttons)
    rest.pop(Button.CLAIM, None)
    return content_of(replace(card, buttons=rest), here.context, said=(CLAIMED,))


def _ref(press: Press) -> str:
    return ref_of(press.conversation, press.ref)


def _is_moved(reply: Reply | Preview) -> bool:
    return isinstance(reply, NotCounted) and reply.code is Refusal.MOVED_CARD


def _is_duplicate(here: ClickContext, reply: Reply | Preview) -> bool:
    """This very card, put up here by us, on a message that is not the one which counts.

    If we do not know what that message shows, nothing is proven: anyone can send the data of one card from
    another message, and we might overwrite a card that someone is about to answer.
    """
    there = here.standing
    same = there.card is not None and _ref(here.press) == there.ref and mark_of(there.card) == reply.card_id
    return _is_moved(reply) and same and here.press.data.queue is None
