"""What one person sees of the workspace, as JSON for the page."""

from typing import Any

from sandbox.slack.messages import Message
from sandbox.slack.people import Channel, Person
from sandbox.slack.workspace import Workspace

#: The page shows this many of a channel's newest messages; a chat is read from its end.
SHOWN = 300


def picture(workspace: Workspace, *, viewer: str) -> dict[str, Any]:
    """Everything that `viewer` sees now: people, their channels with messages, what only they see, their
    modals."""
    channels = [
        _channel(workspace, channel=channel, viewer=viewer)
        for channel in workspace.conversations.channels.values()
        if viewer in channel.members
    ]
    views = workspace.views(viewer)
    return {
        "version": workspace.changes.version,
        "app": {"id": workspace.app.bot_user_id, "name": workspace.app.name},
        "people": [_person(person) for person in workspace.people.values()],
        "groups": list(workspace.usergroups),
        "channels": channels,
        "views": [view.to_slack(app=workspace.app) for view in views],
    }


def _person(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "real_name": person.real_name,
        "title": person.title,
        "is_bot": person.is_bot,
    }


def _channel(workspace: Workspace, *, channel: Channel, viewer: str) -> dict[str, Any]:
    whispered = [m for m in workspace.ephemerals(viewer) if m.channel == channel.id]
    messages = sorted(
        (*workspace.messages(channel.id)[-SHOWN:], *whispered), key=lambda message: float(message.ts)
    )
    return {
        "id": channel.id,
        "name": channel.name,
        "purpose": channel.purpose,
        "is_im": channel.is_im,
        "is_archived": channel.is_archived,
        "members": len(channel.members),
        "messages": [_message(workspace, message) for message in messages],
    }


def _message(workspace: Workspace, message: Message) -> dict[str, Any]:
    return {
        **message.to_slack(app=workspace.app, with_metadata=False),
        "version": len(message.history),
        "ephemeral": message.only_for is not None,
    }
