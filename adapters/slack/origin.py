"""Whose click it is, and whether that person belongs to where the bot is installed. Pure.

Shapes: docs.slack.dev/reference/interaction-payloads (in an Enterprise organisation `user.team_id` may be the
organisation's own id, which begins with an E) and docs.slack.dev/reference/objects/user-object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.slack.identity import Identity
from adapters.slack.strict import Malformed, maybe_text, part, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The person, with the workspace and the organisation that the account belongs to."""

    account: str
    team_id: str | None
    enterprise_id: str | None = None
    app_id: str | None = None  #: which app the payload is meant for


def who_of(payload: Mapping[str, Any]) -> Who:
    """Who did it, from any interaction payload. Raises Malformed.

    `team` and `enterprise` of a payload name where it happened. They speak for the person only where her own
    team is not given, or where the team in which it happened is her own.
    """
    user = part(payload, "user")
    place = part(payload, "team") if payload.get("team") else {}
    here, team = maybe_text(place, "id"), maybe_text(user, "team_id")
    enterprise = maybe_text(user, "enterprise_id")
    if user.get("enterprise_user"):
        enterprise = enterprise or maybe_text(part(user, "enterprise_user"), "enterprise_id")
    if team is None or team == here:
        enterprise = enterprise or maybe_text(place, "enterprise_id")
    return Who(
        account=text(user, "id"),
        team_id=team or here,
        enterprise_id=enterprise,
        app_id=maybe_text(payload, "api_app_id"),
    )


def check_app(who: Who, identity: Identity) -> None:
    """Raises Malformed when a payload is meant for another app than ours, where Slack told us which is ours."""
    if identity.app_id is not None and who.app_id != identity.app_id:
        raise Malformed("api_app_id")


def is_home(team_id: str | None, enterprise_id: str | None, identity: Identity) -> bool:
    """The workspace is ours; or the organisation is, and the app was installed for all of it."""
    if team_id is not None and team_id == identity.team_id:
        return True
    ours = identity.enterprise_id if identity.org_wide else None
    return ours is not None and ours in (team_id, enterprise_id)
