"""conversations.*: what is written where, and who is in there (docs.slack.dev/reference/methods)."""

from typing import Any

from sandbox.slack.calls import Asked
from sandbox.slack.errors import SlackError
from sandbox.slack.messages import Message
from sandbox.slack.people import Channel


def _readable(asked: Asked) -> str:
    channel = asked.workspace.conversations.channel(asked.text("channel", missing="channel_not_found"))
    _check_kind(asked, channel, "history")
    if asked.workspace.app.bot_user_id not in channel.members:
        raise SlackError("not_in_channel")
    return channel.id


def _check_kind(asked: Asked, channel: Channel, what: str) -> None:
    """Each kind of conversation has a scope of its own (docs.slack.dev/reference/scopes).

    Raises SlackError missing_scope.
    """
    kind = "im" if channel.is_im else "groups" if channel.is_private else "channels"
    provided = asked.workspace.app.scopes
    if f"{kind}:{what}" not in provided.split(","):
        raise SlackError("missing_scope", needed=f"{kind}:{what}", provided=provided)


def _page(asked: Asked, messages: list[Message]) -> dict[str, Any]:
    """The part of the messages that `oldest`, `latest`, `inclusive`, `cursor` and `limit` ask for."""
    workspace = asked.workspace
    oldest, latest = asked.maybe("oldest") or "0", asked.maybe("latest")
    inclusive = asked.flag("inclusive")

    def within(message: Message) -> bool:
        at = float(message.ts)
        above = at > float(oldest) or (inclusive and message.ts == oldest)
        below = latest is None or at < float(latest) or (inclusive and message.ts == latest)
        return above and below

    try:
        kept = [message for message in messages if within(message)]
        start = int((asked.maybe("cursor") or "at:0").removeprefix("at:"))
    except ValueError:
        raise SlackError("invalid_cursor" if asked.maybe("cursor") else "invalid_ts_oldest") from None
    limit = asked.number("limit", default=100, most=999)
    shown = kept[start : start + limit]
    more = start + limit < len(kept)
    with_metadata = asked.flag("include_all_metadata")
    answer: dict[str, Any] = {
        "messages": [m.to_slack(app=workspace.app, with_metadata=with_metadata) for m in shown],
        "has_more": more,
    }
    if more:
        answer["response_metadata"] = {"next_cursor": f"at:{start + limit}"}
    return answer


def history(asked: Asked) -> dict[str, Any]:
    """conversations.history: newest first, without the replies in threads."""
    channel = _readable(asked)
    tops = [m for m in asked.workspace.messages(channel) if m.thread_ts in (None, m.ts)]
    return _page(asked, tops[::-1])


def replies(asked: Asked) -> dict[str, Any]:
    """conversations.replies: oldest first, the thread's first message included."""
    channel = _readable(asked)
    thread = asked.workspace.conversations.thread(channel, asked.text("ts", missing="thread_not_found"))
    if not thread:
        raise SlackError("thread_not_found")
    return _page(asked, thread)


def info(asked: Asked) -> dict[str, Any]:
    """conversations.info: works for channels without the app in them; `is_member` tells."""
    channel = asked.workspace.conversations.channel(asked.text("channel", missing="channel_not_found"))
    _check_kind(asked, channel, "read")
    return {"channel": channel.to_slack(bot_user_id=asked.workspace.app.bot_user_id)}


def members(asked: Asked) -> dict[str, Any]:
    """conversations.members, at most `limit` (1000) a page."""
    channel = asked.workspace.conversations.channel(asked.text("channel", missing="channel_not_found"))
    _check_kind(asked, channel, "read")
    return asked.page("members", sorted(channel.members))


def open_direct(asked: Asked) -> dict[str, Any]:
    """conversations.open with one person: the direct conversation, opened or found."""
    people = asked.text("users", missing="users_list_not_supplied").split(",")
    if len(people) != 1:
        raise SlackError("too_many_users")
    channel = asked.workspace.conversations.direct(people[0].strip())
    return {"channel": {"id": channel.id}}


def listed(asked: Asked) -> dict[str, Any]:
    """conversations.list: public channels, and private ones that the app is in, of the `types` asked for."""
    types = set((asked.maybe("types") or "public_channel").split(","))
    workspace = asked.workspace
    bot, scopes = workspace.app.bot_user_id, workspace.app.scopes
    for kind, scope in (("public_channel", "channels:read"), ("private_channel", "groups:read")):
        if kind in types and scope not in scopes.split(","):
            raise SlackError("missing_scope", needed=scope, provided=scopes)
    shown = [
        channel.to_slack(bot_user_id=bot)
        for channel in workspace.conversations.channels.values()
        if not channel.is_im
        and ("private_channel" if channel.is_private else "public_channel") in types
        and (not channel.is_private or bot in channel.members)
        and not (channel.is_archived and asked.flag("exclude_archived"))
    ]
    return asked.page("channels", shown)
