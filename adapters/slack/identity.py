"""Where the bot is installed, and what it must be allowed to do there, as in the manifest. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the bot is in the workspace that it is installed in, as auth.test tells."""

    team_id: str
    bot_user_id: str
    bot_id: str | None
    app_id: str | None  #: named by auth.test for some tokens only
    scopes: frozenset[str]  #: what the token may do
    enterprise_id: str | None = None  #: the organisation of the workspace, where there is one
    url: str | None = None  #: of the workspace, with a slash at its end
    team: str = ""  #: the workspace's name
    name: str = ""  #: the bot's, without the @
    org_wide: bool = False  #: the app was installed for all of the organisation


#: Scope -> what would not work without it (docs.slack.dev/reference/scopes).
SCOPES = {
    "chat:write": "post and update cards, and send private refusals",
    "channels:read": "check that Nod is a member of its public channels",
    "groups:read": "check that Nod is a member of its private channels",
    "channels:history": "find a card again in a public channel when Slack's answer was lost",
    "groups:history": "find a card again in a private channel when Slack's answer was lost",
    "im:write": "ping people by direct message",
    "im:history": "find a direct message again when Slack's answer was lost",
    "metadata.message:read": "recognise Nod's cards by their metadata",
    "usergroups:read": "see who is in a user group that nod.yaml names",
    "users:read": "see that an account is active and not a guest",
    "users:read.email": "find approvers by their e-mail address",
}
