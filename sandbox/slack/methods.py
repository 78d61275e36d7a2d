"""The Web API methods that the local Slack offers, each with the scopes of which one is needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack import methods_chat, methods_conversations, methods_people, methods_views
from sandbox.slack.calls import Asked


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it does, and what the token must be allowed (any one of `scopes`)."""

    run: Callable[[Asked], dict[str, Any]]
    scopes: tuple[str, ...] = ()
    app_level: bool = False  #: needs an xapp- token instead of the bot's


_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")

METHODS: Mapping[str, Method] = {
    "api.test": Method(lambda asked: {"args": dict(asked.args)}),
    "auth.test": Method(methods_people.auth_test),
    "chat.postMessage": Method(methods_chat.post_message, ("chat:write",)),
    "chat.update": Method(methods_chat.update, ("chat:write",)),
    "chat.delete": Method(methods_chat.delete, ("chat:write",)),
    "chat.postEphemeral": Method(methods_chat.post_ephemeral, ("chat:write",)),
    "chat.getPermalink": Method(methods_chat.get_permalink),
    "conversations.history": Method(methods_conversations.history, _HISTORY),
    "conversations.replies": Method(methods_conversations.replies, _HISTORY),
    "conversations.list": Method(methods_conversations.listed, _READ),
    "conversations.info": Method(methods_conversations.info, _READ),
    "conversations.members": Method(methods_conversations.members, _READ),
    "conversations.open": Method(methods_conversations.open_direct, ("im:write", "channels:manage")),
    "users.list": Method(methods_people.listed, ("users:read",)),
    "users.info": Method(methods_people.info, ("users:read",)),
    "users.lookupByEmail": Method(methods_people.lookup_by_email, ("users:read.email",)),
    "usergroups.users.list": Method(methods_people.usergroup_members, ("usergroups:read",)),
    "views.open": Method(methods_views.open_view),
    "views.update": Method(methods_views.update),
    "views.push": Method(methods_views.push),
    "apps.connections.open": Method(methods_views.connections_open, app_level=True),
}
