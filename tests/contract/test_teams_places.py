"""Where the bot was added, renamed and removed; and who in the policy has which account there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from adapters.teams import ConversationRef, Scope, open_teams
from adapters.teams.conversations import is_service, named, ref_of, threaded
from bot.errors import ConfigError, Forbidden, Unavailable
from bot.policy import Person
from bot.ports import NO_METRICS, GroupRef
from bot.surface import Surface
from sandbox.teams.people import APPROVALS, CHAT, FINANCE, OTHER_TENANT, TENANT, cast
from tests.contract.slack_rig import FakeDesk
from tests.contract.teams_rig import ANN, BOB, Kept, cloud_of, open_rig
from tests.render.cards import card


async def until(true: Callable[[], object]) -> None:
    """Wait for something that happens after the answer; at most five seconds."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


async def test_every_channel_of_a_team_can_be_named_once_the_app_is_in_it() -> None:
    """One installation tells of all channels; each is stored with what it takes to speak there."""
    async with open_rig(announced=False) as rig:
        await rig.system.events.install(FINANCE)
        await until(lambda: FINANCE in rig.kept.refs and APPROVALS in rig.kept.refs)
        ref = rig.kept.refs[FINANCE]
        assert ("finance-approvals", Scope.TEAM, TENANT) == (ref.name, ref.scope, ref.tenant)
        assert rig.system.service_url == ref.service_url
        assert "general" in {ref.name for ref in rig.kept.refs.values()}
        assert await rig.teams.chat.post(card(), "finance-approvals")


async def test_a_place_without_the_bot_is_forgotten() -> None:
    """Removed from a team, the bot forgets its channels; from a chat, that one; from a person, theirs."""
    async with open_rig() as rig:
        room = rig.system.personal("ann").id
        for place in (FINANCE, CHAT, room):
            assert place in rig.kept.refs
            await rig.system.events.uninstall(place)
            await until(lambda place=place: place not in rig.kept.refs)
        assert APPROVALS not in rig.kept.refs
        with pytest.raises(Forbidden):
            await rig.teams.chat.post(card(), "approvals")


async def test_a_new_name_and_a_new_channel_are_heard_of() -> None:
    """A renamed channel goes by its new name; a deleted one is gone, a restored one is back."""
    async with open_rig() as rig:
        await rig.system.events.rename(FINANCE, "Money")
        await until(lambda: rig.kept.refs[FINANCE].name == "money")
        assert await rig.teams.chat.post(card(), "money")
        await rig.system.events.delete(FINANCE)
        await until(lambda: FINANCE not in rig.kept.refs)
        await rig.system.events.restore(FINANCE)
        await until(lambda: FINANCE in rig.kept.refs)


async def test_a_service_that_moves_is_followed() -> None:
    """The next verified activity tells the new address; a forged one changes nothing."""
    async with open_rig() as rig:
        message = await rig.card_up()
        old = rig.kept.refs[APPROVALS].service_url
        rig.system.base_url = rig.system.base_url.replace("127.0.0.1", "localhost")
        await rig.press("why", message=message)
        assert old == rig.kept.refs[APPROVALS].service_url
    async with open_rig(service_hosts=("127.0.0.1", "localhost")) as rig:
        message = await rig.card_up()
        rig.system.base_url = rig.system.base_url.replace("127.0.0.1", "localhost")
        await rig.press("why", message=message)
        await until(lambda: "localhost" in rig.kept.refs[APPROVALS].service_url)


async def test_a_place_that_could_not_be_stored_is_stored_with_the_next_activity() -> None:
    """A store that is away for a moment costs no conversation."""
    kept = Kept()
    put = kept.put
    async with open_rig(conversations=kept, announced=False) as rig:

        async def away(ref: ConversationRef) -> None:
            raise Unavailable("the database is not there")

        kept.put = away  # type: ignore[method-assign]
        await rig.system.events.install(CHAT)
        await until(lambda: rig.teams.places.known(CHAT))
        assert CHAT not in kept.refs
        kept.put = put  # type: ignore[method-assign]
        await rig.system.events.say("ann", CHAT, "hello")
        await until(lambda: CHAT in kept.refs)


async def test_places_outlive_a_restart() -> None:
    """What was stored is all that a new start needs to post, and a click finds its channel again."""
    kept = Kept()
    async with open_rig(conversations=kept) as rig:
        message = await rig.card_up()
        bot = rig.system.bot
        async with open_teams(
            app_id=bot.app_id,
            app_password=bot.password,
            tenant_id=bot.tenant,
            cloud=cloud_of(rig.system),
            desk=FakeDesk(),
            clock=rig.teams.chat._posted._clock,
            metrics=NO_METRICS,
            conversations=kept,
        ) as second:
            assert await second.chat.post(card(), "approvals")
            await second.chat.update(card(), "approvals", message.id)


async def test_a_click_after_a_restart_finds_its_card() -> None:
    """Nothing that an answer needs is in memory alone: the channel's name comes back with the button."""
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.teams.chat._posted._by_message.clear()
        assert (await rig.press("approve", message=message)).ok
        (click,) = rig.desk.taken
        assert ("approvals", ref_of(APPROVALS, message.id)) == (click.channel, click.ref)
        looked = await rig.system.refresh("bob", message)
        assert looked is not None
        assert looked.ok


async def test_a_click_that_comes_before_the_answer_to_the_post_counts() -> None:
    """A person presses while Teams still answers our post: the click has its channel and its message."""
    async with open_rig() as rig:
        rig.faults.add(method="POST", path=f"*{APPROVALS}/activities", delay=0.5, after=True, times=1)
        posting = asyncio.create_task(rig.teams.chat.post(rig.desk.card, "approvals"))
        await until(lambda: rig.system.cards_in(APPROVALS))
        (message,) = rig.system.cards_in(APPROVALS)
        assert (await rig.press("approve", message=message)).ok
        assert not posting.done()
        (click,) = rig.desk.taken
        assert ("approvals", await posting) == (click.channel, click.ref)


def person(handle: str, email: str | None = None, account: str | None = None) -> Person:
    """A person in the policy."""
    accounts = {Surface.TEAMS: account} if account else {}
    return Person(handle=handle, name=handle, email=email, accounts={Surface.SLACK: f"U0{handle}", **accounts})


async def test_people_are_found_by_address_or_object_id() -> None:
    """With name and account; their other accounts stay. Small and capital letters make no difference."""
    async with open_rig() as rig:
        ann, bob, nobody = await rig.teams.directory.resolve(
            [
                person("ann", "ANN@acme.example"),
                person("bob", account=cast()["bob"].aad.upper()),
                person("zoe", "z@a.b"),
            ]
        )
        assert (ANN, "Ann Albers", "U0ann") == (
            ann.accounts[Surface.TEAMS],
            ann.name,
            ann.accounts[Surface.SLACK],
        )
        assert BOB == bob.accounts[Surface.TEAMS]
        assert "bob@acme.example" == bob.email
        assert {Surface.SLACK: "U0zoe"} == nobody.accounts
        assert frozenset() == ann.outside | bob.outside


async def test_guests_and_people_of_other_tenants_are_outside() -> None:
    """They have their account, and the policy decides whether that is enough."""
    async with open_rig() as rig:
        found = await rig.teams.directory.resolve(
            [person("gus", "gus@partner.example"), person("xia", "xia@other.example")]
        )
        assert [frozenset({Surface.TEAMS})] * 2 == [one.outside for one in found]
        assert all(Surface.TEAMS in one.accounts for one in found)


async def test_two_people_with_one_address_are_nobody() -> None:
    """An address that fits two accounts gives the vote to neither; at home comes before guests."""
    async with open_rig() as rig:
        people = rig.system.people
        people["gus"] = replace(people["gus"], email="ann@acme.example")
        (ann,) = await rig.teams.directory.resolve([person("ann", "ann@acme.example")])
        assert ANN == ann.accounts[Surface.TEAMS]
        people["bob"] = replace(people["bob"], email="ann@acme.example")
        for ref in rig.kept.refs:
            rig.teams.directory._rosters.forget(ref)
        (ann,) = await rig.teams.directory.resolve([person("ann", "ann@acme.example")])
        assert Surface.TEAMS not in ann.accounts


async def test_a_roster_that_cannot_be_read_takes_nobodys_account() -> None:
    """Who was not found while one was missing is left out, so that what was known counts for a while."""
    async with open_rig() as rig:
        rig.fails(503, times=99, path=f"*{APPROVALS}/pagedmembers")
        found = await rig.teams.directory.resolve(
            [person("ann", "ann@acme.example"), person("gus", "gus@partner.example")]
        )
        assert ["ann"] == [one.handle for one in found if one.handle == "ann"]
    async with open_rig() as rig:
        rig.fails(503, times=99, path="*/pagedmembers")
        with pytest.raises(Unavailable):
            await rig.teams.directory.resolve([person("ann", "ann@acme.example")])


async def test_teams_keeps_no_groups() -> None:
    """Entra's groups would need Microsoft Graph, which Nod does not call."""
    async with open_rig(announced=False) as rig:
        with pytest.raises(Forbidden):
            await rig.teams.directory.members(GroupRef(kind="teams-tag", id="x"))


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"app_id": ""}, "MicrosoftAppId"),
        ({"app_password": ""}, "MicrosoftAppPassword"),
        ({"tenant_id": ""}, "MicrosoftAppTenantId"),
        ({"app_type": "UserAssignedMSI"}, "MicrosoftAppType"),
        ({"dangerously_allow_unauthenticated": True}, "DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS"),
    ],
)
async def test_a_registration_that_cannot_work_does_not_start(changed: dict[str, object], where: str) -> None:
    """Each is named with what to do; an empty app id means that nobody would be authenticated."""
    with pytest.raises(ConfigError) as raised:
        async with open_rig(announced=False, **changed):
            pass
    assert where == raised.value.where


async def test_a_door_that_is_open_says_so_on_every_card() -> None:
    """Without an app id, and only where that is asked for, no token is looked at; the rest still is."""
    async with open_rig(app_id="", dangerously_allow_unauthenticated=True) as rig:
        place = rig.teams.places.resolve("approvals")
        assert (await rig.teams.chat.context_of(place, "approvals")).open_door
        activity = dict(rig.system.delivery.sent[-1].activity)
        assert 200 == (await rig.system.send_raw(activity, {})).status
        foreign = {**activity, "conversation": {**activity["conversation"], "tenantId": OTHER_TENANT}}
        assert 403 == (await rig.system.send_raw(foreign, {})).status
        elsewhere = {**activity, "serviceUrl": "https://attacker.example/"}
        assert 403 == (await rig.system.send_raw(elsewhere, {})).status


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://smba.trafficmanager.net/emea/", True),
        ("https://SMBA.trafficmanager.net:443/emea/", True),
        ("http://smba.trafficmanager.net/emea/", False),
        ("https://smba.trafficmanager.net.evil.example/", False),
        ("https://evil.example/smba.trafficmanager.net", False),
        ("https://smba.trafficmanager.net@evil.example/", False),
        ("https://smba.trafficmanager.net:8443/", False),
        ("https://smba.trafficmanager.net/?x", False),
        ("https://smba.trafficmanager.net\\@evil.example/", False),
        ("https://smba.trafficmanager.net:x/", False),
        ("https://smba․trafficmanager.net/", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_only_hosts_on_the_list_are_spoken_to(url: str, good: bool) -> None:
    """By name, over HTTPS, with nothing else in the address."""
    assert good is is_service(url, ("smba.trafficmanager.net",))


def test_names_and_threads() -> None:
    """A name as the policy writes it; a thread only where there are threads."""
    assert "finance-approvals" == named("  Finance\u00a0 APPROVALS ")
    ref = ConversationRef(tenant="t", service_url="u", id="19:x", scope=Scope.TEAM)
    assert "19:x;messageid=7" == threaded(ref, "7")
    assert "19:x" == threaded(replace(ref, scope=Scope.GROUP), "7")
