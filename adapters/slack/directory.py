"""Who in the policy has which Slack account, and who is in a user group.

Guests and people from elsewhere have their account, marked as outside; bots and the deactivated have none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from adapters.chat.errors import AppRefused
from adapters.slack.api import Answer, SlackApi
from adapters.slack.identity import Identity
from adapters.slack.payloads import is_home
from bot.errors import Forbidden, Gone, Unavailable
from bot.policy import Person
from bot.ports import GroupRef
from bot.surface import Surface

#: The kind of group that Slack keeps, as nod.yaml names it: `slack-usergroup:S0614TZR7`.
USERGROUP = "slack-usergroup"
#: Nobody decides through an account with any of these set (docs.slack.dev/reference/objects/user-object).
NOBODY = ("deleted", "is_bot", "is_workflow_bot", "is_connector_bot")
#: Slack's own account, which says of itself that it is no bot.
SLACKBOT = "USLACKBOT"
#: Any of these: a guest, or a person of another company.
OUTSIDE = ("is_restricted", "is_ultra_restricted", "is_stranger")
#: Questions to Slack at the same time; users.info allows some 100 a minute.
AT_ONCE = 5

log = structlog.get_logger(__name__)


class SlackDirectory:
    """Implements `bot.ports.Directory`."""

    def __init__(self, *, api: SlackApi, identity: Identity) -> None:
        """`identity` tells where the bot is installed: everybody else is from outside."""
        self._api = api
        self._identity = identity
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def resolve(self, people: Sequence[Person]) -> tuple[Person, ...]:
        """The people with their Slack accounts; one without keeps none, and so may not decide in Slack.

        An error about one person affects only that person. Slack refuses to say who they are: they have no
        account. Slack cannot be asked just now: they are left out, and the last answer about them is used until
        it is too old (`adapters.directory_cache`, 60 s).

        Raises AppRefused when the app is refused, and Unavailable when nobody at all could be asked.
        """
        found = await self._each(people)
        troubles = [one for one in found if isinstance(one, Unavailable)]
        if troubles and len(troubles) == len(found):
            raise troubles[0]
        return tuple(one for one in found if isinstance(one, Person))

    async def members(self, group: GroupRef) -> tuple[Person, ...]:
        """Everybody with an account of a person's in a user group, handle `slack:<user id>`.

        Raises Unavailable, also when only one of them could not be asked about: half a group is not taken for
        the whole. Raises Gone (no such group) or Forbidden.
        """
        if group.kind != USERGROUP:
            raise Forbidden(f"Slack has no groups of kind {group.kind}")
        team_id = self._identity.team_id
        # A token for a whole organisation must say in which of its workspaces the group is.
        where = {"team_id": team_id} if self._identity.org_wide and team_id.startswith("T") else {}
        answer = await self._api.read("usergroups.users.list", usergroup=group.id, **where)
        accounts = [str(account) for account in answer.get("users") or ()]
        named = [
            Person(handle=f"slack:{account}", name=account, accounts={Surface.SLACK: account})
            for account in dict.fromkeys(accounts)
        ]
        found = await self._each(named)
        for one in found:
            if isinstance(one, Unavailable):
                raise one
        return tuple(one for one in found if isinstance(one, Person) and one.accounts)

    async def _each(self, people: Sequence[Person]) -> list[Person | Unavailable]:
        """Of each person what Slack knows, or why it could not be asked. Raises AppRefused."""
        tasks = [asyncio.create_task(self._resolved(person)) for person in people]
        try:
            return await asyncio.gather(*tasks)
        finally:
            # After the first that failed the others are of no use, and none may outlive this call.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _resolved(self, person: Person) -> Person | Unavailable:
        elsewhere = dict(person.accounts)
        elsewhere.pop(Surface.SLACK, None)
        others = person.outside - {Surface.SLACK}
        try:
            async with self._turns:
                user = await self._user(person)
        except Unavailable as trouble:
            log.warning("approver_not_asked", handle=person.handle, reason=str(trouble))
            return trouble
        if user is None or user["id"] == SLACKBOT or any(user.get(flag) for flag in NOBODY):
            log.warning("approver_not_found", surface=Surface.SLACK, handle=person.handle)
            return replace(person, accounts=elsewhere, outside=others)
        profile = user.get("profile") or {}
        # An address that nobody confirmed may be anybody's: it ties no account to a person.
        confirmed = user.get("is_email_confirmed") is not False
        return replace(
            person,
            name=user.get("real_name") or profile.get("real_name") or person.name,
            email=(profile.get("email") if confirmed else None) or person.email,
            accounts={**elsewhere, Surface.SLACK: str(user["id"])},
            outside=others | {Surface.SLACK} if self._is_outside(user) else others,
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
        except AppRefused:
            raise
        except (Gone, Forbidden) as refusal:
            log.info("approver_refused", handle=person.handle, reason=str(refusal))
            return None
        user = answer.get("user")
        return user if isinstance(user, dict) and user.get("id") else None

    def _is_outside(self, user: Answer) -> bool:
        organisation = (user.get("enterprise_user") or {}).get("enterprise_id")
        home = is_home(user.get("team_id"), organisation, self._identity)
        return not home or any(user.get(flag) for flag in OUTSIDE)
