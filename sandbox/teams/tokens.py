"""Tokens in both directions: those with which Teams speaks to the bot, and those that the bot buys from Entra.

Bot connector authentication (bot-framework-rest-connector-authentication): claims and headers of both.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from sandbox.teams.errors import Denied, TokenRefused
from sandbox.teams.keys import Key, KeyRing
from sandbox.teams.people import Bot

ISSUER = "https://api.botframework.com"
#: Where a bot's own token is meant to go, and what it asks for.
AUDIENCE = "https://api.botframework.com"
SCOPE = f"{AUDIENCE}/.default"
#: Seconds that tokens of either kind live, and how far clocks may differ.
LIFE = 3600
SKEW = 300


def signed(claims: Mapping[str, Any], key: Key, *, kid: str | None = None) -> str:
    """A compact RS256 token with the key's id, or another one, in its header."""
    named = kid or key.kid
    return jwt.encode(dict(claims), key.private, algorithm="RS256", headers={"kid": named, "x5t": named})


class Minter:
    """Makes the tokens that the Connector puts on its activities."""

    def __init__(self, *, bot: Bot, ring: KeyRing, wall: Callable[[], float]) -> None:
        """`wall` in Unix seconds."""
        self.bot = bot
        self.ring = ring
        self.wall = wall

    def claims(self, service_url: str) -> dict[str, Any]:
        """What a true token says at this moment."""
        now = int(self.wall())
        return {
            "serviceurl": service_url,
            "nbf": now - 60,
            "exp": now + LIFE,
            "iss": ISSUER,
            "aud": self.bot.app_id,
        }

    def token(self, service_url: str) -> str:
        """A true token, freshly signed."""
        return signed(self.claims(service_url), self.ring.signing)


class Entra:
    """The token endpoint's knowledge: one app, its secret and its tenant; every request is counted."""

    def __init__(self, *, bot: Bot, key: Key, wall: Callable[[], float], life: int = LIFE) -> None:
        """`life` in seconds, shortened by tests of refreshing; `key` is not published by the Connector."""
        self.bot = bot
        self.key = key
        self.life = life
        self.calls = 0
        self._wall = wall

    def grant(self, tenant: str, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer to one request (client credentials, RFC 6749 §4.4). Raises TokenRefused."""
        self.calls += 1
        if tenant != self.bot.tenant:
            raise TokenRefused(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise TokenRefused(400, "unsupported_grant_type", 70003, "The grant type is not supported.")
        if form.get("client_id") != self.bot.app_id:
            raise TokenRefused(
                400, "unauthorized_client", 700016, "Application was not found in the directory."
            )
        if not hmac.compare_digest(form.get("client_secret", "").encode(), self.bot.password.encode()):
            raise TokenRefused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if form.get("scope") != SCOPE:
            raise TokenRefused(400, "invalid_scope", 70011, "The provided value for scope is not valid.")
        return {
            "token_type": "Bearer",
            "expires_in": self.life,
            "ext_expires_in": self.life,
            "access_token": self.outbound(),
        }

    def outbound(self, **claims: Any) -> str:
        """A token with which the bot may call the Connector; `claims` replace those of a true one."""
        now = int(self._wall())
        base = {
            "aud": AUDIENCE,
            "iss": f"https://sts.windows.net/{self.bot.tenant}/",
            "iat": now,
            "nbf": now,
            "exp": now + self.life,
            "appid": self.bot.app_id,
            "tid": self.bot.tenant,
            "ver": "1.0",
            "uti": secrets.token_urlsafe(8),
        }
        return signed({**base, **claims}, self.key)

    def check(self, authorization: str) -> None:
        """Whether a call of the Connector may pass. Raises Denied."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Denied
        try:
            claims = jwt.decode(
                token.strip(),
                self.key.private.public_key(),
                algorithms=["RS256"],
                audience=AUDIENCE,
                issuer=f"https://sts.windows.net/{self.bot.tenant}/",
                options={
                    "require": ["exp", "aud", "iss"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError:
            raise Denied from None
        expired = claims["exp"] + SKEW <= self._wall()
        if expired or (claims.get("appid"), claims.get("tid")) != (self.bot.app_id, self.bot.tenant):
            raise Denied
