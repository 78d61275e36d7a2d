"""From a press of a button to the desk and back: the decision is committed first, then Slack gets its ack.

Two traits of slack-bolt shape this file. What a listener raises just after `ack()` takes the ack back; so
nothing here raises after it, and what needs the network is an errand. And a listener that does not ack makes
bolt try the next one; so there is one listener a payload type, and it always answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.response import BoltResponse

from adapters.chat.background import BackgroundTasks
from adapters.chat.click_errors import ClickErrors
from adapters.chat.labels import ONE_NEEDED
from adapters.chat.payload import Malformed
from adapters.slack.api import SlackApi
from adapters.slack.chat import ResponseUrls
from adapters.slack.follow_ups import FollowUps
from adapters.slack.identity import Identity
from adapters.slack.metadata import ButtonContext, ModalCursor
from adapters.slack.modals import done_view, reason_view, said_view, turned_view, whole_view
from adapters.slack.notices import claimed_of, explanation_of, ids_of, refusal_of
from adapters.slack.payloads import (
    PageTurn,
    Press,
    Submission,
    Who,
    check_app,
    is_home,
    read_press,
    read_submission,
)
from bot.card import Button
from bot.desk import (
    Acknowledged,
    Click,
    Desk,
    Explanation,
    Identified,
    NextRequest,
    NotCounted,
    ReasonForm,
    Reply,
    Voted,
    WholeCall,
)
from bot.ports import Metrics
from bot.routing import ReasonRule
from bot.surface import Surface

Body = Mapping[str, Any]

log = structlog.get_logger(__name__)


class Clicks:
    """The listeners. Every click ends in exactly one answer to Slack, and no exception leaves."""

    def __init__(
        self,
        *,
        desk: Desk,
        api: SlackApi,
        identity: Identity,
        background: BackgroundTasks,
        urls: ResponseUrls,
        metrics: Metrics,
    ) -> None:
        """`urls` keeps the address of what is pressed.

        `count` is told the name of each event that an operator may want a number of.
        """
        self._desk = desk
        self._identity = identity
        self._after = FollowUps(api=api, background=background)
        self._urls, self._metrics, self._broken = urls, metrics, ClickErrors(metrics=metrics)

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
            self._metrics.count("click_malformed")
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
        elif isinstance(press, PageTurn):
            await self._turn(ack, press)
        else:
            await self._button(ack, press)

    async def _button(self, ack: AsyncAck, press: Press) -> None:
        # Before the desk: the card may be changed as soon as the vote is committed.
        self._urls.keep(press.context.channel, press.context.ref, press.response_url)
        reply = await self._desk.press(self._click(press.who, press.context))
        view, words = _view_of(reply, press), None if press.modal else _words_of(reply)
        await ack()
        if words is not None:
            self._after.whisper(press.who, press.context, words)
        elif view is not None:
            self._after.show(press, view)

    async def _turn(self, ack: AsyncAck, turn: PageTurn) -> None:
        """Another page; the desk is asked again, so that a call that changed meanwhile is not read on."""
        reply = await self._desk.press(self._click(turn.who, turn.call.context))
        match reply:
            case WholeCall(form=form):
                view = turned_view(turn.call, form, by=turn.by)
            case NotCounted():
                view = said_view(reply, turn.call.context)
            case _:
                raise TypeError("View all is answered with the call, or refused")
        await ack()
        self._after.turn_page(turn, view)

    async def _submission(self, ack: AsyncAck, body: Body) -> None:
        form = read_submission(body)
        if form is None:
            log.info("unknown_form_submitted")
            await ack()
            return
        click, context = self._click(form.who, form.context, form=form), form.context
        if context.required and form.note_at and form.note is None:
            await ack(response_action="errors", errors={form.note_at: ONE_NEEDED})
            return
        match await self._desk.press(click):
            case ReasonForm(problem=NotCounted() as problem) if form.note_at:
                # The error is shown at its field, and the form stays open.
                await ack(response_action="errors", errors={form.note_at: problem.text})
            case ReasonForm(problem=NotCounted() as refused) | (NotCounted() as refused):
                await ack(response_action="update", view=said_view(refused, context))
            case Voted(vote=vote) if context.queue:
                await ack(response_action="update", view=done_view(context, vote))
            case _:
                await ack()

    def _click(self, who: Who, context: ButtonContext, *, form: Submission | None = None) -> Click:
        check_app(who, self._identity)
        return Click(
            surface=Surface.SLACK,
            account=who.account,
            home=is_home(who.team_id, who.enterprise_id, self._identity),
            value=context.value,
            verb=context.verb,
            channel=context.channel,
            ref=context.ref,
            form=form is not None,
            note=form.note if form else None,
            look=form.proof if form else None,
            after=context.queue.after if context.queue else None,
        )


def _view_of(reply: Reply, press: Press) -> dict[str, Any] | None:
    """The modal that follows a press: a form, all of a call, or in a modal what became of it."""
    context = press.context
    match reply:
        case WholeCall(form=form):
            return whole_view(context, form)
        case NextRequest(form=form):
            card = form.card
            queue = ModalCursor(value=context.value, after=card.card_id, tool=card.tool)
            return whole_view(replace(context, value=card.look, verb=Button.VIEW_ALL, queue=queue), form)
        case ReasonForm(form=form):
            return reason_view(replace(context, required=form.reason is ReasonRule.REQUIRED), form)
        case Voted(vote=vote) if press.modal:
            return done_view(context, vote)
        case NotCounted() if press.modal:
            return said_view(reply, context)
        case _:
            return None


def _words_of(reply: Reply) -> dict[str, Any] | None:
    """What one person is told below the card."""
    match reply:
        case Explanation():
            return explanation_of(reply)
        case Identified():
            return ids_of(reply)
        case Acknowledged(claim=claim):
            return claimed_of(claim)
        case NotCounted():
            return refusal_of(reply)
        case _:
            return None


def _fail(ack: AsyncAck, status: int) -> None:
    """Answer without acknowledging; an answer that Slack has already cannot be taken back."""
    if ack.response is None:
        ack.response = BoltResponse(status=status)
