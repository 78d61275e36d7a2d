"""Block Kit's documented limits as tables: what Slack would refuse, the local Slack refuses.

Sources: docs.slack.dev/reference/block-kit (blocks, block elements, composition objects) and
docs.slack.dev/reference/views for modals; every number is written once, next to the field it limits.
Types that are not in the tables are refused, also those of Slack's own that no card of Nod uses.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.slack.rich_text import RICH_TEXT
from sandbox.slack.rules import Rule, at, by_type, flag, items, one_of, shape, string, typed, whole

MESSAGE_BLOCKS = 50
MODAL_BLOCKS = 100

ID = string(255)


def _plain(most: int) -> Rule:
    return typed("plain_text", required={"text": string(most)}, optional={"emoji": flag})


def _text(most: int) -> Rule:
    mrkdwn = typed("mrkdwn", required={"text": string(most)}, optional={"verbatim": flag})
    return by_type({"plain_text": _plain(most), "mrkdwn": mrkdwn})


STYLE = one_of("primary", "danger")


def _confirm(value: Any, pointer: str) -> Iterator[str]:
    fields = {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30)}
    rule = typed("confirm", required=fields, optional={"style": STYLE})
    typed_value = {"type": "confirm", **value} if isinstance(value, dict) else value
    yield from rule(typed_value, pointer)


_OPTION_VALUE = string(150)
#: docs.slack.dev/reference/block-kit/composition-objects/option-object: only boxes read mrkdwn.
_BOX_OPTION = shape(required={"text": _text(75), "value": _OPTION_VALUE}, optional={"description": _text(75)})
_MENU_OPTION = shape(
    required={"text": _plain(75), "value": _OPTION_VALUE}, optional={"description": _plain(75)}
)
#: `url` is for overflow menus alone.
_LINK_OPTION = shape(required={"text": _plain(75), "value": _OPTION_VALUE}, optional={"url": string(3000)})


def _choice(kind: str, option: Rule, *, most: int, **more: Rule) -> Rule:
    optional = {"action_id": ID, "confirm": _confirm, **more}
    return typed(kind, required={"options": items(option, most=most)}, optional=optional)


BUTTON = typed(
    "button",
    required={"text": _plain(75)},
    optional={
        "action_id": ID,
        "value": string(2000),
        "url": string(3000),
        "style": STYLE,
        "confirm": _confirm,
        "accessibility_label": string(75),
    },
)
TEXT_INPUT = typed(
    "plain_text_input",
    optional={
        "action_id": ID,
        "initial_value": string(3000, least=0),
        "placeholder": _plain(150),
        "multiline": flag,
        "min_length": whole(0, 3000),
        "max_length": whole(1, 3000),
        "focus_on_load": flag,
    },
)
CLICKABLE: Mapping[str, Rule] = {
    "button": BUTTON,
    "static_select": _choice(
        "static_select",
        _MENU_OPTION,
        most=100,
        initial_option=_MENU_OPTION,
        placeholder=_plain(150),
        focus_on_load=flag,
    ),
    "overflow": _choice("overflow", _LINK_OPTION, most=5),
    "radio_buttons": _choice(
        "radio_buttons", _BOX_OPTION, most=10, initial_option=_BOX_OPTION, focus_on_load=flag
    ),
    "checkboxes": _choice(
        "checkboxes", _BOX_OPTION, most=10, initial_options=items(_BOX_OPTION, most=10), focus_on_load=flag
    ),
}
TYPED_IN: Mapping[str, Rule] = {
    "plain_text_input": TEXT_INPUT,
    **{kind: rule for kind, rule in CLICKABLE.items() if kind not in ("button", "overflow")},
}
IMAGE = typed("image", required={"image_url": string(3000), "alt_text": string(2000)})

_SECTION = typed(
    "section",
    optional={
        "block_id": ID,
        "text": _text(3000),
        "fields": items(_text(2000), most=10),
        "accessory": by_type({**CLICKABLE, "image": IMAGE}),
        "expand": flag,
    },
)


def _section(value: Any, pointer: str) -> Iterator[str]:
    yield from _SECTION(value, pointer)
    if not isinstance(value, dict) or not ("text" in value or "fields" in value):
        yield at(pointer, "must define either `fields` or `text`")


_ID_ONLY = {"block_id": ID}
_CONTEXT_ELEMENT: Rule = by_type(
    {
        "image": IMAGE,
        "plain_text": _plain(2000),
        "mrkdwn": typed("mrkdwn", required={"text": string(2000)}, optional={"verbatim": flag}),
    }
)
MESSAGE_KINDS: Mapping[str, Rule] = {
    "header": typed("header", required={"text": _plain(150)}, optional=_ID_ONLY),
    "section": _section,
    "divider": typed("divider", optional=_ID_ONLY),
    "context": typed("context", required={"elements": items(_CONTEXT_ELEMENT, most=10)}, optional=_ID_ONLY),
    "actions": typed("actions", required={"elements": items(by_type(CLICKABLE), most=25)}, optional=_ID_ONLY),
    "image": typed(
        "image",
        required={"image_url": string(3000), "alt_text": string(2000)},
        optional={**_ID_ONLY, "title": _plain(2000)},
    ),
    "rich_text": typed("rich_text", required={"elements": RICH_TEXT}, optional=_ID_ONLY),
}
INPUT = typed(
    "input",
    required={"label": _plain(2000), "element": by_type(TYPED_IN)},
    optional={**_ID_ONLY, "hint": _plain(2000), "optional": flag, "dispatch_action": flag},
)
MODAL_KINDS: Mapping[str, Rule] = {**MESSAGE_KINDS, "input": INPUT}

MODAL = typed(
    "modal",
    required={"title": _plain(24), "blocks": items(by_type(MODAL_KINDS), most=MODAL_BLOCKS)},
    optional={
        "submit": _plain(24),
        "close": _plain(24),
        "private_metadata": string(3000, least=0),
        "callback_id": string(255, least=0),
        "external_id": string(255, least=0),
        "clear_on_close": flag,
        "notify_on_close": flag,
        "submit_disabled": flag,
    },
)
MESSAGE: Rule = items(by_type(MESSAGE_KINDS), least=0, most=MESSAGE_BLOCKS)
