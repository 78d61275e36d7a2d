"""Who the bot is, and how its people are told apart. Pure.

A person is known by her tenant and Entra object id, which no rename changes and no tenant shares; the `29:` id
that Teams gives her is another one for each bot (msteams-docs, send-proactive-messages).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The registered app, and the tenants whose people are at home."""

    app_id: str  #: empty only where unauthenticated requests are taken
    tenants: frozenset[str]  #: in small letters

    @property
    def bot_id(self) -> str:
        """The bot as an account of the channel: `28:` and the app id."""
        return f"28:{self.app_id}"


def account_of(tenant: str, aad: str) -> str:
    """A person's account: `<tenant>/<Entra object id>`, in small letters."""
    return f"{tenant.lower()}/{aad.lower()}"


def split_account(account: str) -> tuple[str | None, str]:
    """The tenant, where the account names one, and the Entra object id."""
    tenant, slash, aad = account.lower().rpartition("/")
    return (tenant if slash else None), aad
