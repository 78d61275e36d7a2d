"""Is this activity from Teams? Asked before anything of it is acted on, and before the SDK sees it.

The SDK's own check has holes: it takes the bot's outbound token through the emulator's
path, tokens without an end, and an unknown key id costs up to a day. Here there is one issuer, one algorithm
and no path around. The rules: bot-docs, bot-framework-rest-connector-authentication, "Step 4".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from adapters.teams.conversations import is_service, same_service
from adapters.teams.keys import KeyRing
from adapters.teams.payloads import Untrusted, tenants_in

#: The only channel whose activities Nod takes; the key of a token must be endorsed for it.
CHANNEL = "msteams"


def check_place(activity: Mapping[str, Any], *, hosts: tuple[str, ...], tenants: frozenset[str]) -> None:
    """Channel, service address and tenant of an activity, signed or not. Raises Untrusted 403."""
    if activity.get("channelId") != CHANNEL:
        raise Untrusted(403, "not from Teams")
    service_url = activity.get("serviceUrl")
    if not isinstance(service_url, str) or not is_service(service_url, hosts):
        raise Untrusted(403, "the service URL is not on the list of service hosts")
    named = tenants_in(activity)
    if len(named) != 1 or not named <= tenants:
        raise Untrusted(403, "not from a tenant that is allowed, or from more than one")


#: Seconds that clocks may differ (the same page: "industry-standard clock-skew is 5 minutes").
LEEWAY = 300
#: Characters of a token; those of Teams have about 1,000.
LONGEST_TOKEN = 8_192


class TokenCheck:
    """The check of one bot's inbound tokens."""

    def __init__(
        self, *, app_id: str, issuer: str, keys: KeyRing, hosts: tuple[str, ...], tenants: frozenset[str]
    ) -> None:
        """`issuer` is the cloud's Bot Connector; the emulator's and a bot's own (Entra) are none.

        `hosts` may speak to us, `tenants` (in small letters) may use us.
        """
        self._app_id, self._issuer, self._keys, self._hosts, self._tenants = (
            app_id,
            issuer,
            keys,
            hosts,
            tenants,
        )

    async def check(self, authorization: str | None, activity: Mapping[str, Any]) -> None:
        """Returns when the token is Teams' own and speaks for this activity. Raises Untrusted: 401 or 403."""
        claims, endorsements = await self._claims(authorization)
        if CHANNEL not in endorsements:
            raise Untrusted(403, "the key is not endorsed for Teams")
        check_place(activity, hosts=self._hosts, tenants=self._tenants)
        if activity["recipient"]["id"].lower() != f"28:{self._app_id}".lower():
            raise Untrusted(403, "for another bot")
        claimed = claims.get("serviceurl")
        if not isinstance(claimed, str) or not same_service(claimed, activity["serviceUrl"]):
            raise Untrusted(403, "the token is for another service address")

    async def _claims(self, authorization: str | None) -> tuple[Mapping[str, Any], frozenset[str]]:
        """What a genuine token says, and what its key may sign for. Raises Untrusted 401."""
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN or not token.isascii():
            raise Untrusted(401, "no bearer token")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Untrusted(401, "no token") from error
        kid = header.get("kid")
        if header.get("alg") != "RS256" or not isinstance(kid, str) or not self._app_id:
            raise Untrusted(401, "its signature is not one that Teams makes")
        key = await self._keys.key(kid)
        if key is None:
            raise Untrusted(401, "signed with a key that is not Teams' own")
        try:
            claims = jwt.decode(
                token,
                key.public,
                algorithms=["RS256"],
                audience=self._app_id,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud"], "strict_aud": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Untrusted(401, f"the token is refused ({type(error).__name__})") from error
        return claims, key.endorsements


class OpenDoor:
    """No check of a token, for a bot without an app id on this machine: only place and tenant are looked at."""

    def __init__(self, *, hosts: tuple[str, ...], tenants: frozenset[str]) -> None:
        """`hosts` may speak to us, `tenants` (in small letters) may use us."""
        self._hosts, self._tenants = hosts, tenants

    async def check(self, authorization: str | None, activity: Mapping[str, Any]) -> None:
        """Raises Untrusted for another channel, an address that is not on the list, and a foreign tenant."""
        check_place(activity, hosts=self._hosts, tenants=self._tenants)
