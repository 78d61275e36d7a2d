"""What Slack is told after the ack: a word for one person, a form, what takes its place. None of it decides."""

from __future__ import annotations

from typing import Any

import structlog

from adapters.chat.background import BackgroundTasks
from adapters.slack.api import SlackApi
from adapters.slack.metadata import ButtonContext
from adapters.slack.notices import whisper_of
from adapters.slack.payloads import Modal, PageTurn, Press, Who
from bot.errors import Gone, NodError

OPEN_AGAIN = "Slack did not open the form in time. Nothing was decided. Press the button again."
PRESS_AGAIN = "Slack did not show the next step in time. Press the button again."

log = structlog.get_logger(__name__)


class FollowUps:
    """Each call begins an errand and returns at once; what goes wrong costs the person another press."""

    def __init__(self, *, api: SlackApi, background: BackgroundTasks) -> None:
        self._api = api
        self._background = background

    def whisper(self, who: Who, context: ButtonContext, words: dict[str, Any]) -> None:
        """Tell one person, and nobody else."""
        self._background.repeat(lambda: self._whisper(who, context, words), name="whisper")

    def show(self, press: Press, view: dict[str, Any]) -> None:
        """Open a form, for which Slack gives three seconds; in a modal it takes the place of what is there."""
        if press.modal is None:
            self._background.send(self._open(press, view), name="open_form")
        else:
            self._background.send(
                self._change(press.modal, press.who, press.context, view), name="change_modal"
            )

    def turn_page(self, turn: PageTurn, view: dict[str, Any]) -> None:
        """Show a page in place of the one that was there."""
        self._background.send(self._change(turn.modal, turn.who, turn.call.context, view), name="turn_page")

    async def _whisper(self, who: Who, context: ButtonContext, words: dict[str, Any]) -> None:
        await self._api.write("chat.postEphemeral", channel=context.channel, user=who.account, **words)

    async def _open(self, press: Press, view: dict[str, Any]) -> None:
        try:
            await self._api.write("views.open", trigger_id=press.trigger_id, view=view)
        except NodError as error:
            log.warning("form_not_opened", error=str(error))
            await self._whisper(press.who, press.context, whisper_of(OPEN_AGAIN))

    async def _change(self, modal: Modal, who: Who, context: ButtonContext, view: dict[str, Any]) -> None:
        try:
            await self._api.write("views.update", view_id=modal.id, hash=modal.hash, view=view)
        except Gone:
            log.info("modal_changed_already_or_closed")
        except NodError as error:
            log.warning("modal_not_changed", error=str(error))
            await self._whisper(who, context, whisper_of(PRESS_AGAIN))
