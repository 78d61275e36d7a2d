"""`nod teams` and `nod manifest`, as they are typed: no platform and no running bot are needed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from adapters.cli.commands import app
from adapters.store.open import open_store
from bot.errors import ConfigError
from bot.surface import ConversationRef, Scope

if TYPE_CHECKING:
    from pathlib import Path

CHANNEL = ConversationRef(
    tenant="t",
    service_url="https://smba.trafficmanager.net/emea/",
    id="19:one@thread.tacv2",
    scope=Scope.TEAM,
    name="finance-approvals",
)
REFS = (
    CHANNEL,
    replace(CHANNEL, id="19:two@thread.tacv2", name="general"),
    replace(CHANNEL, id="19:three@thread.tacv2", name="general"),
    replace(CHANNEL, id="19:four@thread.v2", scope=Scope.GROUP, name=""),
    replace(CHANNEL, id="19:five@thread.v2", scope=Scope.GROUP, name="[red]leads"),
    replace(CHANNEL, id="a:ann", scope=Scope.PERSONAL, name="finance-approvals", person="aad-ann"),
)
LISTED = {
    "19:one@thread.tacv2": ("teams:finance-approvals", "channel"),
    "19:two@thread.tacv2": ("teams:19:two@thread.tacv2", "channel"),
    "19:three@thread.tacv2": ("teams:19:three@thread.tacv2", "channel"),
    "19:four@thread.v2": ("teams:19:four@thread.v2", "group chat"),
    "19:five@thread.v2": ("teams:[red]leads", "group chat"),
    "a:ann": ("people: teams: aad-ann", "personal"),
}


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the bot's database is, or will be."""
    found = f"sqlite:///{tmp_path}/nod.db"
    monkeypatch.setenv("NOD_DATABASE_URL", found)
    return found


async def keep(url: str, *refs: ConversationRef) -> None:
    """A bot ran here and learned of these."""
    async with open_store(url, ring=lambda _: None, pagers=()) as store:
        for ref in refs:
            await store.conversations.put(ref)


def test_each_conversation_is_listed_as_the_policy_can_name_it(url: str) -> None:
    """By its name where that is enough, else by its id; nothing that Teams named is markup."""
    asyncio.run(keep(url, *REFS))
    done = CliRunner().invoke(app, ["teams"])

    assert 0 == done.exit_code
    lines = {line.split()[-1]: line for line in done.stdout.splitlines()[1:]}
    assert set(LISTED) == set(lines)
    for conversation, (place, kind) in LISTED.items():
        assert place in lines[conversation]
        assert kind in lines[conversation]


def test_where_nothing_is_known_it_says_how_to_begin(url: str) -> None:
    """An empty list is no error, and the next step is named."""
    asyncio.run(keep(url))
    done = CliRunner().invoke(app, ["teams"])

    assert 0 == done.exit_code
    assert "Add the app" in done.stdout


def test_without_a_database_the_setting_is_named(url: str) -> None:
    """No bot ran here, or another one is meant."""
    done = CliRunner().invoke(app, ["teams"])

    assert isinstance(done.exception, ConfigError)
    assert "NOD_DATABASE_URL" == done.exception.where


def test_the_manifests_are_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the bot's id as the only setting, and to a file on request."""
    monkeypatch.setenv("MicrosoftAppId", "6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e")
    printed = CliRunner().invoke(app, ["manifest", "teams", "--website", "https://acme.example/nod"])
    packed = CliRunner().invoke(app, ["manifest", "teams", "--out", str(tmp_path / "nod.zip")])
    slack = CliRunner().invoke(app, ["manifest", "slack"])

    assert [0, 0, 0] == [printed.exit_code, packed.exit_code, slack.exit_code]
    assert "https://acme.example/nod" == json.loads(printed.stdout)["developer"]["websiteUrl"]
    assert (tmp_path / "nod.zip").read_bytes().startswith(b"PK")
    assert "oauth_config:" in slack.stdout
