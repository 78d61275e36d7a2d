"""From a press of a button to the desk and back: the decision is committed first, then Slack gets its ack.

Two traits of slack-bolt shape this file. What a listener raises just after `ack()` takes the ack back; so
nothing here raises after it, and what needs the network is an errand. And a listener that does not ack makes
bolt try the next one; so there is one listener a payload type, and it always answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.response import BoltResponse

from adapters.chat.background import Errands
from adapters.chat.click_errors import ClickErrors
from adapters.chat.labels import ONE_NEEDED
from adapters.chat.payload import Malformed
from adapters.slack.afterwards import Afterwards
from adapters.slack.api import SlackApi
from adapters.slack.chat import ResponseUrls
from adapters.slack.digests import done_view
from adapters.slack.identity import Identity
from adapters.slack.metadata import Queue, Thread
from adapters.slack.modals import reason_view, said_view
from adapters.slack.notices import claimed_of, explanation_of, refusal_of
from adapters.slack.payloads import (
    Press,
    Submission,
    Turn,
    Who,
    check_app,
    is_home,
    read_press,
    read_submission,
)
from adapters.slack.whole import first_page, turned_page
from bot.approval import Vote
from bot.card import Button
from bot.desk import Click, Desk
from bot.errors import Refusal, Refused
from bot.routing import ReasonRule
from bot.surface import Surface

Body = Mapping[str, Any]

#: Refusals that are about the note: they stand at its field, and the form stays open.
ABOUT_THE_NOTE = frozenset({Refusal.REASON_REQUIRED, Refusal.NOTE_TOO_LONG})

log = structlog.get_logger(__name__)


class Clicks:
    """The listeners. Every click ends in exactly one answer to Slack, and no exception leaves."""

    def __init__(
        self,
        *,
        desk: Desk,
        api: SlackApi,
        identity: Identity,
        errands: Errands,
        urls: ResponseUrls,
        count: Callable[[str], None],
    ) -> None:
        """`urls` keeps the address of what is pressed.

        `count` is told the name of each event that an operator may want a number of.
        """
        self._desk = desk
        self._identity = identity
        self._after = Afterwards(api=api, errands=errands)
        self._urls, self._count, self._broken = urls, count, ClickErrors(count=count)

    async def pressed(self, ack: AsyncAck, body: Body) -> None:
        """A button was pressed, on a card or elsewhere."""
        await self._answered(ack, self._press(ack, body))

    async def submitted(self, ack: AsyncAck, body: Body) -> None:
        """A form was submitted."""
        await self._answered(ack, self._submission(ack, body))

    async def _answered(self, ack: AsyncAck, click: Any) -> None:
        """The one catch-all around one click: without it, one broken click would look like Slack's fault."""
        try:
            await click
        except Malformed as error:
            self._count("click_malformed")
            log.warning("click_malformed", part=str(error))
            _fail(ack, 400)
        except Exception as error:  # noqa: BLE001 - counted and logged; not acked, so the person sees it
            self._broken.note(error)
            _fail(ack, 503)

    async def _press(self, ack: AsyncAck, body: Body) -> None:
        press = read_press(body)
        if press is None:
            log.info("unknown_button_pressed")
            await ack()
        elif isinstance(press, Turn):
            await self._turn(ack, press)
        else:
            await self._button(ack, press)

    async def _button(self, ack: AsyncAck, press: Press) -> None:
        click = self._click(press.who, press.thread)
        # Before the desk: the card may be changed as soon as the vote is committed.
        self._urls.keep(press.thread.channel, press.thread.ref, press.response_url)
        view, words = None, None
        try:
            match press.thread.verb:
                case Button.WHY:
                    words = explanation_of(await self._desk.explain(click))
                case Button.CLAIM:
                    words = claimed_of(await self._desk.claim(click))
                    log.info("claim_taken")
                case Button.NEXT:
                    view = await self._next(press, click)
                case _:
                    view = await self._answer(press, click)
        except Refused as refused:
            if press.modal:
                view = said_view(refused, press.thread)
            else:
                words = refusal_of(refused)
        await ack()
        if words is not None:
            self._after.whisper(press.who, press.thread, words)
        elif view is not None:
            self._after.show(press, view)

    async def _next(self, press: Press, click: Click) -> dict[str, Any]:
        """The next request of a digest, as a look at all of it with its answers below."""
        queue = press.thread.queue
        asked = await self._desk.next(click, after=queue.after if queue else None)
        card = asked.card
        thread = replace(
            press.thread,
            value=card.look,
            verb=Button.VIEW_ALL,
            queue=Queue(value=press.thread.value, after=card.card_id, tool=card.tool),
        )
        return first_page(thread, asked)

    async def _answer(self, press: Press, click: Click) -> dict[str, Any] | None:
        """What is to be seen of an answer: a form, a look, or in a modal that it counts."""
        view = await self._form(press, click)
        if view is not None:
            return view
        vote = await self._decide(click)
        return done_view(press.thread, vote) if press.modal else None

    async def _form(self, press: Press, click: Click) -> dict[str, Any] | None:
        """The form that this press calls for; Reject offers one whenever a reason is welcome."""
        asked = await self._desk.ask(click)
        if press.thread.verb is Button.VIEW_ALL:
            return first_page(press.thread, asked)
        required = asked.reason is ReasonRule.REQUIRED
        welcome = click.verb is Button.REJECT and asked.reason is ReasonRule.OPTIONAL
        if not required and not welcome:
            return None
        return reason_view(replace(press.thread, required=required), asked)

    async def _turn(self, ack: AsyncAck, turn: Turn) -> None:
        """Another page; the desk is asked again, so that a call that changed meanwhile is not read on."""
        click = self._click(turn.who, turn.look.thread)
        try:
            view = turned_page(turn.look, await self._desk.ask(click), by=turn.by)
        except Refused as refused:
            view = said_view(refused, turn.look.thread)
        await ack()
        self._after.turn_page(turn, view)

    async def _submission(self, ack: AsyncAck, body: Body) -> None:
        form = read_submission(body)
        if form is None:
            log.info("unknown_form_submitted")
            await ack()
            return
        click = self._click(form.who, form.thread, form=form)
        if form.thread.required and form.note_at and form.note is None:
            await ack(response_action="errors", errors={form.note_at: ONE_NEEDED})
            return
        try:
            vote = await self._decide(click)
        except Refused as refused:
            if refused.code in ABOUT_THE_NOTE and form.note_at:
                await ack(response_action="errors", errors={form.note_at: f"{refused} [{refused.code.value}]"})
            else:
                await ack(response_action="update", view=said_view(refused, form.thread))
            return
        if form.thread.queue:
            await ack(response_action="update", view=done_view(form.thread, vote))
        else:
            await ack()

    async def _decide(self, click: Click) -> Vote:
        """Returns once the vote is committed; only then may Slack hear of it."""
        vote = await self._desk.decide(click)
        log.info("click_taken", verb=click.verb.value)
        return vote

    def _click(self, who: Who, thread: Thread, *, form: Submission | None = None) -> Click:
        check_app(who, self._identity)
        return Click(
            surface=Surface.SLACK,
            account=who.account,
            home=is_home(who.team_id, who.enterprise_id, self._identity),
            value=thread.value,
            verb=thread.verb,
            channel=thread.channel,
            ref=thread.ref,
            note=form.note if form else None,
            look=form.proof if form else None,
        )


def _fail(ack: AsyncAck, status: int) -> None:
    """Answer without acknowledging; an answer that Slack has already cannot be taken back."""
    if ack.response is None:
        ack.response = BoltResponse(status=status)
