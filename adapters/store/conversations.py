"""Where the bot of a chat may speak, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.audit_reader import reading
from adapters.store.compare_and_set import Move
from adapters.store.database import Database, insert_new, rows_of
from bot.surface import ConversationRef

_C = tables.conversations.c


class SqlConversations:
    """`bot.surface.Conversations` over a database. Every method raises Unavailable in trouble."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def put(self, ref: ConversationRef) -> None:
        """In one statement, so of two that come at once one is kept whole."""

        async def work(connection: AsyncConnection) -> bool:
            row = _row(ref)
            new = insert_new(connection, tables.conversations).values(**row)
            known = {name: value for name, value in row.items() if name != "id"}
            await connection.execute(new.on_conflict_do_update(index_elements=[_C.id], set_=known))
            return True

        await self._database.write(Move.KEEP_CONVERSATION, work)

    async def get(self, conversation_id: str) -> ConversationRef | None:
        """None for an unknown one."""
        found = await self._found(select(tables.conversations).where(_C.id == conversation_id))
        return found[0] if found else None

    async def of_person(self, account: str) -> ConversationRef | None:
        """By the account, or by the Entra object id alone. Of several the first by id."""
        tenant, slash, person = account.rpartition("/")
        whose = select(tables.conversations).where(_C.person == person).order_by(_C.id).limit(1)
        found = await self._found(whose.where(_C.tenant == tenant) if slash else whose)
        return found[0] if found else None

    async def drop(self, conversation_id: str) -> None:
        """One that is not there is dropped already."""

        async def work(connection: AsyncConnection) -> bool:
            gone = delete(tables.conversations).where(_C.id == conversation_id)
            return bool((await connection.execute(gone)).rowcount)

        await self._database.write(Move.DROP_CONVERSATION, work)

    async def all(self) -> Sequence[ConversationRef]:
        """In the order of kind, name and id."""
        return await self._found(_everything())

    async def _found(self, statement: Select[Any]) -> tuple[ConversationRef, ...]:
        return tuple(_ref(row) for row in await self._database.fetch(statement))


async def read_conversations(url: str) -> Sequence[ConversationRef]:
    """What is kept in the database at this address, as `NOD_DATABASE_URL` gives it; the bot may run on.

    Raises ConfigError for a database that is not there, or that no bot of this version has opened.
    """
    async with reading(url, table=tables.conversations, named="list of conversations") as connection:
        return tuple(_ref(row) for row in await rows_of(connection, _everything()))


def _everything() -> Select[Any]:
    return select(tables.conversations).order_by(_C.scope, _C.name, _C.id)


def _row(ref: ConversationRef) -> dict[str, Any]:
    return {
        "id": ref.id,
        "tenant": ref.tenant,
        "service_url": ref.service_url,
        "scope": ref.scope,
        "name": ref.name,
        "bot_id": ref.bot_id,
        "person": ref.person,
        "user_id": ref.user,
        "team": ref.team,
    }


def _ref(row: RowMapping) -> ConversationRef:
    return ConversationRef(
        tenant=row[_C.tenant],
        service_url=row[_C.service_url],
        id=row[_C.id],
        scope=row[_C.scope],
        name=row[_C.name],
        bot_id=row[_C.bot_id],
        person=row[_C.person],
        user=row[_C.user_id],
        team=row[_C.team],
    )
