"""What a person does with cards and modals: click, submit, close. Each becomes a real payload and a real
delivery."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.conversations import Conversations
from sandbox.slack.delivery import TROUBLE, Delivery, DeliveryResult
from sandbox.slack.errors import CannotDo, SlackError
from sandbox.slack.forms import Filled, refused_at_once, state_values
from sandbox.slack.limits import elements_of
from sandbox.slack.messages import Message, View
from sandbox.slack.modals import Modals
from sandbox.slack.people import App, Person
from sandbox.slack.response_urls import ResponseUrls


class UserActions:
    """The hands of the people in the workspace."""

    def __init__(
        self,
        *,
        app: App,
        people: Mapping[str, Person],
        conversations: Conversations,
        modals: Modals,
        delivery: Delivery,
        response_urls: ResponseUrls,
        now: Callable[[], datetime],
        address: Callable[[str], str],
    ) -> None:
        """`address` makes a whole URL of the last part of a response_url."""
        self._app = app
        self._people = people
        self._conversations = conversations
        self._modals = modals
        self._delivery = delivery
        self._response_urls = response_urls
        self._now = now
        self._address = address

    async def click(
        self, message: Message, *, user: str, action_id: str, block_id: str | None, option: str | None
    ) -> DeliveryResult:
        """Press a button (or pick an option) on a message, as it looked in this version of it.

        Raises CannotDo when the person does not see that message or it has no such button.
        """
        channel = self._conversations.channel(message.channel)
        if user not in channel.members or message.only_for not in (None, user):
            raise CannotDo(f"{user} does not see this message")
        user_action = self._user_action(user)
        found = _found(message.blocks, action_id=action_id, block_id=block_id)
        action = payloads.action(*found, action_ts=user_action.action_ts, option=option)
        key = self._response_urls.new(message=message, user=user)
        payload = payloads.message_click(
            app=self._app,
            user_action=user_action,
            channel=channel,
            message=message,
            actions=[action],
            response_url=self._address(key),
        )
        return await self._delivery.deliver(payload)

    async def click_in_view(
        self,
        view_id: str,
        *,
        user: str,
        action_id: str,
        block_id: str | None,
        option: str | None,
        filled: Filled,
    ) -> DeliveryResult:
        """Press a button inside a modal. Raises CannotDo when it is not open or has no such button."""
        view = self._view(view_id, user=user)
        user_action = self._user_action(user)
        blocks = view.definition["blocks"]
        found = _found(blocks, action_id=action_id, block_id=block_id)
        action = payloads.action(*found, action_ts=user_action.action_ts, option=option)
        values = state_values(blocks, filled)
        payload = payloads.view_click(
            app=self._app, user_action=user_action, view=view, values=values, actions=[action]
        )
        return await self._delivery.deliver(payload)

    async def submit(self, view_id: str, *, user: str, filled: Filled) -> DeliveryResult:
        """Submit a modal and do what the app answers. What Slack's own form would refuse is not sent at all:
        then the result has `errors` and no payload. Raises CannotDo when the modal is not open."""
        view = self._view(view_id, user=user)
        blocks = view.definition["blocks"]
        refused = refused_at_once(blocks, filled)
        if refused:
            return DeliveryResult(status=0, errors=refused)
        values = state_values(blocks, filled)
        payload = payloads.view_submission(
            app=self._app, user_action=self._user_action(user), view=view, values=values
        )
        result = await self._delivery.deliver(payload)
        if not result.ok:
            return replace(result, shown=TROUBLE)
        return self._answered(view, result)

    async def close(self, view_id: str, *, user: str, cleared: bool) -> DeliveryResult | None:
        """Dismiss a modal (`cleared`: and all below it); the app hears of it only with notify_on_close."""
        view = self._view(view_id, user=user)
        self._modals.close(view_id, all_of_them=cleared)
        if not view.definition.get("notify_on_close"):
            return None
        payload = payloads.view_closed(
            app=self._app, user_action=self._user_action(user), view=view, cleared=cleared
        )
        return await self._delivery.deliver(payload)

    def _answered(self, view: View, result: DeliveryResult) -> DeliveryResult:
        answer = result.answer()
        try:
            match answer.get("response_action"):
                case "errors":
                    known = {block["block_id"] for block in view.definition["blocks"]}
                    named = answer.get("errors")
                    told = named.items() if isinstance(named, dict) else ()
                    errors = {block_id: str(text) for block_id, text in told if block_id in known}
                    return replace(result, errors=errors, shown="" if errors else TROUBLE)
                case "update":
                    self._modals.update(view.id, answer.get("view"))
                case "push":
                    self._modals.push(view.user, answer.get("view"))
                case "clear":
                    self._modals.close(view.id, all_of_them=True)
                case None:
                    self._modals.close(view.id)
                case _:
                    return replace(result, shown=TROUBLE)
        except SlackError as error:
            return replace(result, shown=f"{TROUBLE} ({error.code})")
        return result

    def _user_action(self, user: str) -> payloads.UserAction:
        person = self._people.get(user)
        if person is None or person.is_bot:
            raise CannotDo(f"there is no person {user}")
        action_ts = self._conversations.new_ts(self._now())
        return payloads.UserAction(
            person=person, trigger_id=self._modals.new_trigger(user), action_ts=action_ts
        )

    def _view(self, view_id: str, *, user: str) -> View:
        for view in self._modals.of(user):
            if view.id == view_id:
                return view
        raise CannotDo(f"{user} has no modal {view_id} open")


def _found(
    blocks: Sequence[Mapping[str, Any]], *, action_id: str, block_id: str | None
) -> tuple[Mapping[str, Any], str]:
    for block in blocks:
        for element in elements_of(block):
            if element.get("action_id") == action_id and block_id in (None, block["block_id"]):
                return element, block["block_id"]
    raise CannotDo(f"there is no button {action_id}")
