"""What Slack refuses in a message or a modal, refused here too, with Slack's own error words.

The limits of single blocks are tables in `block_kit`; here are those of a whole message and a whole view.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sandbox.slack.block_kit import MESSAGE, MODAL
from sandbox.slack.errors import SlackError
from sandbox.slack.rules import at

MESSAGE_TEXT = 40_000
#: Seen in the wild, not documented (slackapi/bolt-js issue 2509): the text of all blocks together.
MESSAGE_BLOCKS_TEXT = 13_200
#: Seen in the wild (slackapi/bolt-js issue 2867): 15,561 characters of JSON were taken, 17,694 refused.
MESSAGE_BLOCKS_JSON = 16_000
VIEW_BYTES = 250_000


def elements_of(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The interactive elements of a block, in reading order: actions, an accessory, or one input."""
    if block.get("type") == "actions":
        return list(block.get("elements", []))
    return [block[slot] for slot in ("accessory", "element") if slot in block]


def _repeated_ids(blocks: Sequence[Mapping[str, Any]], pointer: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        block_id = block.get("block_id")
        if block_id is not None and block_id in seen:
            yield at(f"{pointer}/{index}/block_id", f"`block_id` is not unique: {block_id}")
        seen.add(str(block_id))
        ids = [element["action_id"] for element in elements_of(block) if "action_id" in element]
        if len(ids) != len(set(ids)):
            yield at(f"{pointer}/{index}/elements", "`action_id` is not unique within the block")


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, inner in node.items():
            if name == "text" and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _texts(inner)


def check_message(*, text: str | None, blocks: list[Any] | None) -> None:
    """Refuse a message that Slack would refuse. Text is demanded even with blocks: it is what screen readers
    and notifications get (docs.slack.dev/reference/methods/chat.postMessage).

    Raises SlackError: no_text, msg_too_long, invalid_blocks, msg_blocks_too_long.
    """
    if not text:
        raise SlackError("no_text")
    if len(text) > MESSAGE_TEXT:
        raise SlackError("msg_too_long")
    if blocks is None:
        return
    found = list(MESSAGE(blocks, "/blocks")) or list(_repeated_ids(blocks, "/blocks"))
    if found:
        raise SlackError.with_messages("invalid_blocks", found)
    too_much_text = sum(len(piece) for piece in _texts(blocks)) > MESSAGE_BLOCKS_TEXT
    if too_much_text or len(json.dumps(blocks, ensure_ascii=False)) > MESSAGE_BLOCKS_JSON:
        raise SlackError("msg_blocks_too_long")


def check_view(view: Any) -> None:
    """Refuse a modal that Slack would refuse. Raises SlackError: invalid_arguments, view_too_large."""
    found = list(MODAL(view, "/view"))
    if not found:
        found += _repeated_ids(view["blocks"], "/view/blocks")
        if "submit" not in view and any(block["type"] == "input" for block in view["blocks"]):
            found.append(at("/view/submit", "missing required field: submit (the view has an input block)"))
    if found:
        raise SlackError.with_messages("invalid_arguments", found)
    if len(json.dumps(view).encode()) > VIEW_BYTES:
        raise SlackError("view_too_large")
