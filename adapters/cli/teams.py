"""`nod teams`: the Teams conversations that Nod is in, by the names that nod.yaml can use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.store.conversations import read_conversations
from bot.surface import ConversationRef, Scope

_KINDS = {Scope.TEAM: "channel", Scope.GROUP: "group chat", Scope.PERSONAL: "personal"}


async def conversations(database_url: str) -> int:
    """Print them; the bot can run meanwhile. Returns 0. Raises ConfigError when the database cannot be read."""
    refs = await read_conversations(database_url)
    if not refs:
        print("Nod is not in a team or chat yet. Add the app in Teams while `nod run` is running.")
        return 0
    table = Table("in nod.yaml", "kind", "id", box=None, header_style="bold")
    for ref, places in rows_of(refs):
        table.add_row(Text(places), Text(_KINDS[ref.scope]), Text(ref.id))
    Console(highlight=False, soft_wrap=True).print(table)
    return 0


def rows_of(refs: Sequence[ConversationRef]) -> Sequence[tuple[ConversationRef, str]]:
    """Each conversation with its key for nod.yaml: its name if that is unique, else its id.

    A personal chat is no place for cards; it belongs to the person with that `teams:` id.
    """
    known = Counter(ref.name for ref in refs if ref.scope is not Scope.PERSONAL)
    return tuple((ref, _place(ref, known)) for ref in refs)


def _place(ref: ConversationRef, known: Counter[str]) -> str:
    if ref.scope is Scope.PERSONAL:
        return f"people: teams: {ref.person}" if ref.person else "-"
    return f"teams:{ref.name}" if ref.name and known[ref.name] == 1 else f"teams:{ref.id}"
