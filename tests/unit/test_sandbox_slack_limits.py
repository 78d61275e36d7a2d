"""The local Slack refuses what Slack refuses: each documented limit, at its edge and one beyond."""

from typing import Any

import pytest

from sandbox.slack.errors import SlackError
from sandbox.slack.limits import check_message, check_view

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def button(**fields: Any) -> Json:
    return {"type": "button", "text": plain("Approve"), **fields}


def actions(*elements: Json, **fields: Any) -> Json:
    return {"type": "actions", "elements": list(elements), **fields}


def overflow(options: int = 5, value: str = "look", *, text: Json | None = None, **fields: Any) -> Json:
    """An overflow menu; `fields` go into each of its options."""
    option = {"text": text or plain("View all"), "value": value, **fields}
    return actions({"type": "overflow", "action_id": "more", "options": [option] * options})


def confirm(**fields: Any) -> Json:
    sure = {"title": plain("Sure?"), "text": plain("Really?"), "confirm": plain("Yes"), "deny": plain("No")}
    return {**sure, **fields}


def rich(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": list(elements)}


def preformatted(text: str) -> Json:
    return rich({"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]})


def modal(*blocks: Json, **fields: Any) -> Json:
    shown = list(blocks) or [{"type": "divider"}]
    return {"type": "modal", "title": plain("Reject"), "blocks": shown, **fields}


def note(**fields: Any) -> Json:
    return {"type": "input", "label": plain("Why?"), "element": {"type": "plain_text_input", **fields}}


def error_of_message(blocks: Any, text: str = "fallback") -> str | None:
    try:
        check_message(text=text, blocks=blocks)
    except SlackError as error:
        return error.code
    return None


def error_of_view(view: Any) -> str | None:
    try:
        check_view(view)
    except SlackError as error:
        return error.code
    return None


MANY = [button(action_id=f"a{n}") for n in range(26)]

FITS = {
    "50 blocks": [{"type": "divider"}] * 50,
    "header 150": [{"type": "header", "text": plain("x" * 150)}],
    "section 3000": [{"type": "section", "text": mrkdwn("x" * 3000)}],
    "10 fields": [{"type": "section", "fields": [mrkdwn("x" * 1000)] * 10}],
    "context 10": [{"type": "context", "elements": [mrkdwn("x")] * 10}],
    "25 actions": [actions(*MANY[:25])],
    "button text 75": [actions(button(text=plain("x" * 75)))],
    "value 2000": [actions(button(value="x" * 2000))],
    "action_id 255": [actions(button(action_id="x" * 255))],
    "block_id 255": [actions(button(), block_id="x" * 255)],
    "accessibility_label 75": [actions(button(accessibility_label="x" * 75))],
    "primary": [actions(button(style="primary"))],
    "confirm": [actions(button(confirm=confirm(style="danger")))],
    "overflow": [overflow(5, "x" * 150, text=plain("x" * 75), url="https://acme.example/" + "x" * 2000)],
    "preformatted": [preformatted("<!channel> *stays* as it is")],
    "quote and list": [
        rich(
            {"type": "rich_text_quote", "elements": [{"type": "user", "user_id": "U0ANN"}]},
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]}],
            },
        )
    ],
}

REFUSED = {
    "51 blocks": [{"type": "divider"}] * 51,
    "header 151": [{"type": "header", "text": plain("x" * 151)}],
    "header mrkdwn": [{"type": "header", "text": mrkdwn("x")}],
    "section 3001": [{"type": "section", "text": mrkdwn("x" * 3001)}],
    "section empty": [{"type": "section", "text": mrkdwn("")}],
    "section bare": [{"type": "section"}],
    "11 fields": [{"type": "section", "fields": [mrkdwn("x")] * 11}],
    "context 11": [{"type": "context", "elements": [mrkdwn("x")] * 11}],
    "26 actions": [actions(*MANY)],
    "no actions": [actions()],
    "button text 76": [actions(button(text=plain("x" * 76)))],
    "button text mrkdwn": [actions(button(text=mrkdwn("x")))],
    "value 2001": [actions(button(value="x" * 2001))],
    "action_id 256": [actions(button(action_id="x" * 256))],
    "block_id 256": [actions(button(), block_id="x" * 256)],
    "accessibility_label 76": [actions(button(accessibility_label="x" * 76))],
    "unknown style": [actions(button(style="warning"))],
    "confirm title 101": [actions(button(confirm=confirm(title=plain("x" * 101))))],
    "confirm text 301": [actions(button(confirm=confirm(text=plain("x" * 301))))],
    "confirm button 31": [actions(button(confirm=confirm(confirm=plain("x" * 31))))],
    "overflow of 6": [overflow(6)],
    "overflow of none": [overflow(0)],
    "overflow value 151": [overflow(value="x" * 151)],
    "overflow text 76": [overflow(text=plain("x" * 76))],
    "overflow text mrkdwn": [overflow(text=mrkdwn("View all"))],
    "overflow style": [overflow(style="danger")],
    "overflow described": [overflow(description=plain("why"))],
    "link in a select": [
        actions(
            {
                "type": "static_select",
                "options": [{"text": plain("x"), "value": "x", "url": "https://a.example"}],
            }
        )
    ],
    "same action_id": [actions(button(action_id="same"), button(action_id="same"))],
    "same block_id": [actions(button(), block_id="same"), actions(button(), block_id="same")],
    "unknown block": [{"type": "hologram"}],
    "unknown element": [actions({"type": "lever"})],
    "unknown field": [actions(button(colour="red"))],
    "not an object": ["header"],
    "mention in preformatted": [
        rich({"type": "rich_text_preformatted", "elements": [{"type": "user", "user_id": "U0ANN"}]})
    ],
    "rich text without parts": [{"type": "rich_text", "elements": []}],
    "input in a message": [note(action_id="note")],
}

BROKEN_VIEWS = {
    "title 25": modal(title=plain("x" * 25)),
    "submit 25": modal(submit=plain("x" * 25)),
    "close 25": modal(close=plain("x" * 25)),
    "private_metadata 3001": modal(private_metadata="x" * 3001),
    "callback_id 256": modal(callback_id="x" * 256),
    "101 blocks": modal(*[{"type": "divider"}] * 101),
    "input without submit": modal(note()),
    "max_length 3001": modal(note(max_length=3001), submit=plain("Send")),
    "label 2001": modal({**note(), "label": plain("x" * 2001)}, submit=plain("Send")),
    "no blocks": {"type": "modal", "title": plain("x"), "blocks": []},
    "not a modal": {"type": "home", "title": plain("x"), "blocks": [{"type": "divider"}]},
    "nothing": None,
}


@pytest.mark.parametrize("blocks", FITS.values(), ids=FITS.keys())
def test_what_is_within_the_limits_is_taken(blocks: list[Json]) -> None:
    """A card that uses a limit to the full is posted."""
    assert error_of_message(blocks) is None


@pytest.mark.parametrize("blocks", REFUSED.values(), ids=REFUSED.keys())
def test_what_breaks_a_limit_is_refused(blocks: list[Json]) -> None:
    """A card that breaks a documented limit is refused as Slack refuses it, so that no test is kinder than
    Slack."""
    expected = "invalid_blocks"
    assert expected == error_of_message(blocks)


@pytest.mark.parametrize("view", BROKEN_VIEWS.values(), ids=BROKEN_VIEWS.keys())
def test_a_modal_that_breaks_a_limit_is_refused(view: Json | None) -> None:
    """A modal that Slack would not open does not open here."""
    expected = "invalid_arguments"
    assert expected == error_of_view(view)


def test_a_full_modal_is_taken() -> None:
    """A modal that uses its limits to the full is opened."""
    view = modal(
        note(max_length=3000, multiline=True),
        title=plain("x" * 24),
        submit=plain("x" * 24),
        private_metadata="x" * 3000,
        callback_id="x" * 255,
    )

    assert error_of_view(view) is None


def test_a_refusal_names_the_place() -> None:
    """The author of a card learns which field is too long, in Slack's own words."""
    with pytest.raises(SlackError) as caught:
        check_message(text="x", blocks=[{"type": "header", "text": plain("x" * 151)}])

    expected = "[ERROR] must be less than 151 characters [json-pointer:/blocks/0/text/text]"
    assert {"messages": [expected]} == caught.value.extra["response_metadata"]


def test_text_is_never_optional() -> None:
    """A card without fallback text is refused: screen readers and notifications would have nothing to say."""
    expected = "no_text"
    assert expected == error_of_message([{"type": "divider"}], text="")


def test_text_has_an_end() -> None:
    """40,000 characters of text are taken, one more is not."""
    found = [error_of_message(None, text="x" * length) for length in (40_000, 40_001)]

    expected = [None, "msg_too_long"]
    assert expected == found


def test_the_whole_message_has_a_ceiling() -> None:
    """Blocks that are each within their limit are still too long together, near 13,200 characters."""
    section = {"type": "section", "text": mrkdwn("x" * 2640)}

    one_more = {"type": "context", "elements": [mrkdwn("x")]}
    found = [error_of_message([section] * 5), error_of_message([*[section] * 5, one_more])]

    expected = [None, "msg_blocks_too_long"]
    assert expected == found
