"""Slack's payloads, read strictly into what a person did: pressed a button of ours, or submitted a form.

Shapes: docs.slack.dev/reference/interaction-payloads (block_actions-payload, view-interactions-payload) and
docs.slack.dev/reference/objects/user-object; in an Enterprise organisation `user.team_id` may be the
organisation's own id, which begins with an E. Whatever is missing or of another type makes the payload
Malformed, and so does a contradiction between two places that say the same thing: nothing is guessed, because a
decision hangs on it. What a button carries is the core's to open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.chat.forms import NOTE, PRESET, filled, reason_of
from adapters.chat.labels import ASKS
from adapters.chat.payload import Malformed, maybe_text, part, text
from adapters.slack.identity import Identity
from adapters.slack.metadata import VALUE, ButtonContext, OpenCall, call_from, context_from
from adapters.slack.modals import ANSWERS, BACK, DONE, NEXT, REASON, VIEW_ALL
from adapters.slack.render import ACTION, MORE, NEXT_ONE, RUN
from bot.card import Button
from bot.seal import Seal

#: Paths that name one thing, the first of each being the one that Nod reads.
_SAME: tuple[tuple[str, ...], ...] = (
    ("user.id", "user_id"),
    ("team.id", "team_id"),
    ("enterprise.id", "team.enterprise_id", "enterprise_id"),
    ("user.enterprise_id", "user.enterprise_user.enterprise_id"),
    ("channel.id", "container.channel_id", "channel_id"),
    ("container.message_ts", "message.ts"),
    ("container.thread_ts", "message.thread_ts"),
    ("view.id", "container.view_id"),
    ("api_app_id", "view.app_id", "message.app_id"),
)


def check_agreement(payload: Mapping[str, Any]) -> None:
    """Raises Malformed where two places name two different things, or a click came from two places at once."""
    for paths in _SAME:
        named = [found for path in paths if (found := _at(payload, path)) is not None]
        if any(one != named[0] for one in named):
            raise Malformed(paths[0])
    container = _at(payload, "container.type")
    if payload.get("view") is not None and (payload.get("message") is not None or container == "message"):
        raise Malformed("container")


def _at(payload: Mapping[str, Any], path: str) -> object:
    found: object = payload
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return None if found == "" else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The person, with the workspace and the organisation that the account belongs to."""

    account: str
    team_id: str | None
    enterprise_id: str | None = None
    app_id: str | None = None  #: which app the payload is meant for


def who_of(payload: Mapping[str, Any]) -> Who:
    """Who did it, from any interaction payload. Raises Malformed.

    `team` and `enterprise` of a payload name where it happened. They speak for the person only where their own
    team is not given, or where it is the team in which it happened.
    """
    user = part(payload, "user")
    place = part(payload, "team") if payload.get("team") else {}
    here, team = maybe_text(place, "id"), maybe_text(user, "team_id")
    enterprise = maybe_text(user, "enterprise_id")
    if user.get("enterprise_user"):
        enterprise = enterprise or maybe_text(part(user, "enterprise_user"), "enterprise_id")
    if team is None or team == here:
        enterprise = enterprise or maybe_text(place, "enterprise_id")
    return Who(
        account=text(user, "id"),
        team_id=team or here,
        enterprise_id=enterprise,
        app_id=maybe_text(payload, "api_app_id"),
    )


def check_app(who: Who, identity: Identity) -> None:
    """Raises Malformed when a payload is meant for another app than ours, where Slack told us which is ours."""
    if identity.app_id is not None and who.app_id != identity.app_id:
        raise Malformed("api_app_id")


def is_home(team_id: str | None, enterprise_id: str | None, identity: Identity) -> bool:
    """The workspace is ours; or the organisation is, and the app was installed for all of it."""
    if team_id is not None and team_id == identity.team_id:
        return True
    ours = identity.enterprise_id if identity.org_wide else None
    return ours is not None and ours in (team_id, enterprise_id)


#: What a button in the look at a whole call does to the page.
TURNS = {NEXT: 1, BACK: -1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Modal:
    """An open modal, as it was when something in it was pressed."""

    id: str
    hash: str  #: changes with every content, so that only one of two quick presses changes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A button on one of our messages, or in a modal that was opened from a digest."""

    who: Who
    context: ButtonContext
    trigger_id: str
    modal: Modal | None = None  #: where it was pressed in one
    response_url: str | None = field(default=None, repr=False)  #: changes the pressed message; a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTurn:
    """A button in the look at a whole call: the next page, or the one before."""

    who: Who
    call: OpenCall
    by: int
    modal: Modal


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One of our forms, with the reason that was given."""

    who: Who
    context: ButtonContext
    note: str | None
    note_at: str | None  #: the block_id of the field for words, so that an error can stand there
    proof: str | None  #: from View all: sealed, which pages each person was shown


def read_press(payload: Mapping[str, Any]) -> Press | PageTurn | None:
    """What a block_actions payload tells of; None when the button is none of ours.

    Raises Malformed.
    """
    check_agreement(payload)
    actions = payload.get("actions")
    if not isinstance(actions, list) or len(actions) != 1 or not isinstance(actions[0], dict):
        raise Malformed("actions")
    action_id = text(actions[0], "action_id")
    if action_id in TURNS:
        return _turn(payload, by=TURNS[action_id])
    if action_id == MORE:
        value = text(part(actions[0], "selected_option"), "value", most=VALUE)
        button = _picked_in_menu(value)
    else:
        value, button = "", _button(action_id)
    if button is None:
        return None
    if payload.get("view") is not None:
        return _inside(payload, actions[0], button)
    context = ButtonContext(
        value=value or text(actions[0], "value", most=VALUE),
        verb=button,
        channel=text(part(payload, "channel"), "id"),
        ref=text(part(payload, "container"), "message_ts"),
    )
    url = payload.get("response_url")
    return Press(
        who=who_of(payload),
        context=context,
        trigger_id=text(payload, "trigger_id"),
        response_url=url if isinstance(url, str) else None,
    )


def read_submission(payload: Mapping[str, Any]) -> Submission | None:
    """The form that a view_submission payload brings; None when it is none of ours.

    Raises Malformed.
    """
    check_agreement(payload)
    view = part(payload, "view")
    callback_id = view.get("callback_id")
    if callback_id not in (REASON, VIEW_ALL):
        return None
    packed = text(view, "private_metadata")
    call = call_from(packed) if callback_id == VIEW_ALL else None
    kept = call.context if call else context_from(packed)
    if call is None and kept.verb not in ASKS:
        raise Malformed("verb")
    note_at, preset_at = NOTE + kept.own, PRESET + kept.own
    fields = _fields(view)
    return Submission(
        who=who_of(payload),
        context=_approved(call) if call else kept,
        note=reason_of(_picked(fields, preset_at), _typed(fields, note_at)),
        note_at=note_at if note_at in fields else None,
        proof=call.state.proof if call else None,
    )


def _turn(payload: Mapping[str, Any], *, by: int) -> PageTurn:
    view = part(payload, "view")
    if view.get("callback_id") != VIEW_ALL:
        raise Malformed("callback_id")
    call = call_from(text(view, "private_metadata"))
    if call.context.verb not in (Button.VIEW_ALL, Button.VIEW_CALL):
        raise Malformed("verb")  # a page is only looked at: it must not reach the desk as an answer
    return PageTurn(
        who=who_of(payload),
        call=call,
        by=by,
        modal=_modal(view),
    )


def _inside(payload: Mapping[str, Any], action: Mapping[str, Any], button: Button) -> Press:
    """A press in a modal of a digest's request. Raises Malformed for any other modal and any other button."""
    view = part(payload, "view")
    packed = text(view, "private_metadata")
    callback_id = view.get("callback_id")
    if callback_id not in (VIEW_ALL, DONE):
        raise Malformed("callback_id")
    reads = callback_id == VIEW_ALL
    kept = call_from(packed).context if reads else context_from(packed)
    if kept.queue is None or not (button is Button.NEXT or (reads and button in ANSWERS)):
        raise Malformed("action_id")
    return Press(
        who=who_of(payload),
        context=replace(kept, value=text(action, "value", most=VALUE), verb=button, required=False),
        trigger_id=text(payload, "trigger_id"),
        modal=_modal(view),
    )


def _modal(view: Mapping[str, Any]) -> Modal:
    return Modal(id=text(view, "id"), hash=text(view, "hash"))


def _approved(call: OpenCall) -> ButtonContext:
    """The Approve behind the last page. Raises Malformed where there was none."""
    if not call.approve or call.state.page != call.state.seen:
        raise Malformed("approve")
    return replace(call.context, value=call.approve, verb=Button.APPROVE)


def _button(action_id: str) -> Button | None:
    if action_id == NEXT_ONE:
        return Button.NEXT
    if not action_id.startswith(ACTION):
        return None
    word = action_id.removeprefix(ACTION)
    return Button(word) if word in set(Button) else None


#: What the menu of a card holds; no answer is among it.
MENU = frozenset({Button.VIEW_ALL, Button.CLAIM, Button.WHY, Button.IDS})


def _picked_in_menu(value: str) -> Button | None:
    """Which button an option means, by its value, which the core opens; None for the link to a run.

    Raises Malformed for anything else.
    """
    if value == RUN:
        return None
    verb = Seal.claimed_verb(value)
    if verb not in MENU:
        raise Malformed("selected_option")
    return Button(verb)


def _fields(view: Mapping[str, Any]) -> Mapping[str, Any]:
    if view.get("state") is None:
        return {}
    values = part(view, "state").get("values")
    return values if isinstance(values, dict) else {}


def _typed(fields: Mapping[str, Any], at: str) -> str | None:
    if fields.get(at) is None:
        return None
    return filled(part(part(fields, at), NOTE).get("value"), "note")


def _picked(fields: Mapping[str, Any], at: str) -> str | None:
    if fields.get(at) is None:
        return None
    option = part(part(fields, at), PRESET).get("selected_option")
    if option is None:
        return None
    if not isinstance(option, dict):
        raise Malformed("preset")
    return filled(text(option, "value"), "preset")
