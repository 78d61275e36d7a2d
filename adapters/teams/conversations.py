"""Where the bot may speak: how Teams writes the ids and names of what `bot.conversations` keeps.

No object of the SDK is stored: a swap of the SDK must find these again.
"""

from __future__ import annotations

from bot.conversations import ConversationRef, Conversations, Scope

__all__ = [
    "THREAD",
    "ConversationRef",
    "Conversations",
    "Scope",
    "base_of",
    "named",
    "ref_of",
    "split_ref",
    "threaded",
]

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
