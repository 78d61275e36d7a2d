"""The ids of conversations and people as Teams writes them, and the hosts that a token may go to. Pure.

The Connector names its own address in each activity, and a sender who could choose it would be sent the bot's
token; the SDK calls any address, without a list of allowed hosts.

A person is known by their tenant and Entra object id, which no rename changes and no tenant shares; the `29:`
id that Teams gives them is another one for each bot (msteams-docs, send-proactive-messages).

No object of the SDK is stored: a successor of the SDK must find these again.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.surface import ConversationRef, Scope

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def is_service(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether this is an address of one of these hosts (`name` or `name:port`), without surprises in it.

    HTTPS, or HTTP on this machine alone; no user, query or fragment.
    """
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return False
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        return False
    if not host or "@" in parts.netloc or "?" in url or "#" in url:
        return False
    allowed = {name.lower() for name in hosts}
    if port is None or (parts.scheme, port) == ("https", 443):
        return host in allowed
    # Another port is another service, except on this machine, where tests take whichever is free.
    return f"{host}:{port}" in allowed or (host in _LOOPBACK and host in allowed)


def same_service(one: str, other: str) -> bool:
    """Whether two addresses are the same but for a slash at the end."""
    return one.rstrip("/") == other.rstrip("/")


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


#: Between a channel's id and the first message of a thread in it (msteams-docs, send-proactive-messages).
THREAD = ";messageid="


def base_of(conversation_id: str) -> str:
    """A conversation's id without the thread."""
    return conversation_id.partition(THREAD)[0]


def threaded(ref: ConversationRef, root: str) -> str:
    """The id under which a thread is addressed; only channels have threads."""
    return f"{ref.id}{THREAD}{root}" if ref.scope is Scope.TEAM else ref.id


def ref_of(conversation_id: str, message_id: str) -> str:
    """A message as the core keeps it: with its conversation, whatever that is called later."""
    return f"{base_of(conversation_id)}|{message_id}"


def split_ref(ref: str) -> tuple[str | None, str]:
    """A message's conversation and id; None for the conversation where only the id was kept."""
    conversation_id, _, message_id = ref.rpartition("|")
    return conversation_id or None, message_id


def named(name: str) -> str:
    """A channel's or chat's name as the policy writes it: `Finance approvals` is `finance-approvals`."""
    return "-".join(name.casefold().split())
