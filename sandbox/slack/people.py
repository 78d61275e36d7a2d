"""Who and what is in the local Slack from the start: people, a guest, a stranger, channels, a user group,
and the app."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TEAM_ID = "T0SANDBOX"
TEAM_DOMAIN = "acme-sandbox"

#: The scopes that the methods of this sandbox ask for, so that an app with all of them meets no missing_scope.
ALL_SCOPES = (
    "chat:write,channels:read,channels:history,groups:history,groups:read,im:read,im:write,im:history,"
    "users:read,users:read.email,usergroups:read,metadata.message:read"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One member of the workspace, or of another one when `team_id` differs (a Slack Connect stranger)."""

    id: str
    name: str
    real_name: str
    email: str
    title: str = ""  #: what the page says about them
    team_id: str = TEAM_ID
    tz: str = "Europe/Berlin"
    tz_offset: int = 3600  #: seconds east of UTC
    is_restricted: bool = False
    is_bot: bool = False
    deleted: bool = False

    def to_slack(self, *, with_email: bool) -> dict[str, Any]:
        """The `user` object of users.info (docs.slack.dev/reference/objects/user-object); e-mail only with
        its scope."""
        profile: dict[str, Any] = {
            "real_name": self.real_name,
            "display_name": self.name,
            "title": self.title,
            "team": self.team_id,
        }
        if with_email and not self.is_bot:
            profile["email"] = self.email
        return {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "real_name": self.real_name,
            "deleted": self.deleted,
            "tz": self.tz,
            "tz_offset": self.tz_offset,
            "profile": profile,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": False,
            "is_stranger": self.team_id != TEAM_ID,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A place for messages: a channel, or a direct conversation (`is_im`) between the app and one person."""

    id: str
    name: str
    purpose: str = ""
    members: frozenset[str] = frozenset()
    is_im: bool = False
    is_private: bool = False
    is_archived: bool = False
    is_ext_shared: bool = False  #: with another company

    def to_slack(self, *, bot_user_id: str) -> dict[str, Any]:
        """The `channel` object of conversations.info, as the app sees it."""
        if self.is_im:
            (person,) = self.members - {bot_user_id}
            return {"id": self.id, "is_im": True, "user": person, "is_open": True, "is_archived": False}
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": True,
            "is_group": False,
            "is_im": False,
            "is_mpim": False,
            "is_private": self.is_private,
            "is_archived": self.is_archived,
            "is_general": False,
            "is_member": bot_user_id in self.members,
            "is_ext_shared": self.is_ext_shared,
            "context_team_id": TEAM_ID,
            "purpose": {"value": self.purpose},
            "topic": {"value": ""},
            "num_members": len(self.members),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The installed app, as its owner would read it on the app's settings page. None of the secrets is one."""

    app_id: str = "A0NOD"
    bot_id: str = "B0NOD"
    bot_user_id: str = "U0NODBOT"
    name: str = "Nod"
    bot_token: str = field(default="xoxb-sandbox-bot", repr=False)
    app_token: str = field(default="xapp-sandbox-app", repr=False)
    signing_secret: str = field(default="sandbox-signing-secret", repr=False)
    verification_token: str = field(default="sandbox-verification", repr=False)
    scopes: str = ALL_SCOPES  #: comma separated, as X-OAuth-Scopes has them


def cast(app: App) -> Mapping[str, Person]:
    """The people of the demo: two approvers, one who is none, one on call, a guest, a stranger, and the
    app's bot user."""
    people = (
        Person(id="U0ANN", name="ann", real_name="Ann Albers", email="ann@acme.example", title="Approver"),
        Person(
            id="U0BOB",
            name="bob",
            real_name="Bob Brandt",
            email="bob@acme.example",
            title="Approver",
            tz="America/New_York",
            tz_offset=-18000,
        ),
        Person(
            id="U0EVE", name="eve", real_name="Eve Ekström", email="eve@acme.example", title="Not an approver"
        ),
        Person(id="U0OLU", name="olu", real_name="Olu Obi", email="olu@acme.example", title="On call"),
        Person(
            id="U0GUEST",
            name="gus",
            real_name="Gus Guest",
            email="gus@partner.example",
            title="Guest",
            is_restricted=True,
        ),
        Person(
            id="U0EXT",
            name="xia",
            real_name="Xia (other company)",
            email="xia@other.example",
            title="Other company",
            team_id="T0OTHER",
        ),
        Person(id=app.bot_user_id, name=app.name.lower(), real_name=app.name, email="", is_bot=True),
    )
    return {person.id: person for person in people}


def channels(app: App) -> Mapping[str, Channel]:
    """The channels of the demo; the app is a member of each but the last, where it must be told
    not_in_channel."""
    staff = frozenset({"U0ANN", "U0BOB", "U0EVE", "U0OLU"})
    bot = frozenset({app.bot_user_id})
    rows = (
        Channel(
            id="C0APPROVALS",
            name="approvals",
            purpose="Actions that need approval",
            members=staff | bot | {"U0GUEST", "U0EXT"},
        ),
        Channel(id="C0FINANCE", name="finance", purpose="Payments and invoices", members=staff | bot),
        Channel(id="C0ALERTS", name="nod-alerts", purpose="Alerts about Nod", members=staff | bot),
        Channel(id="C0RANDOM", name="random", purpose="Nod is not a member", members=staff),
    )
    return {channel.id: channel for channel in rows}


def usergroups() -> Mapping[str, tuple[str, ...]]:
    """The user groups by id, each with the ids of its members."""
    return {"S0TESTGRP": ("U0ANN", "U0BOB")}
