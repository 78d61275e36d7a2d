"""Where the bot may speak: how Teams writes the ids and names of what `bot.conversations` keeps.

No object of the SDK is stored: a swap of the SDK must find these again.
"""

from __future__ import annotations

from bot.conversations import ConversationRef, Conversations, Scope

__all__ = ["THREAD", "ConversationRef", "Conversations", "Scope", "base_of", "named", "threaded"]

#: Between a channel's id and the first message of a thread in it (msteams-docs, send-proactive-messages).
THREAD = ";messageid="


def base_of(conversation_id: str) -> str:
    """A conversation's id without the thread."""
    return conversation_id.partition(THREAD)[0]


def threaded(ref: ConversationRef, root: str) -> str:
    """The id under which a thread is addressed; only channels have threads."""
    return f"{ref.id}{THREAD}{root}" if ref.scope is Scope.TEAM else ref.id


def named(name: str) -> str:
    """A channel's or chat's name as the policy writes it: `Finance approvals` is `finance-approvals`."""
    return "-".join(name.casefold().split())
