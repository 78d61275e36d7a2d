"""What the app must be allowed to do in a workspace; the manifest asks for exactly this."""

from __future__ import annotations

#: Scope -> what would not work without it (docs.slack.dev/reference/scopes).
SCOPES = {
    "chat:write": "post and update cards, whisper refusals",
    "channels:read": "check that Nod is a member of its public channels",
    "groups:read": "check that Nod is a member of its private channels",
    "channels:history": "find a card again in a public channel when Slack's answer was lost",
    "groups:history": "find a card again in a private channel when Slack's answer was lost",
    "im:write": "ping somebody by direct message",
    "im:history": "find a direct message again when Slack's answer was lost",
    "metadata.message:read": "recognise its own cards by their mark",
    "usergroups:read": "see who is in a user group that nod.yaml names",
    "users:read": "see that an account is active and no guest",
    "users:read.email": "find approvers by their address",
}
