"""chat.*: post, update, whisper, link (docs.slack.dev/reference/methods)."""

import json
from typing import Any

from sandbox.slack.calls import Asked
from sandbox.slack.errors import SlackError
from sandbox.slack.limits import check_message
from sandbox.slack.messages import Message
from sandbox.slack.people import TEAM_DOMAIN

#: metadata_too_large: the method page names no number; 16 kB of JSON is this sandbox's reading.
METADATA_BYTES = 16_000


def _metadata(asked: Asked) -> dict[str, Any] | None:
    given = asked.parsed("metadata", broken="invalid_metadata_format")
    if given is None:
        return None
    if (
        not isinstance(given, dict)
        or not isinstance(given.get("event_type"), str)
        or not isinstance(given.get("event_payload"), dict)
    ):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(given).encode()) > METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return given


def post_message(asked: Asked) -> dict[str, Any]:
    """chat.postMessage; a person's id as channel posts into the direct conversation with them."""
    workspace = asked.workspace
    conversations = workspace.conversations
    channel = conversations.writable(asked.text("channel", missing="channel_not_found"))
    blocks, metadata = asked.blocks(), _metadata(asked)
    check_message(text=asked.maybe("text"), blocks=blocks)
    workspace.pace.admit(channel.id)
    message = Message(
        channel=channel.id,
        ts=conversations.new_ts(workspace.now()),
        text=asked.text("text"),
        blocks=conversations.named(blocks or []),
        thread_ts=asked.maybe("thread_ts"),
        metadata=metadata,
    )
    message = conversations.add(message)
    workspace.changes.bump()
    return {"channel": channel.id, "ts": message.ts, "message": message.to_slack(app=workspace.app)}


def update(asked: Asked) -> dict[str, Any]:
    """chat.update: the app's own messages; `text` without `blocks` removes the blocks."""
    workspace = asked.workspace
    conversations = workspace.conversations
    channel_id = asked.text("channel", missing="channel_not_found")
    if channel_id in workspace.people:
        raise SlackError("channel_not_found")
    channel = conversations.writable(channel_id)
    old = conversations.get(channel.id, asked.text("ts", missing="message_not_found"))
    if old.author is not None:
        raise SlackError("cant_update_message")
    blocks, metadata = asked.blocks(), _metadata(asked)
    check_message(text=asked.maybe("text"), blocks=blocks)
    workspace.updates.admit()
    changed = old.changed(
        at=conversations.new_ts(workspace.now()),
        text=asked.text("text"),
        blocks=conversations.named(blocks or []),
        metadata=old.metadata if metadata is None else metadata,
    )
    conversations.put(changed)
    workspace.changes.bump()
    return {
        "channel": channel.id,
        "ts": changed.ts,
        "text": changed.text,
        "message": changed.to_slack(app=workspace.app),
    }


def delete(asked: Asked) -> dict[str, Any]:
    """chat.delete: the app's own messages."""
    workspace = asked.workspace
    channel = workspace.conversations.writable(asked.text("channel", missing="channel_not_found"))
    message = workspace.conversations.get(channel.id, asked.text("ts", missing="message_not_found"))
    if message.author is not None:
        raise SlackError("cant_delete_message")
    workspace.conversations.remove(message)
    workspace.changes.bump()
    return {"channel": channel.id, "ts": message.ts}


def post_ephemeral(asked: Asked) -> dict[str, Any]:
    """chat.postEphemeral: one member sees it, nobody can read it back."""
    workspace = asked.workspace
    conversations = workspace.conversations
    channel = conversations.writable(asked.text("channel", missing="channel_not_found"))
    user = asked.text("user", missing="user_not_in_channel")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    blocks = asked.blocks()
    check_message(text=asked.maybe("text"), blocks=blocks)
    ts = conversations.new_ts(workspace.now())
    conversations.add(
        Message(
            channel=channel.id,
            ts=ts,
            text=asked.text("text"),
            blocks=conversations.named(blocks or []),
            thread_ts=asked.maybe("thread_ts"),
            only_for=user,
        )
    )
    workspace.changes.bump()
    return {"message_ts": ts}


def get_permalink(asked: Asked) -> dict[str, Any]:
    """chat.getPermalink: here it leads to the page of the sandbox."""
    workspace = asked.workspace
    channel = workspace.conversations.channel(asked.text("channel", missing="channel_not_found"))
    message = workspace.conversations.get(channel.id, asked.text("message_ts", missing="message_not_found"))
    base = workspace.base_url or f"https://{TEAM_DOMAIN}.slack.com"
    link = f"{base}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}
