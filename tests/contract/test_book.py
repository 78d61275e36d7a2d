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
from tests.contract.book_rig import BOARD, FINANCE, NOW, SLACK, TEXT, Rig, member


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def until(true: Callable[[], bool]) -> None:
    """Wait for it, at most 5 s."""
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_before_anybody_was_asked_nobody_counts(rig: Rig) -> None:
    """Not even an id of the file, which may be a guest's by now; and a group that was not read is empty."""
    assert {} == rig.approvers()
    assert (FINANCE, BOARD) == rig.policy_in_force.unread()


async def test_people_and_groups_are_found(rig: Rig) -> None:
    """By e-mail, by id, and by groups that are kept elsewhere."""
    rig.directory.groups = {FINANCE: (member("U0CAT"),), BOARD: (member("U0DAN"),)}

    await rig.refresh()

    expected = {"ann": "U0ANN", "bob": "U0BOB", "slack:U0CAT": "U0CAT", "slack:U0DAN": "U0DAN"}
    assert expected == rig.approvers()
    assert () == rig.policy_in_force.unread()
    assert "ann of Slack" == rig.policy_in_force.policy().people["ann"].name


async def test_who_was_deactivated_is_gone_with_the_next_round(rig: Rig) -> None:
    """By e-mail or by id, in the file or in a group."""
    rig.directory.groups[FINANCE] = (member("U0CAT"),)
    await rig.refresh()
    rig.directory.accounts, rig.directory.groups[FINANCE] = {}, ()

    await rig.refresh()

    assert {} == rig.approvers()


@pytest.mark.parametrize("trouble", [Unavailable("down"), Forbidden("no scope")])
async def test_what_could_not_be_looked_up_for_a_minute_counts_for_nobody(rig: Rig, trouble: NodError) -> None:
    """Until then the last answer stays; then nobody can decide, not even an id that the file itself names."""
    rig.directory.groups[FINANCE] = (member("U0CAT"),)
    await rig.refresh()
    before = rig.approvers()
    rig.directory.trouble = trouble

    rig.seconds += LONGEST_AGE - 1
    await rig.refresh()
    assert before == rig.approvers()
    rig.seconds += 1
    assert {} == rig.approvers()
    assert (FINANCE, BOARD) == rig.policy_in_force.unread()
    assert "look_up_failed" in rig.counted


async def test_people_are_still_told_where_they_were_last_found(rig: Rig) -> None:
    """An outdated answer lets nobody decide; for a day a ping still goes to the last known account."""
    rig.directory.groups[FINANCE] = (member("U0CAT"),)
    await rig.refresh()
    found = {handle: person.accounts for handle, person in rig.policy_in_force.policy().people.items()}
    rig.directory.trouble = Unavailable("down")
    rig.seconds += 10 * LONGEST_AGE
    await rig.refresh()

    assert {} == rig.approvers()
    assert found == {handle: person.accounts for handle, person in rig.policy_in_force.reach().people.items()}
    rig.seconds += REACHED_FOR
    assert not any(person.accounts for person in rig.policy_in_force.reach().people.values())


async def test_age_counts_without_any_round(rig: Rig) -> None:
    """A loop that hangs must not make an old answer young."""
    await rig.refresh()
    assert "ann" in rig.approvers()

    rig.seconds += LONGEST_AGE

    assert "ann" not in rig.approvers()


async def test_who_was_known_to_be_gone_does_not_come_back_by_an_outage(rig: Rig) -> None:
    """The last answer about an id was no, and silence is no yes."""
    rig.directory.accounts = {}
    await rig.refresh()
    rig.directory.trouble = Unavailable("down")
    rig.seconds += 10 * LONGEST_AGE

    await rig.refresh()

    assert {} == rig.approvers()


async def test_a_guest_stays_one_through_an_outage(rig: Rig) -> None:
    """Marked as external, so that the route has to list this person."""
    rig.directory.guests = {"bob"}
    await rig.refresh()
    rig.seconds += 10 * LONGEST_AGE

    assert frozenset({SLACK}) == rig.policy_in_force.policy().people["bob"].outside


async def test_a_group_that_is_gone_is_empty_at_once(rig: Rig) -> None:
    """Its keeper said so; there is nothing to wait for."""
    rig.directory.groups[FINANCE] = (member("U0CAT"),)
    await rig.refresh()
    rig.directory.trouble = Gone("no such group")

    await rig.refresh()

    assert "slack:U0CAT" not in rig.approvers()


async def test_a_group_without_a_keeper_is_empty(rig: Rig) -> None:
    """Entra without credentials, for example; the others go on."""
    rig.directory.groups[FINANCE] = (member("U0CAT"),)
    keepers = {FINANCE.kind: rig.directory}
    await rig.policy_in_force.refresh(directories={SLACK: rig.directory}, groups=keepers, schedules={})

    assert "slack:U0CAT" in rig.approvers()
    assert (BOARD,) == rig.policy_in_force.unread()


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
    rig: Rig, who: Person, handles: list[str], accounts: dict[str, str]
) -> None:
    """A group member who is in the file is that person; anyone else is a new person with one vote."""
    rig.directory.groups[BOARD] = (who,)

    policy = await rig.refresh()

    members = policy.members(("board",))
    assert handles == [one.handle for one in members]
    assert accounts == {one.handle: one.accounts[SLACK] for one in members}


async def test_an_address_from_outside_is_nobodys(rig: Rig) -> None:
    """Another company may give its people any address; such an account is never taken for ours."""
    del rig.directory.accounts["ann"]
    rig.directory.groups[BOARD] = (member("U0FAKE", "ann@acme.example", outside=True),)

    policy = await rig.refresh()

    assert "ann" not in rig.approvers()
    assert [frozenset({SLACK})] == [one.outside for one in policy.members(("board",))]


async def test_an_id_of_the_file_is_not_replaced_by_an_address(rig: Rig) -> None:
    """Bob is U0BOB, also when another account comes with his address."""
    rig.path.write_text(TEXT.replace("{slack: U0BOB}", "{slack: U0BOB, email: bob@acme.example}"))
    rig.policy_in_force = rig.new_book()
    del rig.directory.accounts["bob"]
    rig.directory.groups[BOARD] = (member("U0FAKE", "bob@acme.example"),)

    await rig.refresh()

    assert {"ann": "U0ANN"} == rig.approvers()


async def test_the_policy_is_noted_once_per_version(rig: Rig) -> None:
    """At start when the audit does not have it yet: its version, the file's name and no path."""
    for _ in range(2):
        async with rig.kept():
            pass

    (fact,) = rig.journal.facts
    assert ("policy_in_force", NOW) == (fact.kind, fact.at)
    assert rig.policy_in_force.policy().version == fact.body["version"]
    assert ("nod.yaml", ["default"]) == (fact.body["file"], fact.body["routes"])


async def test_auto_approval_is_noted_when_it_is_switched(rig: Rig) -> None:
    """Switching the variable on or off is a change of what is in force, though the file is the same."""
    for switched_on in (True, True, False, False):
        rig.policy_in_force = rig.new_book(auto_approve=switched_on)
        async with rig.kept():
            pass

    assert [True, False] == [fact.body["auto_approve"] for fact in rig.journal.facts]


async def test_a_good_file_takes_over_while_running(rig: Rig) -> None:
    """Whole, in one step, noted in the audit, and its people are looked up at once."""
    async with rig.kept():
        rig.path.write_text(TEXT.replace("ann:", "amy:").replace("[ann,", "[amy,"))
        rig.directory.accounts = {"amy": "U0AMY", "bob": "U0BOB"}

        await until(lambda: "amy" in rig.approvers())

    assert {"amy": "U0AMY", "bob": "U0BOB"} == rig.approvers()
    assert [rig.policy_in_force.policy().version] == [fact.body["version"] for fact in rig.journal.facts[1:]]
    assert [] == rig.refused


async def test_another_address_is_another_person(rig: Rig) -> None:
    """What was found for the old one does not count for the new one, not even until the next answer."""
    await rig.refresh()
    rig.path.write_text(TEXT.replace("ann@acme.example", "zoe@acme.example"))
    rig.directory.trouble = Unavailable("down")
    async with rig.kept():
        rig.path.write_text(TEXT.replace("ann@acme.example", "zoe@acme.example") + "# again\n")
        await until(lambda: "policy_in_force" in rig.counted)

        assert {"bob": "U0BOB"} == rig.approvers()


async def test_a_bad_file_is_refused_and_the_old_one_stays(rig: Rig) -> None:
    """Once for each change, with line and reason; the next good one takes over."""
    async with rig.kept():
        before = rig.policy_in_force.policy()
        rig.path.write_text(TEXT.replace("approvers:", "approver:"))
        await until(lambda: bool(rig.refused))
        await asyncio.sleep(0.05)

        (error,) = rig.refused
        assert before == rig.policy_in_force.policy()
        assert "line 9" in error.where
        assert "approvers is missing" in error.what
        assert 1 == rig.counted.count("policy_refused")

        rig.path.write_text(TEXT + "# mended\n")
        await until(lambda: rig.policy_in_force.policy().version != before.version)


async def test_a_file_that_is_gone_is_a_bad_file(rig: Rig) -> None:
    """The policy stays in force, and people are told."""
    async with rig.kept():
        rig.path.unlink()
        await until(lambda: bool(rig.refused))

        assert {"ann": "U0ANN", "bob": "U0BOB"} == rig.approvers()


async def test_a_file_put_in_its_place_is_seen(rig: Rig) -> None:
    """With the same size and the same time: it is another file all the same."""
    async with rig.kept():
        was, new = rig.path.stat(), rig.path.with_name("new.yaml")
        new.write_text(TEXT.replace("C0A", "C0B"))
        os.utime(new, ns=(was.st_atime_ns, was.st_mtime_ns))
        new.replace(rig.path)

        await until(lambda: "policy_in_force" in rig.counted)
        assert ["C0B"] == [place.channel for place in rig.policy_in_force.policy().routes[0].cards]


async def test_half_a_file_is_not_read(rig: Rig) -> None:
    """It is taken once it has not changed between two looks."""
    async with rig.kept(look_every=0.1):
        await asyncio.sleep(0.05)
        for number in range(4):
            rig.path.write_text("people: {" + "#" * number)
            await asyncio.sleep(0.06)
        rig.path.write_text(TEXT + "# whole\n")
        await until(lambda: "policy_in_force" in rig.counted)

    assert [] == rig.refused


async def test_without_the_audit_no_policy_changes(rig: Rig) -> None:
    """The file waits until it can be noted."""
    async with rig.kept():
        before = rig.policy_in_force.policy().version
        rig.journal.trouble = Unavailable("disk full")
        rig.path.write_text(TEXT + "# new\n")
        await until(lambda: "policy_waits" in rig.counted)
        assert before == rig.policy_in_force.policy().version

        rig.journal.trouble = None
        await until(lambda: before != rig.policy_in_force.policy().version)


async def test_without_the_audit_there_is_no_start(rig: Rig) -> None:
    """No policy is in force that is not in the audit."""
    rig.journal.trouble = Unavailable("disk full")

    with pytest.raises(Unavailable):
        async with rig.kept():
            pass


async def test_people_are_asked_for_again_and_again(rig: Rig) -> None:
    """In the background, without anybody's click."""
    async with rig.kept(refresh_every=0.01):
        await until(lambda: rig.directory.asked >= 3)
        assert {"ann": "U0ANN", "bob": "U0BOB"} == rig.approvers()


async def test_a_change_between_reading_and_watching_is_seen(rig: Rig) -> None:
    """Starting takes a while, and the file may be saved meanwhile."""
    before = rig.policy_in_force.policy().version
    rig.path.write_text(TEXT + "# saved while the bot started\n")

    async with rig.kept():
        await until(lambda: "policy_in_force" in rig.counted)

    assert before != rig.policy_in_force.policy().version == read_policy_file(rig.path).policy.version


@pytest.mark.parametrize("trouble", [MemoryError(), RecursionError("deep"), SystemExit(3), KeyError("\ud800")])
async def test_what_nobody_foresaw_leaves_the_policy_in_force(rig: Rig, trouble: BaseException) -> None:
    """The reload ends in an alert, not the bot; and a good file afterwards is taken."""
    good = rig.path.read_text()

    def read() -> PolicyFile:
        if "bad" in rig.path.read_text():
            raise trouble
        return read_policy_file(rig.path)

    rig.policy_in_force = rig.new_book(read=read)
    async with rig.kept():
        rig.path.write_text(f"{good}# bad\n")
        await until(lambda: bool(rig.refused))
        assert rig.policy_in_force.faulty
        rig.path.write_text(f"{good}# well\n")
        await until(lambda: not rig.policy_in_force.faulty)

    assert "policy_refused" in rig.counted
    assert f"cannot be used ({type(trouble).__name__})" == rig.refused[0].what
