"""The policy in force: the file as it is now, people as of a moment ago; a failing lookup means no."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.directory_cache import LONGEST_AGE, REACHED_FOR
from adapters.settings import PolicyFile, read_policy_file
from bot.errors import Forbidden, Gone, NodError, Unavailable
from bot.policy import Person
from tests.contract.book_rig import BOARD, FINANCE, NOW, SLACK, TEXT, World, member


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def until(true: Callable[[], bool]) -> None:
    """Wait for it, at most 5 s."""
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_before_anybody_was_asked_nobody_counts(world: World) -> None:
    """Not even an id of the file, which may be a guest's by now; and a group that was not read is empty."""
    assert {} == world.approvers()
    assert (FINANCE, BOARD) == world.policy_in_force.unread()


async def test_people_and_groups_are_found(world: World) -> None:
    """By e-mail, by id, and by the groups that somebody else keeps."""
    world.directory.groups = {FINANCE: (member("U0CAT"),), BOARD: (member("U0DAN"),)}

    await world.refresh()

    expected = {"ann": "U0ANN", "bob": "U0BOB", "slack:U0CAT": "U0CAT", "slack:U0DAN": "U0DAN"}
    assert expected == world.approvers()
    assert () == world.policy_in_force.unread()
    assert "ann of Slack" == world.policy_in_force.policy().people["ann"].name


async def test_who_was_deactivated_is_gone_with_the_next_round(world: World) -> None:
    """By e-mail or by id, in the file or in a group."""
    world.directory.groups[FINANCE] = (member("U0CAT"),)
    await world.refresh()
    world.directory.accounts, world.directory.groups[FINANCE] = {}, ()

    await world.refresh()

    assert {} == world.approvers()


@pytest.mark.parametrize("trouble", [Unavailable("down"), Forbidden("no scope")])
async def test_what_could_not_be_looked_up_for_a_minute_counts_for_nobody(
    world: World, trouble: NodError
) -> None:
    """Until then the last answer stays; then nobody counts, also not an id that the file itself names."""
    world.directory.groups[FINANCE] = (member("U0CAT"),)
    await world.refresh()
    before = world.approvers()
    world.directory.trouble = trouble

    world.seconds += LONGEST_AGE - 1
    await world.refresh()
    assert before == world.approvers()
    world.seconds += 1
    assert {} == world.approvers()
    assert (FINANCE, BOARD) == world.policy_in_force.unread()
    assert "look_up_failed" in world.counted


async def test_people_are_still_told_where_they_were_last_found(world: World) -> None:
    """Nobody decides by an old answer; a ping goes to where somebody was, for a day."""
    world.directory.groups[FINANCE] = (member("U0CAT"),)
    await world.refresh()
    found = {handle: person.accounts for handle, person in world.policy_in_force.policy().people.items()}
    world.directory.trouble = Unavailable("down")
    world.seconds += 10 * LONGEST_AGE
    await world.refresh()

    assert {} == world.approvers()
    assert found == {handle: person.accounts for handle, person in world.policy_in_force.reach().people.items()}
    world.seconds += REACHED_FOR
    assert not any(person.accounts for person in world.policy_in_force.reach().people.values())


async def test_age_counts_without_any_round(world: World) -> None:
    """A loop that stands still must not make an old answer young."""
    await world.refresh()
    assert "ann" in world.approvers()

    world.seconds += LONGEST_AGE

    assert "ann" not in world.approvers()


async def test_who_was_known_to_be_gone_does_not_come_back_by_an_outage(world: World) -> None:
    """The last answer about an id was no, and silence is no yes."""
    world.directory.accounts = {}
    await world.refresh()
    world.directory.trouble = Unavailable("down")
    world.seconds += 10 * LONGEST_AGE

    await world.refresh()

    assert {} == world.approvers()


async def test_a_guest_stays_one_through_an_outage(world: World) -> None:
    """Marked as from outside, so that the route has to name her."""
    world.directory.guests = {"bob"}
    await world.refresh()
    world.seconds += 10 * LONGEST_AGE

    assert frozenset({SLACK}) == world.policy_in_force.policy().people["bob"].outside


async def test_a_group_that_is_gone_is_empty_at_once(world: World) -> None:
    """Its keeper said so; there is nothing to wait for."""
    world.directory.groups[FINANCE] = (member("U0CAT"),)
    await world.refresh()
    world.directory.trouble = Gone("no such group")

    await world.refresh()

    assert "slack:U0CAT" not in world.approvers()


async def test_a_group_without_a_keeper_is_empty(world: World) -> None:
    """Entra without credentials, for example; the others go on."""
    world.directory.groups[FINANCE] = (member("U0CAT"),)
    keepers = {FINANCE.kind: world.directory}
    await world.policy_in_force.refresh(directories={SLACK: world.directory}, groups=keepers, schedules={})

    assert "slack:U0CAT" in world.approvers()
    assert (BOARD,) == world.policy_in_force.unread()


BY_ADDRESS = Person(handle="entra:1", name="A", email="ANN@acme.example")
UNKNOWN = Person(handle="entra:1", name="A", email="x@acme.example")
MEMBERS = [
    ("the same account", member("U0ANN"), ["ann"], {"ann": "U0ANN"}),
    ("the same account with another address", member("U0ANN", "x@acme.example"), ["ann"], {"ann": "U0ANN"}),
    ("her address, in capitals, without an account", BY_ADDRESS, ["ann"], {"ann": "U0ANN"}),
    ("her address with another account", member("U0FAKE", "ann@acme.example"), [], {}),
    ("nobody's address, without an account", UNKNOWN, [], {}),
    ("no address and no account", Person(handle="entra:1", name="A"), [], {}),
    ("a stranger", member("U0CAT", "cat@acme.example"), ["slack:U0CAT"], {"slack:U0CAT": "U0CAT"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("who", "handles", "accounts"), [row[1:] for row in MEMBERS], ids=[row[0] for row in MEMBERS]
)
async def test_one_human_is_one_person(
    world: World, who: Person, handles: list[str], accounts: dict[str, str]
) -> None:
    """A member of a group is the person of the file, if she is; else somebody new, who has one vote."""
    world.directory.groups[BOARD] = (who,)

    policy = await world.refresh()

    members = policy.members(("board",))
    assert handles == [one.handle for one in members]
    assert accounts == {one.handle: one.accounts[SLACK] for one in members}


async def test_an_address_from_outside_is_nobodys(world: World) -> None:
    """Another company may give its people any address; such an account is never taken for ours."""
    del world.directory.accounts["ann"]
    world.directory.groups[BOARD] = (member("U0FAKE", "ann@acme.example", outside=True),)

    policy = await world.refresh()

    assert "ann" not in world.approvers()
    assert [frozenset({SLACK})] == [one.outside for one in policy.members(("board",))]


async def test_an_id_of_the_file_is_not_replaced_by_an_address(world: World) -> None:
    """Bob is U0BOB, whoever else comes with his address."""
    world.path.write_text(TEXT.replace("{slack: U0BOB}", "{slack: U0BOB, email: bob@acme.example}"))
    world.policy_in_force = world.new_book()
    del world.directory.accounts["bob"]
    world.directory.groups[BOARD] = (member("U0FAKE", "bob@acme.example"),)

    await world.refresh()

    assert {"ann": "U0ANN"} == world.approvers()


async def test_the_policy_is_noted_once_per_version(world: World) -> None:
    """At start when the audit does not have it yet: its version, the file's name and no path."""
    for _ in range(2):
        async with world.kept():
            pass

    (fact,) = world.journal.facts
    assert ("policy_in_force", NOW) == (fact.kind, fact.at)
    assert world.policy_in_force.policy().version == fact.body["version"]
    assert ("nod.yaml", ["default"]) == (fact.body["file"], fact.body["routes"])


async def test_auto_approval_is_noted_when_it_is_switched(world: World) -> None:
    """Switching the variable on or off is a change of what is in force, though the file is the same."""
    for switched_on in (True, True, False, False):
        world.policy_in_force = world.new_book(auto_approve=switched_on)
        async with world.kept():
            pass

    assert [True, False] == [fact.body["auto_approve"] for fact in world.journal.facts]


async def test_a_good_file_takes_over_while_running(world: World) -> None:
    """Whole, in one step, noted in the audit, and its people are looked up at once."""
    async with world.kept():
        world.path.write_text(TEXT.replace("ann:", "amy:").replace("[ann,", "[amy,"))
        world.directory.accounts = {"amy": "U0AMY", "bob": "U0BOB"}

        await until(lambda: "amy" in world.approvers())

    assert {"amy": "U0AMY", "bob": "U0BOB"} == world.approvers()
    assert [world.policy_in_force.policy().version] == [
        fact.body["version"] for fact in world.journal.facts[1:]
    ]
    assert [] == world.refused


async def test_another_address_is_another_person(world: World) -> None:
    """What was found for the old one does not count for the new one, not even until the next answer."""
    await world.refresh()
    world.path.write_text(TEXT.replace("ann@acme.example", "zoe@acme.example"))
    world.directory.trouble = Unavailable("down")
    async with world.kept():
        world.path.write_text(TEXT.replace("ann@acme.example", "zoe@acme.example") + "# again\n")
        await until(lambda: "policy_in_force" in world.counted)

        assert {"bob": "U0BOB"} == world.approvers()


async def test_a_bad_file_is_refused_and_the_old_one_stays(world: World) -> None:
    """Once for each change, with line and reason; the next good one takes over."""
    async with world.kept():
        before = world.policy_in_force.policy()
        world.path.write_text(TEXT.replace("approvers:", "approver:"))
        await until(lambda: bool(world.refused))
        await asyncio.sleep(0.05)

        (error,) = world.refused
        assert before == world.policy_in_force.policy()
        assert "line 9" in error.where
        assert "approvers is missing" in error.what
        assert 1 == world.counted.count("policy_refused")

        world.path.write_text(TEXT + "# mended\n")
        await until(lambda: world.policy_in_force.policy().version != before.version)


async def test_a_file_that_is_gone_is_a_bad_file(world: World) -> None:
    """The policy stays in force, and people are told."""
    async with world.kept():
        world.path.unlink()
        await until(lambda: bool(world.refused))

        assert {"ann": "U0ANN", "bob": "U0BOB"} == world.approvers()


async def test_a_file_put_in_its_place_is_seen(world: World) -> None:
    """With the same size and the same time: it is another file all the same."""
    async with world.kept():
        was, new = world.path.stat(), world.path.with_name("new.yaml")
        new.write_text(TEXT.replace("C0A", "C0B"))
        os.utime(new, ns=(was.st_atime_ns, was.st_mtime_ns))
        new.replace(world.path)

        await until(lambda: "policy_in_force" in world.counted)
        assert ["C0B"] == [place.channel for place in world.policy_in_force.policy().routes[0].cards]


async def test_half_a_file_is_not_read(world: World) -> None:
    """It counts once it has kept still for a look."""
    async with world.kept(look_every=0.1):
        await asyncio.sleep(0.05)
        for number in range(4):
            world.path.write_text("people: {" + "#" * number)
            await asyncio.sleep(0.06)
        world.path.write_text(TEXT + "# whole\n")
        await until(lambda: "policy_in_force" in world.counted)

    assert [] == world.refused


async def test_without_the_audit_no_policy_changes(world: World) -> None:
    """The file waits until it can be noted."""
    async with world.kept():
        before = world.policy_in_force.policy().version
        world.journal.trouble = Unavailable("disk full")
        world.path.write_text(TEXT + "# new\n")
        await until(lambda: "policy_waits" in world.counted)
        assert before == world.policy_in_force.policy().version

        world.journal.trouble = None
        await until(lambda: before != world.policy_in_force.policy().version)


async def test_without_the_audit_there_is_no_start(world: World) -> None:
    """No policy is in force that is not in the audit."""
    world.journal.trouble = Unavailable("disk full")

    with pytest.raises(Unavailable):
        async with world.kept():
            pass


async def test_people_are_asked_for_again_and_again(world: World) -> None:
    """In the background, without anybody's click."""
    async with world.kept(refresh_every=0.01):
        await until(lambda: world.directory.asked >= 3)
        assert {"ann": "U0ANN", "bob": "U0BOB"} == world.approvers()


async def test_a_change_between_reading_and_watching_is_seen(world: World) -> None:
    """Starting takes a while, and the file may be saved meanwhile."""
    before = world.policy_in_force.policy().version
    world.path.write_text(TEXT + "# saved while the bot started\n")

    async with world.kept():
        await until(lambda: "policy_in_force" in world.counted)

    assert before != world.policy_in_force.policy().version == read_policy_file(world.path).policy.version


@pytest.mark.parametrize("trouble", [MemoryError(), RecursionError("deep"), SystemExit(3), KeyError("\ud800")])
async def test_what_nobody_foresaw_leaves_the_policy_in_force(world: World, trouble: BaseException) -> None:
    """The reload ends in an alert, not the bot; and a good file afterwards is taken."""
    good = world.path.read_text()

    def read() -> PolicyFile:
        if "bad" in world.path.read_text():
            raise trouble
        return read_policy_file(world.path)

    world.policy_in_force = world.new_book(read=read)
    async with world.kept():
        world.path.write_text(f"{good}# bad\n")
        await until(lambda: bool(world.refused))
        assert world.policy_in_force.faulty
        world.path.write_text(f"{good}# well\n")
        await until(lambda: not world.policy_in_force.faulty)

    assert "policy_refused" in world.counted
    assert f"cannot be used ({type(trouble).__name__})" == world.refused[0].what
