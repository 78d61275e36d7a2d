"""A policy in force with everything around it in a test's hands: the file, the directories, the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from adapters.policy_in_force import PolicyInForce
from adapters.settings import PolicyFile, read_policy_file
from bot.audit import Fact
from bot.errors import ConfigError, NodError, Unavailable
from bot.policy import Person, Policy
from bot.ports import GroupRef
from bot.surface import Surface
from tests.fakes import Counting

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
    """A member of a group, as Slack knows them."""
    away = frozenset({SLACK}) if outside else frozenset()
    return Person(handle=f"slack:{account}", name=account, email=email, accounts={SLACK: account}, outside=away)


class FakeDirectory:
    """A `bot.ports.Directory` in memory."""

    def __init__(self) -> None:
        self.accounts = {"ann": "U0ANN", "bob": "U0BOB"}  #: handle -> account; people without one are not found
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


class Rig:
    """A book with everything around it in the test's hands."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "nod.yaml"
        self.path.write_text(TEXT)
        self.directory, self.journal = FakeDirectory(), FakeJournal()
        self.seconds = 1_000.0
        self.counted: list[str] = []
        self.refused: list[ConfigError] = []
        self.policy_in_force = self.new_book()

    def new_book(
        self, *, auto_approve: bool = False, read: Callable[[], PolicyFile] | None = None
    ) -> PolicyInForce[PolicyFile]:
        async def refused(error: ConfigError) -> None:
            self.refused.append(error)

        return PolicyInForce(
            read_policy_file(self.path, auto_approve=auto_approve),
            path=self.path,
            read=read or (lambda: read_policy_file(self.path)),
            journal=self.journal,
            clock=lambda: NOW,
            metrics=Counting(self.counted.append),
            refused=refused,
            seconds=lambda: self.seconds,
        )

    async def refresh(self) -> Policy:
        await self.policy_in_force.refresh(
            directories={SLACK: self.directory}, groups=self.keepers, schedules={}
        )
        return self.policy_in_force.policy()

    @property
    def keepers(self) -> dict[str, FakeDirectory]:
        return {FINANCE.kind: self.directory, BOARD.kind: self.directory}

    @asynccontextmanager
    async def kept(self, *, look_every: float = 0.01, refresh_every: float = 60) -> AsyncIterator[None]:
        """Looks are quick here, so that no test waits."""
        async with self.policy_in_force.kept(
            directories={SLACK: self.directory},
            groups=self.keepers,
            schedules={},
            look_every=look_every,
            refresh_every=refresh_every,
        ):
            yield

    def approvers(self) -> dict[str, str]:
        """Who may decide now: handle -> account."""
        policy = self.policy_in_force.policy()
        people = policy.members(policy.routes[0].approvers)
        return {one.handle: one.accounts[SLACK] for one in people if SLACK in one.accounts}
