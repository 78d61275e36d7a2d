"""The store's contract: where the bot of a chat may speak, on each kind of database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapters.store.conversations import read_conversations
from adapters.store.open import SqlStore, open_store
from bot.errors import ConfigError
from bot.surface import ConversationRef, Scope
from tests.contract.conftest import PAGERS, Eyes
from tests.contract.test_store_upgrade import as_version_one_left_it, left_behind, run

if TYPE_CHECKING:
    from pathlib import Path

    from bot.records import Step

TENANT, OTHER = "1" * 8, "2" * 8
CHANNEL = ConversationRef(
    tenant=TENANT,
    service_url="https://smba.trafficmanager.net/emea/",
    id="19:abc@thread.tacv2",
    scope=Scope.TEAM,
    name="finance-approvals",
    bot_id="28:app",
    team="team-1",
)
CHAT = replace(CHANNEL, id="19:def@thread.v2", scope=Scope.GROUP, name="", team=None)
ANN = replace(CHANNEL, id="a:ann", scope=Scope.PERSONAL, name="", team=None, person="aad-ann", user="29:ann")


async def test_what_is_kept_reads_back(store: SqlStore, rings: list[Step]) -> None:
    """Every field, by id and in the list, which is in order of kind and name; nobody is woken."""
    for ref in (CHANNEL, ANN, CHAT):
        await store.conversations.put(ref)
    assert CHANNEL == await store.conversations.get(CHANNEL.id)
    assert ANN == await store.conversations.get(ANN.id)
    assert (CHAT, ANN, CHANNEL) == await store.conversations.all()
    assert await store.conversations.get("19:nobody@thread.v2") is None
    assert [] == rings


async def test_what_changed_takes_the_place_of_what_was(store: SqlStore) -> None:
    """A channel's new name and a moved service are known; what is not repeated is gone, as the caller says."""
    await store.conversations.put(ANN)
    moved = replace(CHANNEL, id=ANN.id, service_url="https://smba.trafficmanager.net/amer/", name="payments")
    await store.conversations.put(moved)
    assert (moved,) == await store.conversations.all()


async def test_a_person_is_found_by_account(store: SqlStore) -> None:
    """In their own tenant only, or by the object id alone; an unknown person is not found."""
    elsewhere = replace(ANN, id="a:other", tenant=OTHER)
    for ref in (CHANNEL, ANN, elsewhere):
        await store.conversations.put(ref)
    find = store.conversations.of_person
    assert ANN == await find(f"{TENANT}/aad-ann")
    assert elsewhere == await find(f"{OTHER}/aad-ann")
    assert ANN == await find("aad-ann")
    assert None is await find(f"{TENANT}/aad-bob")
    assert None is await find(f"{'3' * 8}/aad-ann")


async def test_what_is_dropped_is_forgotten(store: SqlStore) -> None:
    """And nothing else; dropping it again does no harm."""
    await store.conversations.put(CHANNEL)
    await store.conversations.put(CHAT)
    await store.conversations.drop(CHANNEL.id)
    await store.conversations.drop(CHANNEL.id)
    assert (CHAT,) == await store.conversations.all()


async def test_of_many_at_once_each_is_kept_whole(store: SqlStore) -> None:
    """However many tell of one conversation in the same moment, one of them is what is kept."""
    refs = [replace(CHANNEL, name=f"n{number}", team=f"t{number}") for number in range(8)]
    await asyncio.gather(*(store.conversations.put(ref) for ref in refs))
    assert 1 == len(await store.conversations.all())
    assert (await store.conversations.all())[0] in refs


async def test_names_that_no_database_keeps_are_kept_all_the_same(store: SqlStore) -> None:
    """NUL and lone surrogates are replaced, and the conversation is found again."""
    odd = replace(CHANNEL, id="19:a\0b", name="\ud800x")
    await store.conversations.put(odd)
    expected = replace(odd, id="19:a\ufffdb", name="\ufffdx")
    assert expected == await store.conversations.get(odd.id)


async def test_the_database_takes_no_other_kind(store: SqlStore, url: str, eyes: Eyes) -> None:
    """A row that says something else is a mistake, and is refused where it would be made."""
    await store.conversations.put(CHANNEL)
    with pytest.raises(Exception, match="conversations_scope"):
        run(url, "UPDATE conversations SET scope = 'fax'")
    assert [("team",)] == eyes("SELECT scope FROM conversations")


async def test_conversations_are_read_while_the_bot_runs(store: SqlStore, url: str) -> None:
    """Listing them locks nothing, and the bot need not stop for it."""
    await store.conversations.put(CHANNEL)
    assert (CHANNEL,) == await read_conversations(url)
    await store.conversations.drop(CHANNEL.id)
    assert () == await read_conversations(url)


async def test_a_database_without_the_table_says_so(fresh_url: str) -> None:
    """One that an earlier version made has none, until a bot of this version has opened it."""
    left_behind(fresh_url, "0003", [])
    with pytest.raises(ConfigError, match="no list of conversations"):
        await read_conversations(fresh_url)
    async with open_store(fresh_url, ring=lambda _: None, pagers=PAGERS) as opened:
        await opened.conversations.put(CHANNEL)
        assert (CHANNEL,) == await opened.conversations.all()
    assert (CHANNEL,) == await read_conversations(fresh_url)


async def test_an_upgrade_keeps_what_was_there(fresh_url: str) -> None:
    """The first version's rows read back beside the new table, which is empty."""
    as_version_one_left_it(fresh_url)
    async with open_store(fresh_url, ring=lambda _: None, pagers=PAGERS) as opened:
        assert () == await opened.conversations.all()
        assert await opened.approvals.get("r1") is not None


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A mistyped address must not leave an empty database behind."""
    with pytest.raises(ConfigError, match="cannot be read"):
        await read_conversations(f"sqlite:///{tmp_path}/none.db")
    assert [] == list(tmp_path.iterdir())
