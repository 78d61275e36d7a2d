"""The policy in force: the reviewed file as of now, with people's accounts and groups as of a moment ago.

file --(changed, valid)--> in force --(with accounts and members)--> policy()
     --(changed, bad)----> refused: the one before stays in force
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog

from adapters.clock import seconds_since_boot
from adapters.directory_cache import REACHED_FOR, DirectoryCache, GroupKeeper, ResolvedPolicy
from adapters.oncall import Schedules
from bot.audit import Fact
from bot.callbacks import CallOutcome, words_of
from bot.errors import ConfigError, Unavailable
from bot.policy import Policy
from bot.ports import Clock, Directory, GroupRef, Metrics
from bot.protocol import Json
from bot.retry import LOOKUP
from bot.store import Journal
from bot.surface import Surface

#: Seconds between two looks at the file, and between two rounds of asking the directories.
LOOK_EVERY = 1.0
REFRESH_EVERY = 30.0

Signature = tuple[int, int, int] | None  #: of a file: mtime in ns, size, inode; None when it is not there
_UNSEEN: Signature = (-1, -1, -1)

log = structlog.get_logger()


class Reviewed(Protocol):
    """What the policy in force needs to know of a policy file that was read."""

    @property
    def policy(self) -> Policy:
        """What the file says, nobody looked up."""
        ...

    @property
    def elsewhere(self) -> Mapping[str, tuple[GroupRef, ...]]:
        """Group -> external groups whose members belong to it."""
        ...


F = TypeVar("F", bound=Reviewed)
Refused = Callable[[ConfigError], Awaitable[None]]


class PolicyInForce(Generic[F]):
    """Keeps the policy in force. `policy()` is a plain read; `kept()` does the work in the background."""

    def __init__(
        self,
        file: F,
        *,
        path: Path,
        read: Callable[[], F],
        journal: Journal,
        clock: Clock,
        metrics: Metrics,
        refused: Refused,
        seconds: Callable[[], float] = seconds_since_boot,
    ) -> None:
        """Begin with `file`, as it was read at start.

        `read` reads `path` again, blocking, and raises ConfigError; `refused` is called with a bad file, once
        for each change, and again while that fails. `seconds` is a clock that never goes back and does not stop
        in a suspension.
        """
        self._file, self._path, self._read = file, path, read
        self._journal, self._clock, self._metrics, self._refused = journal, clock, metrics, refused
        self._seconds = seconds
        self._directory_cache = DirectoryCache(metrics=metrics, clock=clock, seconds=seconds)
        self._filled: ResolvedPolicy | None = None
        self._reached: ResolvedPolicy | None = None
        self._changed = asyncio.Event()
        self._asked_at = float("-inf")
        self.faulty = False  #: the current file is refused

    @property
    def file(self) -> F:
        """The file in force."""
        return self._file

    def policy(self) -> Policy:
        """The policy as of now: no look at the file, no lookup; what has grown too old is left out.

        Who is on call is as of the wall clock: a hand-over counts from its very moment.
        """
        filled = self._filled
        if filled is None or not filled.holds(now=self._clock(), seconds=self._seconds()):
            filled = self._filled = self._directory_cache.filled(self._file.policy, self._file.elsewhere)
        return filled.policy

    def reach(self) -> Policy:
        """The policy for telling people things: with accounts and members as they were last found.

        Nobody decides by it. While a directory cannot be asked, people are still pinged where they were.
        """
        filled = self._reached
        if filled is None or not filled.holds(now=self._clock(), seconds=self._seconds()):
            filled = self._reached = self._directory_cache.filled(
                self._file.policy, self._file.elsewhere, longest=REACHED_FOR
            )
        return filled.policy

    def ask_again(self) -> None:
        """A person may be found now who was not a moment ago: look everyone up, soon."""
        self._changed.set()

    def look_again(self) -> None:
        """A person pressed while nobody could be looked up: ask now, unless that was done a moment ago."""
        if self._seconds() - self._asked_at >= LOOKUP.first:
            self._changed.set()

    def unread(self) -> tuple[GroupRef, ...]:
        """Groups that could not be read lately, of which nobody counts as a member."""
        return self._directory_cache.unread(self._file.elsewhere)

    @asynccontextmanager
    async def kept(
        self,
        *,
        directories: Mapping[Surface, Directory],
        groups: Mapping[str, GroupKeeper],
        schedules: Mapping[str, Schedules],
        look_every: float = LOOK_EVERY,
        refresh_every: float = REFRESH_EVERY,
    ) -> AsyncIterator[None]:
        """Note the policy, look everybody up once, then keep file and lookups fresh while the block runs.

        `groups` and `schedules` say who knows which kind of them; lengths are in seconds. Raises Unavailable
        when the journal cannot be written at start: no policy is in force that is not in the audit.
        """
        if await self._journal.policy_in_force() != self._file.policy.version:
            await self._journal.note(self._fact(self._file.policy))
        ask = partial(self.refresh, directories=directories, groups=groups, schedules=schedules)
        await ask()
        async with asyncio.TaskGroup() as tasks:
            work = (
                tasks.create_task(self._watch(look_every), name="policy file"),
                tasks.create_task(self._keep_fresh(ask, refresh_every, look_every), name="directory"),
            )
            try:
                yield
            finally:
                for task in work:
                    task.cancel()

    async def refresh(
        self,
        *,
        directories: Mapping[Surface, Directory],
        groups: Mapping[str, GroupKeeper],
        schedules: Mapping[str, Schedules],
        again: bool = False,
    ) -> None:
        """Ask every directory and schedule once, with `again` only about what had no answer the last time.

        Raises nothing: what cannot be asked grows old.
        """
        file, self._asked_at = self._file, self._seconds()
        await self._directory_cache.refresh(
            file.policy,
            file.elsewhere,
            directories=directories,
            groups=groups,
            schedules=schedules,
            again=again,
        )
        self._filled = self._reached = None
        self._directory_cache.tell(self.policy())  # filled now, and not on the way of the next click

    async def _keep_fresh(self, ask: Callable[..., Awaitable[None]], every: float, look_every: float) -> None:
        """Rounds begin `every` so many seconds, and at once for a new file, whose people may be new.

        Who could not be looked up in one is asked about again soon, a few times.
        """
        tries = 0
        while True:
            begun = self._seconds()
            soon = self._directory_cache.missed and tries < LOOKUP.tries
            wait = min(every, LOOKUP.after(tries)) if soon else every
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    # The loop's own clock stops in a suspension, after which everything is too old.
                    while self._seconds() - begun < wait and not self._changed.is_set():
                        with suppress(TimeoutError):
                            async with asyncio.timeout(look_every):
                                await self._changed.wait()
            again = soon and not self._changed.is_set()
            self._changed.clear()
            tries = tries + 1 if again else 0
            await ask(again=again)

    async def _watch(self, every: float) -> None:
        """A change counts once the file has kept still for a look: half of a policy may be a valid one.

        The first look reads it in any case: it may have changed since it was read at start.
        """
        before = last = _UNSEEN
        while True:
            await asyncio.sleep(every)
            now = await asyncio.to_thread(_signature, self._path)
            if now != last and now == before and await self._take_over():
                last = now
            before = now

    async def _take_over(self) -> bool:
        """Put the changed file in force, or refuse it; False when it has to be looked at again.

        The last catch: no content of the file ends the bot. What nobody foresaw leaves the old policy in force.
        """
        caught = CallOutcome()
        with caught:
            return await self._put_in_force()
        error = caught.error
        if not isinstance(error, ConfigError):
            what = f"cannot be used ({type(error).__name__})"
            error = ConfigError(str(self._path), what, "Undo the last change to the file.")
        log.error("policy_refused", where=error.where, reason=error.what, fix=error.fix)
        self._metrics.count("policy_refused")
        self.faulty = True
        telling = CallOutcome()
        with telling:
            await self._refused(error)
        if telling.error is not None:
            log.error("policy_refusal_not_told", reason=words_of(telling.error))
        return telling.error is None

    async def _put_in_force(self) -> bool:
        """False when the journal could not be written. Raises ConfigError for a file that is refused."""
        file = await asyncio.to_thread(self._read)
        self._directory_cache.filled(
            file.policy, file.elsewhere
        )  # what cannot be used is found before it is in force
        self.faulty = False
        if file.policy.version == self._file.policy.version:
            return True
        try:
            await self._journal.note(self._fact(file.policy))
        except Unavailable as error:
            log.warning("policy_waits", reason=str(error))
            self._metrics.count("policy_waits")
            return False
        self._file, self._filled, self._reached = file, None, None
        log.info("policy_in_force", version=file.policy.version, routes=len(file.policy.routes))
        self._metrics.count("policy_in_force")
        self._changed.set()
        return True

    def _fact(self, policy: Policy) -> Fact:
        return Fact(kind="policy_in_force", at=self._clock(), body=_body(policy, self._path.name))


def _body(policy: Policy, name: str) -> dict[str, Json]:
    """What the audit keeps of a policy: which file text, and what it is made of, without any address."""
    rules = policy.rules
    return {
        "version": policy.version,
        "file": name,
        "routes": [route.name for route in policy.routes],
        "deny": [rule.name for rule in rules.deny],
        "automatic": [rule.name for rule in rules.automatic],
        "auto_approve": rules.auto_approve,
        "log_only": rules.log_only,
        "delegations": [
            {"from": one.giver, "to": one.taker, "until": one.until.isoformat()} for one in policy.delegations
        ],
    }


def _signature(path: Path) -> Signature:
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_mtime_ns, now.st_size, now.st_ino
