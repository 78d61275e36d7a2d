"""Who in the policy has which Slack account. Guests, strangers, bots and the deactivated have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from adapters.slack.api import Answer, SlackApi
from bot.approval import Surface
from bot.errors import Gone
from bot.policy import Person

#: Any of these set on an account means that it may not decide (docs.slack.dev/reference/objects/user-object).
NO_APPROVER = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")

log = structlog.get_logger(__name__)


class SlackDirectory:
    """Implements `bot.ports.Directory`."""

    def __init__(self, *, api: SlackApi, team_id: str) -> None:
        """`team_id` is the workspace whose members may have an account."""
        self._api = api
        self._team_id = team_id

    async def resolve(self, people: Sequence[Person]) -> tuple[Person, ...]:
        """The people with their Slack accounts; one without keeps none, and so may not decide in Slack.

        Raises Unavailable or Forbidden.
        """
        return tuple([await self._resolved(person) for person in people])

    async def _resolved(self, person: Person) -> Person:
        elsewhere = dict(person.accounts)
        elsewhere.pop(Surface.SLACK, None)
        user = await self._user(person)
        if user is None or not self._may_have_account(user):
            log.warning("approver_not_found", surface=Surface.SLACK.value, handle=person.handle)
            return replace(person, accounts=elsewhere)
        profile = user.get("profile") or {}
        return replace(
            person,
            name=user.get("real_name") or profile.get("real_name") or person.name,
            email=profile.get("email") or person.email,
            accounts={**elsewhere, Surface.SLACK: str(user["id"])},
        )

    async def _user(self, person: Person) -> Answer | None:
        account = person.accounts.get(Surface.SLACK)
        try:
            if account:
                answer = await self._api.read("users.info", user=account)
            elif person.email:
                answer = await self._api.read("users.lookupByEmail", email=person.email)
            else:
                return None
        except Gone:
            return None
        user = answer.get("user")
        return user if isinstance(user, dict) and user.get("id") else None

    def _may_have_account(self, user: Answer) -> bool:
        # In an organisation `team_id` is the home workspace; the bot's own must be it (protocol of the click).
        return user.get("team_id") == self._team_id and not any(user.get(flag) for flag in NO_APPROVER)
