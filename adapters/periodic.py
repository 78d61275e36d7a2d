"""What is done at intervals: the ticker, announcements, the audit, the auditor."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, timedelta
from pathlib import Path

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from adapters.checkpoints import CheckpointLog, CheckpointSigner, open_checkpoint_signer
from adapters.policy_in_force import PolicyInForce
from adapters.settings import Environment, PolicyFile, plain
from adapters.store.open import SqlStore
from adapters.watch import PULSE_EVERY, AlertFallback, LoopLiveness, open_heartbeat
from bot.alerts import POLICY_REFUSED, alert_of, over
from bot.audit import Fact
from bot.errors import ConfigError, Unavailable
from bot.flow import Liveness
from bot.flow.missing import LOOK_EVERY, Missing
from bot.flow.self_check import PING_EVERY, SCHEDULER_CHECK_EVERY, SELF_CHECK_EVERY, TOUCH_EVERY, SelfCheck
from bot.policy import Policy
from bot.ports import Chat, Clock, Metrics
from bot.store import Alerts, Store
from bot.surface import Surface

#: A wall clock that moved so many seconds more, or less, than time went by was set.
SET = 0.1


@asynccontextmanager
async def open_timer(jobs: Mapping[str, tuple[timedelta, Callable[[], None]]]) -> AsyncIterator[None]:
    """Call each job at its interval until closed, whatever happens to the wall clock.

    In memory, never catching up one by one after a pause (`coalesce`), never dropping a late tick
    (`misfire_grace_time=None`): a job only says "look again", so once is enough and late is fine.
    """
    scheduler = _Ticker(
        timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
    )
    for name, (every, ring) in jobs.items():
        scheduler.add_job(_on_the_loop(ring), "interval", seconds=every.total_seconds(), id=name)
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)


class _Ticker(AsyncIOScheduler):  # type: ignore[misc]  # APScheduler has no types
    """Wakes by the loop's clock, which only goes on, and lets what is due next move with the wall clock.

    APScheduler keeps moments of the wall clock, so after a step back of an hour it would not tick for one.
    """

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self._apart = _wall_apart()

    def _process_jobs(self) -> object:
        apart = _wall_apart()
        moved, self._apart = apart - self._apart, apart
        if abs(moved) > SET:
            for job in self.get_jobs():
                if job.next_run_time is not None:
                    self.modify_job(job.id, next_run_time=job.next_run_time + timedelta(seconds=moved))
        return super()._process_jobs()


def _wall_apart() -> float:
    """How far the wall clock is from the one that only goes on, in seconds."""
    return time.time() - time.monotonic()


def _on_the_loop(ring: Callable[[], None]) -> Callable[[], object]:
    # A plain function would run in APScheduler's thread pool, and an asyncio.Event is not thread-safe.
    async def tick() -> None:
        ring()

    return tick


#: How often a policy that came into force is looked for, to announce what nobody may overlook in it.
ANNOUNCE_EVERY = timedelta(seconds=1)
#: How often the signer looks whether a checkpoint is due, and the audit whether rows are old enough to go.
SIGNS_EVERY, RETIRE_EVERY = timedelta(seconds=5), timedelta(hours=1)

#: A tick that is so many intervals late is paged; after three the watchdog ends the process.
LATE_INTERVALS = 2

#: Seconds after the start before the auditor's first look.
MEETING = 2.0

POLICY = "policy"  #: what alerts about the policy file are about

Chores = dict[str, tuple[timedelta, Callable[[], Awaitable[None]]]]

log = structlog.get_logger()


def checkpoint_signer_of(
    environment: Environment,
    store: SqlStore,
    alerts: Alerts,
    checkpoint_log: CheckpointLog,
    clock: Clock,
    metrics: Metrics,
) -> AbstractAsyncContextManager[CheckpointSigner]:
    """Who signs the audit of this store."""
    return open_checkpoint_signer(
        chain=store.journal,
        alerts=alerts,
        key_path=environment.audit_key or folder_of(environment.database_url) / "nod-audit.key",
        checkpoint_log=checkpoint_log,
        webhook=environment.audit_webhook,
        clock=clock,
        metrics=metrics,
    )


def keeping(
    policy_in_force: PolicyInForce[PolicyFile],
    store: SqlStore,
    alerts: Alerts,
    signer: CheckpointSigner,
    clock: Clock,
) -> Chores:
    """The audit's upkeep, and what is said about each policy that comes into force."""
    announced, faulty = "", True

    async def announce() -> None:
        nonlocal announced, faulty
        if policy_in_force.policy().version != announced:
            announce_policy(policy_in_force.policy())
            announced = policy_in_force.policy().version
        if faulty and not policy_in_force.faulty:
            for alert in await alerts.open_of(approval_id=POLICY):
                await alerts.resolve(POLICY, cause=alert.cause, how=over(POLICY_REFUSED))
        faulty = policy_in_force.faulty

    async def retire() -> None:
        if policy_in_force.file.retention is not None:
            await store.journal.retire(clock() - policy_in_force.file.retention, vouch=signer.retire)

    return {
        "announce": (ANNOUNCE_EVERY, announce),
        "notary": (SIGNS_EVERY, signer.round),
        "retire": (RETIRE_EVERY, retire),
    }


async def self_checking(
    environment: Environment,
    *,
    store: Store,
    alerts: AlertFallback,
    chats: Mapping[Surface, Chat],
    policy: Callable[[], Policy],
    blind: Callable[[], str | None],
    liveness: Liveness,
    pulse: LoopLiveness,
    clock: Clock,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> Chores:
    """The auditor, which tells the dead man's switch outside, where there is one, that all is well."""
    url = plain(environment.heartbeat_url)
    heartbeat = await stack.enter_async_context(open_heartbeat(url, metrics=metrics))

    async def all_well() -> None:
        if heartbeat is not None:
            await heartbeat.beat()

    self_check = SelfCheck(
        store=store, alerts=alerts, chats=chats, policy=policy, liveness=liveness,
        late_tick=lambda: late_tick(pulse), blind=blind, all_well=all_well, clock=clock, metrics=metrics,
    )  # fmt: skip

    met = False  #: chats and people are being met: what is found before is no news

    async def look() -> None:
        nonlocal met
        if not met:
            await asyncio.sleep(MEETING)
            met = True
        await alerts.drain()
        await self_check.round()

    missing = Missing(store=store, chats=chats, clock=clock, metrics=metrics)

    async def ping() -> None:
        if met:
            await self_check.ping_chats()

    return {
        "prove": (SELF_CHECK_EVERY, look),
        "knock": (PING_EVERY, ping),
        "missing": (LOOK_EVERY, missing.round),
        "feel": (SCHEDULER_CHECK_EVERY, self_check.check_scheduler),
        "touch": (TOUCH_EVERY, self_check.check_db_writable),
    }


def late_tick(pulse: LoopLiveness) -> str | None:
    """What ails the ticker, in words; None while it ticks."""
    late = pulse.age > LATE_INTERVALS * PULSE_EVERY.total_seconds()
    return f"The scheduler has not run for {pulse.age:.0f} s" if late else None


def folder_of(database_url: str) -> Path:
    """Where the audit's own files stand unless the settings say otherwise: beside the SQLite file."""
    scheme, _, path = database_url.partition(":///")
    return Path(path).parent if scheme.startswith("sqlite") and path else Path()


def checkpoints_of(environment: Environment) -> Path:
    """Where the audit's checkpoints are kept."""
    return environment.audit_checkpoints or folder_of(environment.database_url) / "nod-checkpoints.jsonl"


def refusal_alerts(store: Store, clock: Clock) -> Callable[[ConfigError], Awaitable[None]]:
    """A refused policy file is an alert, one per mistake."""

    async def refused(error: ConfigError) -> None:
        mistake = hashlib.sha256(str(error).encode()).hexdigest()[:8]
        alert = alert_of(POLICY_REFUSED, POLICY, {"mistake": error}, at=clock(), part=mistake)
        body = {"where": error.where, "reason": error.what}
        await store.alerts.raise_(alert)
        try:
            await store.journal.note(Fact(kind="policy_refused", at=clock(), body=body))
        except Unavailable as trouble:  # the watch of the file must go on; the log has the refusal already
            log.error("policy_refusal_not_noted", reason=str(trouble))

    return refused


def announce_policy(policy: Policy) -> None:
    """What nobody may overlook: answers without people, and routes that nobody can answer."""
    if policy.rules.auto_approve:
        log.warning("auto_approval_is_on", because="GLAIP_HITL_AUTO_APPROVE", effect="Nod asks nobody")
    if policy.rules.log_only:
        log.warning("auto_approval_is_on", because="log_only", effect="Nod asks nobody")
    for route in policy.routes:
        if not any(person.accounts for person in policy.members(route.approvers)):
            log.error("route_without_approver", route=route.name)
