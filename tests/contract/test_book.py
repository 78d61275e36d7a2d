"""The policy in force: the file as it is now, people as of a moment ago; a failing lookup means no."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.book import Book
from adapters.roster import LONGEST_AGE, REACHED_FOR
from adapters.settings import PolicyFile, read_policy_file
from bot.audit import Fact
from bot.errors import ConfigError, Forbidden, Gone, NodError, Unavailable
from bot.policy import Person, Policy
from bot.ports import GroupRef
from bot.surface import Surface

SLACK = Surface.SLACK
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FINANCE = GroupRef(kind="slack-usergroup", id="S0FINANCE")
BOARD = GroupRef(kind="entra-group", id="6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e")

TEXT = """
people:
  ann: {email: ann@acme.example}
  bob: {slack: U0BOB}
groups:
  finance: [ann, bob, "slack-usergroup:S0FINANCE"]
  board: ["entra-group:6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e"]
routes:
  - {name: default, match: {}, cards: [slack:C0A], approvers: [finance, board]}
"""


def member(account: str, email: str | None = None, *, outside: bool = False) -> Person:
    """Somebody in a group, as Slack knows her."""
    away = frozenset({SLACK}) if outside else frozenset()
    return Person(handle=f"slack:{account}", name=account, email=email, accounts={SLACK: account}, outside=away)


class FakeDirectory:
    """A `bot.ports.Directory` in memory."""

    def __init__(self) -> None:
        self.accounts = {"ann": "U0ANN", "bob": "U0BOB"}  #: handle -> account; without one she is not found
        self.guests: set[str] = set()
        self.groups: dict[GroupRef, tuple[Person, ...]] = {FINANCE: (), BOARD: ()}
        self.trouble: NodError | None = None
        self.asked = 0

    async def resolve(self, people: Sequence[Person]) -> tuple[Person, ...]:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return tuple(
            replace(
                person,
                name=f"{person.handle} of Slack",
                accounts={SLACK: self.accounts[person.handle]} if person.handle in self.accounts else {},
                outside=frozenset({SLACK} if person.handle in self.guests else ()),
            )
            for person in people
        )

    async def members(self, group: GroupRef) -> tuple[Person, ...]:
        if self.trouble is not None:
            raise self.trouble
        return self.groups[group]


class FakeJournal:
    """A `bot.store.Journal` in memory."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.trouble: Unavailable | None = None

    async def note(self, fact: Fact) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.facts.append(fact)

    async def policy_in_force(self) -> str | None:
        return str(self.facts[-1].body["version"]) if self.facts else None


class World:
    """A book with everything around it in the test's hands."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "nod.yaml"
        self.path.write_text(TEXT)
        self.directory, self.journal = FakeDirectory(), FakeJournal()
        self.seconds = 1_000.0
        self.counted: list[str] = []
        self.refused: list[ConfigError] = []
        self.book = self.new_book()

    def new_book(self, *, auto_approve: bool = False) -> Book[PolicyFile]:
        async def refused(error: ConfigError) -> None:
            self.refused.append(error)

        return Book(
            read_policy_file(self.path, auto_approve=auto_approve),
            path=self.path,
            read=lambda: read_policy_file(self.path),
            journal=self.journal,
            clock=lambda: NOW,
            count=self.counted.append,
            refused=refused,
            seconds=lambda: self.seconds,
        )

    async def refresh(self) -> Policy:
        await self.book.refresh(directories={SLACK: self.directory}, groups=self.keepers, schedules={})
        return self.book.policy()

    @property
    def keepers(self) -> dict[str, FakeDirectory]:
        return {FINANCE.kind: self.directory, BOARD.kind: self.directory}

    @asynccontextmanager
    async def kept(self, *, look_every: float = 0.01, refresh_every: float = 60) -> AsyncIterator[None]:
        """Looks are quick here, so that no test waits."""
        async with self.book.kept(
            directories={SLACK: self.directory},
            groups=self.keepers,
            schedules={},
            look_every=look_every,
            refresh_every=refresh_every,
        ):
            yield

    def approvers(self) -> dict[str, str]:
        """Who may decide now: handle -> account."""
        policy = self.book.policy()
        people = policy.members(policy.routes[0].approvers)
        return {one.handle: one.accounts[SLACK] for one in people if SLACK in one.accounts}


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
    assert (FINANCE, BOARD) == world.book.unread()


async def test_people_and_groups_are_found(world: World) -> None:
    """By e-mail, by id, and by the groups that somebody else keeps."""
    world.directory.groups = {FINANCE: (member("U0CAT"),), BOARD: (member("U0DAN"),)}

    await world.refresh()

    expected = {"ann": "U0ANN", "bob": "U0BOB", "slack:U0CAT": "U0CAT", "slack:U0DAN": "U0DAN"}
    assert expected == world.approvers()
    assert () == world.book.unread()
    assert "ann of Slack" == world.book.policy().people["ann"].name


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
    assert (FINANCE, BOARD) == world.book.unread()
    assert "look_up_failed" in world.counted


async def test_people_are_still_told_where_they_were_last_found(world: World) -> None:
    """Nobody decides by an old answer; a ping goes to where somebody was, for a day."""
    world.directory.groups[FINANCE] = (member("U0CAT"),)
    await world.refresh()
    found = {handle: person.accounts for handle, person in world.book.policy().people.items()}
    world.directory.trouble = Unavailable("down")
    world.seconds += 10 * LONGEST_AGE
    await world.refresh()

    assert {} == world.approvers()
    assert found == {handle: person.accounts for handle, person in world.book.reach().people.items()}
    world.seconds += REACHED_FOR
    assert not any(person.accounts for person in world.book.reach().people.values())


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

    assert frozenset({SLACK}) == world.book.policy().people["bob"].outside


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
    await world.book.refresh(directories={SLACK: world.directory}, groups=keepers, schedules={})

    assert "slack:U0CAT" in world.approvers()
    assert (BOARD,) == world.book.unread()


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
    world.book = world.new_book()
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
    assert world.book.policy().version == fact.body["version"]
    assert ("nod.yaml", ["default"]) == (fact.body["file"], fact.body["routes"])


async def test_auto_approval_is_noted_when_it_is_switched(world: World) -> None:
    """Switching the variable on or off is a change of what is in force, though the file is the same."""
    for switched_on in (True, True, False, False):
        world.book = world.new_book(auto_approve=switched_on)
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
    assert [world.book.policy().version] == [fact.body["version"] for fact in world.journal.facts[1:]]
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
        before = world.book.policy()
        world.path.write_text(TEXT.replace("approvers:", "approver:"))
        await until(lambda: bool(world.refused))
        await asyncio.sleep(0.05)

        (error,) = world.refused
        assert before == world.book.policy()
        assert "line 9" in error.where
        assert "approvers is missing" in error.what
        assert 1 == world.counted.count("policy_refused")

        world.path.write_text(TEXT + "# mended\n")
        await until(lambda: world.book.policy().version != before.version)


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
        assert ["C0B"] == [place.channel for place in world.book.policy().routes[0].cards]


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
        before = world.book.policy().version
        world.journal.trouble = Unavailable("disk full")
        world.path.write_text(TEXT + "# new\n")
        await until(lambda: "policy_waits" in world.counted)
        assert before == world.book.policy().version

        world.journal.trouble = None
        await until(lambda: before != world.book.policy().version)


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
    before = world.book.policy().version
    world.path.write_text(TEXT + "# saved while the bot started\n")

    async with world.kept():
        await until(lambda: "policy_in_force" in world.counted)

    assert before != world.book.policy().version == read_policy_file(world.path).policy.version
