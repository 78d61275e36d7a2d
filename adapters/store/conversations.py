"""Where the bot of a chat may speak, as the chat told it, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.audit import reading
from adapters.store.columns import columns_of, value_in
from adapters.store.compare_and_set import Move
from adapters.store.database import Part, insert_new, rows_of
from bot.surface import ConversationRef

_N = tables.conversations.c


class SqlConversations(Part):
    """`bot.surface.Conversations` over a database."""

    async def put(self, ref: ConversationRef) -> None:
        """In one statement, so of two that come at once one is kept whole."""

        async def work(connection: AsyncConnection) -> bool:
            row = columns_of(ref, tables.conversations)
            new = insert_new(connection, tables.conversations).values(**row)
            known = {name: value for name, value in row.items() if name != "id"}
            await connection.execute(new.on_conflict_do_update(index_elements=[_N.id], set_=known))
            return True

        await self._database.write(Move.KEEP_CONVERSATION, work)

    async def get(self, conversation_id: str) -> ConversationRef | None:
        """None for an unknown one."""
        found = await self._found(select(tables.conversations).where(_N.id == conversation_id))
        return found[0] if found else None

    async def of_person(self, account: str) -> ConversationRef | None:
        """By the account, or by the Entra object id alone. Of several the first by id."""
        tenant, slash, person = account.rpartition("/")
        whose = select(tables.conversations).where(_N.person == person).order_by(_N.id).limit(1)
        found = await self._found(whose.where(_N.tenant == tenant) if slash else whose)
        return found[0] if found else None

    async def drop(self, conversation_id: str) -> None:
        """One that is not there is dropped already."""
        gone = delete(tables.conversations).where(_N.id == conversation_id)
        await self._database.update(Move.DROP_CONVERSATION, gone)

    async def all(self) -> Sequence[ConversationRef]:
        """In the order of kind, name and id."""
        return await self._found(_everything())

    async def _found(self, statement: Select[Any]) -> tuple[ConversationRef, ...]:
        return _refs_in(await self._database.fetch(statement))


async def read_conversations(url: str) -> Sequence[ConversationRef]:
    """What is kept in the database at this address, as `NOD_DATABASE_URL` gives it; the bot may run on.

    Raises ConfigError for a database that is not there, or that no bot of this version has opened.
    """
    async with reading(url, table=tables.conversations, named="list of conversations") as connection:
        return _refs_in(await rows_of(connection, _everything()))


def _everything() -> Select[Any]:
    return select(tables.conversations).order_by(_N.scope, _N.name, _N.id)


def _refs_in(rows: Sequence[RowMapping]) -> tuple[ConversationRef, ...]:
    return tuple(value_in(row, ConversationRef, tables.conversations) for row in rows)
