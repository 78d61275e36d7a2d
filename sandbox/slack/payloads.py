"""Slack's interactivity payloads, as docs.slack.dev/reference/interaction-payloads shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack.errors import CannotDo
from sandbox.slack.messages import Message, View
from sandbox.slack.people import TEAM_DOMAIN, TEAM_ID, App, Channel, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAction:
    """What a person just did, apart from where: the parts that every payload has."""

    person: Person
    trigger_id: str
    action_ts: str


def _common(kind: str, *, app: App, user_action: UserAction) -> dict[str, Any]:
    person = user_action.person
    return {
        "type": kind,
        "user": {
            "id": person.id,
            "username": person.name,
            "name": person.name,
            "team_id": person.team_id,
        },
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
        "api_app_id": app.app_id,
        "token": app.verification_token,
        "trigger_id": user_action.trigger_id,
    }


def action(element: Mapping[str, Any], block_id: str, *, action_ts: str, option: str | None) -> dict[str, Any]:
    """One entry of `actions`: a button with its value, or a choice with the option that was picked.

    Raises CannotDo when the choice offers no such option.
    """
    base = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": block_id,
        "action_ts": action_ts,
    }
    if element["type"] == "button":
        kept = {name: element[name] for name in ("text", "value", "style") if name in element}
        return {**base, **kept}
    chosen = [o for o in element["options"] if option in (o["value"], o["text"]["text"])]
    if option and not chosen:
        raise CannotDo(f"{element['action_id']} does not offer {option}")
    if element["type"] == "checkboxes":
        return {**base, "selected_options": chosen}
    return {**base, "selected_option": chosen[0] if chosen else None}


def message_click(
    *,
    app: App,
    user_action: UserAction,
    channel: Channel,
    message: Message,
    actions: list[dict[str, Any]],
    response_url: str,
) -> dict[str, Any]:
    """block_actions on a message; an ephemeral one comes without its `message`."""
    ephemeral = message.only_for is not None
    container = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": ephemeral,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    payload = {
        **_common("block_actions", app=app, user_action=user_action),
        "container": container,
        "channel": {"id": channel.id, "name": "directmessage" if channel.is_im else channel.name},
        "state": {"values": {}},
        "response_url": response_url,
        "actions": actions,
    }
    if not ephemeral:
        payload["message"] = message.to_slack(app=app)
    return payload


def view_click(
    *, app: App, user_action: UserAction, view: View, values: Mapping[str, Any], actions: list[dict[str, Any]]
) -> dict[str, Any]:
    """block_actions inside a modal."""
    return {
        **_common("block_actions", app=app, user_action=user_action),
        "container": {"type": "view", "view_id": view.id},
        "view": view.to_slack(app=app, values=values),
        "actions": actions,
    }


def view_submission(
    *, app: App, user_action: UserAction, view: View, values: Mapping[str, Any]
) -> dict[str, Any]:
    """A modal was submitted."""
    return {
        **_common("view_submission", app=app, user_action=user_action),
        "view": view.to_slack(app=app, values=values),
        "response_urls": [],
    }


def view_closed(*, app: App, user_action: UserAction, view: View, cleared: bool) -> dict[str, Any]:
    """A modal with notify_on_close was dismissed; it carries no trigger_id."""
    payload = _common("view_closed", app=app, user_action=user_action)
    del payload["trigger_id"]
    return {**payload, "view": view.to_slack(app=app), "is_cleared": cleared}
