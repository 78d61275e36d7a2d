"""`nod check` and `nod policy lint` where cards go to Teams: on the sandbox, by what a bot was told before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapters.cli.check import check
from adapters.cli.policy import lint_online
from adapters.plugins import read_settings
from adapters.settings import Environment, read_environment, read_teams
from adapters.store.conversations import read_conversations
from adapters.store.open import open_store
from adapters.teams_plugin import known_conversations, teams_with
from bot.errors import ConfigError
from bot.surface import Destination, Surface
from sandbox.servers import open_sandbox
from sandbox.teams.people import APPROVALS, TENANT, cast
from tests.contract.teams_rig import Rig, open_rig

if TYPE_CHECKING:
    from pathlib import Path

#: What the local Teams tells at the beginning, last of all; the adapter keeps it after it has answered.
TOLD = {APPROVALS, *(cast()[name].aad for name in ("ann", "bob", "eve", "olu"))}
POLICY = """
people:
  ann: {teams: %s}
  bob: {email: bob@acme.example}
routes:
- {name: default, match: {}, cards: ["teams:%s"], approvers: [ann, bob]}
"""


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """A bot was added to the local Teams, and what it learned is in its database; Slack is not set up."""
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    url = f"sqlite:///{tmp_path}/nod.db"
    async with (
        open_sandbox() as sandbox,
        open_store(url, ring=lambda _: None, pagers=()) as store,
        open_rig(conversations=store.conversations) as opened,
    ):
        for name, value in {
            "AIP_API_URL": sandbox.url,
            "AIP_API_KEY": sandbox.environment()["AIP_API_KEY"],
            "NOD_SECRET": "5f0c2d9ab81e4736" * 2,
            "NOD_DATABASE_URL": url,
            "NOD_CONFIG": str(tmp_path / "nod.yaml"),
            "MicrosoftAppId": opened.system.bot.app_id,
            "MicrosoftAppPassword": opened.system.bot.password,
            "MicrosoftAppTenantId": TENANT,
            "NOD_TEAMS_OPENID_URL": opened.system.openid_url,
            "NOD_TEAMS_TOKEN_URL": opened.system.token_url,
            "NOD_TEAMS_SERVICE_HOSTS": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        policy(tmp_path, "approvals")
        async with asyncio.timeout(5):
            while not TOLD <= {ref.person or ref.id for ref in await store.conversations.all()}:
                await asyncio.sleep(0.02)
        yield opened


def policy(folder: Path, place: str) -> None:
    """A file with one place in Teams."""
    (folder / "nod.yaml").write_text(POLICY % (cast()["ann"].aad, place))


def marked(capsys: pytest.CaptureFixture[str], mark: str) -> list[str]:
    """The lines of the report with this mark."""
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith(mark)]


async def test_what_the_bot_was_told_is_kept(rig: Rig, tmp_path: Path) -> None:
    """The adapter's conversations read back from the database as it knows them."""
    kept = await read_conversations(f"sqlite:///{tmp_path}/nod.db")

    assert APPROVALS in {ref.id for ref in kept}
    assert {ref.id: ref for ref in rig.teams.places.every()} == {ref.id: ref for ref in kept}


async def test_teams_alone_is_found_in_order(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Credentials, keys, addresses, places and people are tried while the bot runs; nothing is to do."""
    assert 0 == await check()

    good = [line for line in marked(capsys, "✓") if "Teams" in line]
    found = ("signed in", "signing keys read", "Nod is in teams:approvals")
    assert list(found) == [word for word in found for line in good if word in line]


async def test_a_refused_bot_is_named_with_its_settings(
    rig: Rig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong secret is found here and not at the first card; it is not printed."""
    monkeypatch.setenv("MicrosoftAppPassword", "hunter2hunter2")
    assert 1 == await check()

    out = capsys.readouterr().out
    assert "✗ Teams: Entra refuses the bot" in out
    assert "MicrosoftAppPassword" in out
    assert "hunter2" not in out


async def test_a_place_that_the_bot_does_not_know_is_named(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The app was not added there, or the name is misspelt."""
    policy(tmp_path, "aprovals")
    assert 1 == await check()

    assert [True] == ["teams:aprovals" in line for line in marked(capsys, "✗ Teams")]


async def test_an_address_that_is_not_on_the_list_is_named(
    rig: Rig, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bot learned of a conversation elsewhere, and would send no token there."""
    known = next(ref for ref in rig.teams.places.every() if ref.id == APPROVALS)
    moved = replace(known, id="19:far@thread.v2", name="far", service_url="https://smba.example/x/")
    await rig.teams.places.remember(moved)
    assert 1 == await check()

    assert [True] == ["far is at smba.example" in line for line in marked(capsys, "✗ Teams")]


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("NOD_TEAMS_OPENID_URL", "http://127.0.0.1:1/x", "keys at 127.0.0.1"),
        ("NOD_TEAMS_OPENID_URL", "", "no OpenID document"),
        ("NOD_TEAMS_TOKEN_URL", "http://127.0.0.1:1/x", "token endpoint"),
    ],
)
async def test_what_cannot_be_reached_is_named(
    rig: Rig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    what: str,
) -> None:
    """Keys and tokens are asked for where the settings say, and the line tells which of them failed."""
    monkeypatch.setenv(name, value or f"{rig.system.base_url}/teams/nothing")
    assert 1 == await check()

    assert any(what in line for line in marked(capsys, "✗ Teams"))


async def test_without_teams_settings_the_place_is_named_by_its_line(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is asked."""
    monkeypatch.delenv("MicrosoftAppId")
    with pytest.raises(ConfigError, match="teams:approvals is in Teams, which is not set up"):
        await check()


async def test_lint_finds_people_in_teams(rig: Rig, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By id and by e-mail, without Slack; a person who is in no conversation is found nowhere."""
    assert 0 == await lint_online(read_environment())
    assert "nod.yaml: 0 errors, 0 warnings" in capsys.readouterr().out

    text = (tmp_path / "nod.yaml").read_text()
    (tmp_path / "nod.yaml").write_text(text.replace("bob@", "nobody@"))
    assert 0 == await lint_online(read_environment())
    assert "warning: bob: no such user in Teams" in capsys.readouterr().out


async def test_a_refused_secret_blames_nobodys_address(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Entra's own number is named; nobody could be looked up, so nothing is said of people and routes."""
    (tmp_path / "nod.yaml").write_text(POLICY % (cast()["ann"].aad, APPROVALS))
    monkeypatch.setenv("MicrosoftAppPassword", "wrong")
    assert 1 == await check()
    report = " ".join(capsys.readouterr().out.split())
    assert "AADSTS7000215" in report
    assert "no such user" not in report
    assert "of its approvers" not in report


async def test_places_are_asked_for_with_the_clouds_own_scope(rig: Rig, tmp_path: Path) -> None:
    """A check buys its token as the bot does: here Entra knows another cloud's scope, and refuses this one."""
    found = read_settings()
    settings = read_teams(found.environment, found.file)
    assert settings is not None
    elsewhere = replace(settings, cloud=replace(settings.cloud, scope="https://api.botframework.us/.default"))
    refs = await known_conversations(f"sqlite:///{tmp_path}/nod.db")

    async with teams_with(elsewhere, refs) as teams:
        (problem,) = await teams.problems([Destination(surface=Surface.TEAMS, channel="approvals")])

    assert "MicrosoftAppId" == problem.where
