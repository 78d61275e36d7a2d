"""From a press of a button to the desk and back: the decision is committed first, then Slack gets its ack.

Two traits of slack-bolt shape this file. What a listener raises just after `ack()` takes the ack back; so
nothing here raises after it, and what needs the network is an errand. And a listener that does not ack makes
bolt try the next one; so there is one listener a payload type, and it always answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.response import BoltResponse

from adapters.slack.api import Identity, SlackApi
from adapters.slack.errands import Errands
from adapters.slack.modals import NOTE, Thread, reason_view, said_view, whisper_of, whole_view
from adapters.slack.payloads import Malformed, Press, Submission, Who, read_press, read_submission
from bot.approval import Surface
from bot.card import Button
from bot.errors import NodError, Refusal, Refused
from bot.ports import Click, Desk
from bot.protocol import HITLDecision
from bot.routing import ReasonRule

Body = Mapping[str, Any]

#: Refusals that are about the note: they stand at its field, and the form stays open.
ABOUT_THE_NOTE = frozenset({Refusal.REASON_REQUIRED, Refusal.NOTE_TOO_LONG})
OPEN_AGAIN = "Slack did not open the form in time. Nothing was decided: please press the button again."

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
        count: Callable[[str], None],
    ) -> None:
        """`count` is told the name of each event that an operator may want a number of."""
        self._desk = desk
        self._api = api
        self._identity = identity
        self._errands = errands
        self._count = count

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
        except Exception:  # counted and logged; not acked, so that the person sees it
            self._count("click_failed")
            log.exception("click_failed")
            _fail(ack, 503)

    async def _press(self, ack: AsyncAck, body: Body) -> None:
        press = read_press(body)
        if press is None:
            log.info("unknown_button_pressed")
            await ack()
            return
        click = self._click(press.who, press.thread)
        try:
            if press.button is Button.VIEW_ALL:
                view: dict[str, Any] | None = await self._whole(click, press.thread)
            else:
                view = await self._form(click, press.thread)
                if view is None:
                    await self._decide(click)
        except Refused as refused:
            await ack()
            self._errands.send(self._whisper(press, str(refused)), name="whisper")
            log.info("click_refused", code=refused.code.value, card_id=click.card_id)
            return
        await ack()
        if view is not None:
            self._errands.send(self._show(press, view), name="open_form")

    async def _form(self, click: Click, thread: Thread) -> dict[str, Any] | None:
        """The form for a note, if this verdict calls for one; Reject offers it whenever a note is welcome."""
        rule = await self._desk.reason_rule(click)
        welcome = click.verdict is HITLDecision.REJECTED and rule is ReasonRule.OPTIONAL
        if rule is not ReasonRule.REQUIRED and not welcome:
            return None
        card, _ = await self._desk.card(click)
        return reason_view(thread, tool=card.tool, rule=rule)

    async def _whole(self, click: Click, thread: Thread) -> dict[str, Any]:
        rule = await self._desk.reason_rule(click)
        card, request = await self._desk.card(click)
        return whole_view(thread, request, tool=card.tool, rule=rule)

    async def _submission(self, ack: AsyncAck, body: Body) -> None:
        form = read_submission(body)
        if form is None:
            log.info("unknown_form_submitted")
            await ack()
            return
        click = self._click(form.who, form.thread, form=form)
        try:
            await self._decide(click)
        except Refused as refused:
            log.info("click_refused", code=refused.code.value, card_id=click.card_id)
            if refused.code in ABOUT_THE_NOTE and form.has_note:
                await ack(response_action="errors", errors={NOTE: str(refused)})
            else:
                await ack(response_action="update", view=said_view(str(refused)))
            return
        await ack()

    async def _decide(self, click: Click) -> None:
        """Returns once the decision is committed; only then may Slack hear of it."""
        await self._desk.decide(click)
        log.info("click_taken", card_id=click.card_id, verdict=click.verdict.value)

    def _click(self, who: Who, thread: Thread, *, form: Submission | None = None) -> Click:
        return Click(
            surface=Surface.SLACK,
            account=who.account,
            home=who.team_id == self._identity.team_id,
            card_id=thread.card_id,
            digest=thread.digest,
            channel=thread.channel,
            ref=thread.ref,
            verdict=thread.verdict,
            note=form.note if form else None,
            seen_whole=form.seen_whole if form else False,
        )

    async def _whisper(self, press: Press, text: str) -> None:
        """Tell one person, and nobody else."""
        user, channel = press.who.account, press.thread.channel
        await self._api.write("chat.postEphemeral", channel=channel, user=user, **whisper_of(text))

    async def _show(self, press: Press, view: dict[str, Any]) -> None:
        """Open a form; Slack gives three seconds for that."""
        try:
            await self._api.write("views.open", trigger_id=press.trigger_id, view=view)
        except NodError as error:
            log.warning("form_not_opened", error=str(error))
            await self._whisper(press, OPEN_AGAIN)


def _fail(ack: AsyncAck, status: int) -> None:
    """Answer without acknowledging; an answer that Slack has already cannot be taken back."""
    if ack.response is None:
        ack.response = BoltResponse(status=status)
