"""Where the bot is installed, and what it may do there. Pure."""

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
    org_wide: bool = False  #: the app was installed for all of the organisation
