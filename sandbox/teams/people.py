"""Who and what is in the local Teams from the start: people, a guest, a stranger, a team with channels, a
group chat, and the bot.

People have the e-mail addresses that they have in the local Slack, so that one person can be met in both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TENANT = "5a4db0c5-7e2a-4a6b-9a53-0b9a5d3f0001"
OTHER_TENANT = "5a4db0c5-7e2a-4a6b-9a53-0b9a5d3f0002"
TEAM = "19:teamgeneral0000000000000000000001@thread.tacv2"
TEAM_NAME = "Acme"
TEAM_GROUP = "5a4db0c5-7e2a-4a6b-9a53-0b9a5d3f0003"  #: the team's Entra group

Scope = Literal["personal", "groupChat", "channel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One user. `id` is what the bot sees (29:…), `aad` the Entra object id; both are the tenant's business."""

    name: str  #: the short name by which user actions and tests call them
    full_name: str
    email: str
    aad: str
    tenant: str = TENANT
    title: str = ""  #: what the page says about them
    guest: bool = False

    @property
    def id(self) -> str:
        """The user's id for this bot ("unique to your bot ID and a particular user")."""
        return f"29:1{self.name}-{self.aad[:8]}"

    def to_sender(self) -> dict[str, Any]:
        """`from` of an activity."""
        return {"id": self.id, "name": self.full_name, "aadObjectId": self.aad}

    def to_member(self) -> dict[str, Any]:
        """The person in a roster (get-teams-context, `members` and `pagedmembers`)."""
        given, _, surname = self.full_name.partition(" ")
        return {
            "id": self.id,
            "objectId": self.aad,
            "aadObjectId": self.aad,
            "name": self.full_name,
            "givenName": given,
            "surname": surname,
            "email": self.email,
            "userPrincipalName": self.email,
            "tenantId": self.tenant,
            "userRole": "guest" if self.guest else "user",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A conversation: a channel of the team, a group chat, or a personal chat of the bot with one person."""

    id: str
    name: str
    scope: Scope
    members: frozenset[str] = frozenset()  #: short names
    installed: bool = True  #: whether the app is in the team, the chat, or with the person
    blocked: bool = False  #: the person blocked the bot
    gone: bool = False  #: the channel or chat was deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """The registered app: a single-tenant bot. None of the secrets is one."""

    app_id: str = "11112222-3333-4444-5555-666677778888"
    password: str = field(default="sandbox-teams-password", repr=False)
    tenant: str = TENANT
    name: str = "Nod"

    @property
    def id(self) -> str:
        """The bot as an account of the channel (28: and the app id)."""
        return f"28:{self.app_id}"


def cast() -> Mapping[str, Person]:
    """The people of the demo by short name, as in the local Slack."""
    people = (
        Person(
            name="ann",
            full_name="Ann Albers",
            email="ann@acme.example",
            aad="a0000000-0000-4000-8000-000000000001",
            title="Approver",
        ),
        Person(
            name="bob",
            full_name="Bob Brandt",
            email="bob@acme.example",
            aad="b0000000-0000-4000-8000-000000000002",
            title="Approver",
        ),
        Person(
            name="eve",
            full_name="Eve Ekström",
            email="eve@acme.example",
            aad="e0000000-0000-4000-8000-000000000003",
            title="Not an approver",
        ),
        Person(
            name="olu",
            full_name="Olu Obi",
            email="olu@acme.example",
            aad="c0000000-0000-4000-8000-000000000004",
            title="On call",
        ),
        Person(
            name="gus",
            full_name="Gus Guest",
            email="gus@partner.example",
            aad="d0000000-0000-4000-8000-000000000005",
            title="Guest",
            guest=True,
        ),
        Person(
            name="xia",
            full_name="Xia (other company)",
            email="xia@other.example",
            aad="f0000000-0000-4000-8000-000000000006",
            tenant=OTHER_TENANT,
            title="Other company",
        ),
    )
    return {person.name: person for person in people}


STAFF = frozenset({"ann", "bob", "eve", "olu"})
APPROVALS = "19:approvals00000000000000000000001@thread.tacv2"
FINANCE = "19:finance0000000000000000000000001@thread.tacv2"
ALERTS = "19:alerts00000000000000000000000001@thread.tacv2"
CHAT = "19:groupchat0000000000000000000001@thread.v2"
ELSEWHERE = "19:elsewhere00000000000000000000001@thread.v2"


def places() -> Mapping[str, Place]:
    """The places of the demo; the app is in each but the last, where it must be told that it is not."""
    rows = (
        Place(id=TEAM, name="General", scope="channel", members=STAFF | {"gus", "xia"}),
        Place(id=APPROVALS, name="Approvals", scope="channel", members=STAFF | {"gus", "xia"}),
        Place(id=FINANCE, name="Finance approvals", scope="channel", members=STAFF | {"gus", "xia"}),
        Place(id=ALERTS, name="Nod alerts", scope="channel", members=STAFF | {"gus", "xia"}),
        Place(id=CHAT, name="On call", scope="groupChat", members=STAFF),
        Place(id=ELSEWHERE, name="Without Nod", scope="groupChat", members=STAFF, installed=False),
    )
    return {place.id: place for place in rows}
