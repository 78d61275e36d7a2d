"""Who may decide, where alerts go, and what `nod check` finds, asked of a real-looking workspace."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.slack import open_slack
from bot.errors import ConfigError, Forbidden, Unavailable
from bot.policy import Person
from bot.ports import NO_METRICS
from bot.surface import Destination, Surface
from sandbox.slack.people import App
from tests.contract.slack_rig import FakeDesk, open_rig
from tests.render.cards import CARD_ID, NOW, card

ALERTS = "C0ALERTS"


def person(email: str | None = None, slack: str | None = None) -> Person:
    """A person in nod.yaml."""
    accounts = {Surface.SLACK: slack} if slack else {}
    return Person(handle="p", name="p", email=email, accounts=accounts)


@pytest.mark.parametrize("named", [person("ann@acme.example"), person(slack="U0ANN")])
async def test_an_approver_is_found(named: Person) -> None:
    """By address or by id, with the name and the address that the workspace has."""
    async with open_rig() as rig:
        (found,) = await rig.slack.directory.resolve([named])
        assert ("Ann Albers", "ann@acme.example") == (found.name, found.email)
        assert {Surface.SLACK: "U0ANN"} == found.accounts


@pytest.mark.parametrize(
    "named",
    [
        person("nobody@acme.example"),
        person(slack="U0NOSUCH"),
        person(),
        person(slack="U0NODBOT"),
    ],
    ids=["no such address", "no such id", "neither", "bot"],
)
async def test_who_is_no_person_here_gets_no_account(named: Person) -> None:
    """Bots and the unknown cannot decide; an id in nod.yaml does not change that."""
    async with open_rig() as rig:
        (found,) = await rig.slack.directory.resolve([replace(named, outside=frozenset({Surface.SLACK}))])
        assert ({}, frozenset()) == (found.accounts, found.outside)


@pytest.mark.parametrize(
    ("named", "account"),
    [(person("gus@partner.example"), "U0GUEST"), (person(slack="U0EXT"), "U0EXT")],
    ids=["guest", "stranger"],
)
async def test_guests_and_strangers_are_marked_as_outside(named: Person, account: str) -> None:
    """They have their account, so that a route may name them; every other route refuses them."""
    async with open_rig() as rig:
        (found,) = await rig.slack.directory.resolve([named])
        assert ({Surface.SLACK: account}, {Surface.SLACK}) == (found.accounts, found.outside)


async def test_a_guest_who_became_a_member_is_inside() -> None:
    """What was noted earlier does not stick."""
    async with open_rig() as rig:
        known = replace(person("ann@acme.example"), outside=frozenset({Surface.SLACK, Surface.POLICY}))
        (found,) = await rig.slack.directory.resolve([known])
        assert {Surface.POLICY} == found.outside


async def test_a_deactivated_account_is_no_account() -> None:
    """People who left the company can no longer decide."""
    async with open_rig() as rig:
        rig.workspace.people["U0ANN"] = replace(rig.workspace.people["U0ANN"], deleted=True)
        (found,) = await rig.slack.directory.resolve([person(slack="U0ANN")])
        assert {} == found.accounts


async def test_slack_in_trouble_takes_nobody_out() -> None:
    """When Slack cannot be asked, that is an error, never an empty answer."""
    async with open_rig() as rig:
        rig.faults.add(path="/api/users.*", status=503)
        with pytest.raises(Unavailable):
            await rig.slack.directory.resolve([person("ann@acme.example")])


def place(channel: str) -> Destination:
    """A channel of this workspace."""
    return Destination(surface=Surface.SLACK, channel=channel)


async def test_a_good_setup_has_no_problems() -> None:
    """All scopes, and the bot in its channels: nothing to say."""
    async with open_rig() as rig:
        found = await rig.slack.check([place("C0APPROVALS"), place("C0FINANCE"), place(ALERTS)])
        assert ((), ("#approvals", "#finance", "#nod-alerts")) == (found.problems, found.channels)


async def test_each_broken_channel_is_named_with_what_to_do() -> None:
    """No member, unknown, archived: one line each, in the order of the file, none twice."""
    async with open_rig() as rig:
        rig.workspace.archive("C0FINANCE")
        places = [place(name) for name in ("C0RANDOM", "C0NOSUCH", "C0FINANCE", "C0RANDOM", "C0APPROVALS")]
        problems = (await rig.slack.check(places)).problems
        assert ["#random (slack:C0RANDOM)", "slack:C0NOSUCH", "#finance (slack:C0FINANCE)"] == [
            problem.where for problem in problems
        ]
        assert ["does not have the bot in it", "cannot be read", "is archived"] == [p.what for p in problems]
        assert all(problem.fix for problem in problems)


async def test_each_missing_scope_is_named() -> None:
    """A person who installed the app by hand reads what is missing, and what it is for."""
    async with open_rig(app=App(scopes="chat:write,channels:read,users:read,users:read.email")) as rig:
        problems = (await rig.slack.check([])).problems
        missing = ["groups:read", "channels:history", "groups:history", "im:write", "im:history"]
        missing += ["metadata.message:read", "usergroups:read"]
        assert [True] * 7 == [f"scope {name}," in p.what for name, p in zip(missing, problems, strict=True)]


async def test_the_bot_knows_who_it_is() -> None:
    """Team, bot user and scopes come from Slack itself."""
    async with open_rig() as rig:
        identity = rig.slack.identity
        assert ("T0SANDBOX", "U0NODBOT") == (identity.team_id, identity.bot_user_id)
        assert "chat:write" in identity.scopes


@pytest.mark.parametrize("secret", [None, "", "short"])
async def test_without_a_real_secret_it_does_not_start(secret: str | None) -> None:
    """No way in for clicks, or a secret that everybody knows: a ConfigError that says how to mend it."""
    with pytest.raises(ConfigError) as raised:
        await opened("http://127.0.0.1:1/api/", secret=secret)
    assert "SLACK_SIGNING_SECRET" == raised.value.where


async def test_a_wrong_token_and_a_slack_out_of_reach_differ() -> None:
    """The one needs a person, the other needs time."""
    async with open_rig() as rig:
        with pytest.raises(Forbidden):
            await opened(f"{rig.url}/api/", token="xoxb-wrong")
    with pytest.raises(Unavailable):
        await opened("http://127.0.0.1:1/api/")


async def opened(api_url: str, *, secret: str | None = "0" * 32, token: str = "xoxb-sandbox-bot") -> None:
    """Open Slack and close it again."""
    async with open_slack(
        token=token,
        signing_secret=secret,
        app_token=None,
        api_url=api_url,
        desk=FakeDesk(),
        clock=lambda: datetime.now(UTC),
        metrics=NO_METRICS,
    ):
        pass


@pytest.mark.parametrize("socket", [False, True], ids=["http", "socket"])
async def test_a_proxy_is_not_asked_for_this_machine(socket: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a proxy for the world outside, a Slack on this machine is still reached directly."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with open_rig(socket=socket) as rig:
        assert await rig.card_up()
        async with asyncio.timeout(5):
            while socket and not rig.workspace.sockets.connected:
                await asyncio.sleep(0.01)


async def test_many_cards_at_once_keep_to_slacks_pace() -> None:
    """A burst of requests for one channel is posted one a second, the nearest deadline first, with no 429."""
    async with open_rig(post_burst=2) as rig:
        late, soon = card(), replace(card(), deadline=NOW, card_id="soon")
        posts = [rig.slack.chat.post(shown, "C0APPROVALS") for shown in (late, late, late, soon)]
        await asyncio.gather(*posts)
        marks = [
            m.metadata["event_payload"]["mark"] for m in rig.workspace.messages("C0APPROVALS") if m.metadata
        ]
        assert [CARD_ID, "soon", CARD_ID, CARD_ID] == marks
        assert [None] * 4 == [call.error for call in rig.workspace.called("chat.postMessage")]
