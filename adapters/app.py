"""The composition root: the only file that knows every adapter. It opens them, and hands them to the flow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import structlog

from adapters.chat.plugin import OpenChat, Opening, Receiver
from adapters.checkpoints import CheckpointSigner, check_rollback, read_checkpoint_log
from adapters.clock import Timepiece, seconds_since_boot
from adapters.control import control_path, open_control
from adapters.graph import Graph, open_graph
from adapters.metrics import PrometheusMetrics
from adapters.oncall import Schedules
from adapters.oncall.open import open_schedules
from adapters.pagers.hooks import HookPager, load_hook
from adapters.pagers.services import open_pagers
from adapters.periodic import (
    checkpoint_signer_of,
    checkpoints_of,
    folder_of,
    keeping,
    open_timer,
    refusal_alerts,
    self_checking,
)
from adapters.plugins import Chats, check_places, read_chats, workflows_of
from adapters.policy_in_force import PolicyInForce
from adapters.relay import WAKE_PATH, WakeEndpoint
from adapters.runtime import Runtime, run_steps
from adapters.settings import (
    Environment,
    PolicyFile,
    SourceAddress,
    all_sources,
    check_kept,
    check_schedule_keys,
    plain,
    read_policy_file,
    webhook_secret,
)
from adapters.sources import Polled, check_kinds, open_sources, silent
from adapters.store.open import SqlStore, open_store
from adapters.test_card import CardTester, DeskSwitch, NoPlatform
from adapters.watch import (
    PULSE_EVERY,
    AlertFallback,
    LoopLiveness,
    Spool,
    Watchdog,
    open_alert_fallback,
    watched,
)
from adapters.web import front, serve_front
from bot import __version__
from bot.callbacks import FunctionCallbacks, callbacks_of
from bot.flow import Foreground, Liveness, WakeUps
from bot.flow.desk import FrontDesk
from bot.flow.polls import BLIND_AFTER
from bot.flow.sights import Sights
from bot.ports import Clock, Directory, Pager, utc_now
from bot.protocol import GLAIP
from bot.records import Step
from bot.routing import Rules
from bot.seal import Seal, Signing
from bot.store import Store
from bot.surface import ConversationRef, Destination, Surface

#: How often every step looks for work without a wake-up, in case one was lost.
SWEEP_EVERY = timedelta(seconds=1)
OpenChats = Mapping[Surface, OpenChat]
#: Without a good poll of any source for so long, the bot is not ready for its work.
UNREAD_AFTER = timedelta(seconds=10)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nod:
    """A running bot."""

    address: str  #: of its web front
    metrics: PrometheusMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A bot for a test card alone: no platform, and it alerts nobody."""

    met: Sequence[ConversationRef] = ()  #: the Teams conversations that the real bot knows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What everything else is opened with."""

    environment: Environment
    file: PolicyFile
    read: Callable[[], PolicyFile]  #: the policy file as it is now; raises ConfigError
    chats: Chats
    sources: tuple[SourceAddress, ...]
    callbacks: FunctionCallbacks
    secrets: tuple[str, ...]  #: NOD_SECRET, the current one first
    wall: Clock  #: the machine's clock
    clock: Timepiece  #: for everything that has to do with deadlines
    wake_ups: WakeUps
    metrics: PrometheusMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """The database, and where alerts go with it and without it."""

    stored: SqlStore
    store: Store  #: the same, with alerts that outlive it
    alerts: AlertFallback
    spool: Spool
    pagers: dict[str, Pager]  #: without those of the chats until the chats are open
    signer: CheckpointSigner


@asynccontextmanager
async def open_nod(
    environment: Environment,
    *,
    rehearsal: Rehearsal | None = None,
    clock: Clock = utc_now,
    elapsed: Callable[[], float] = seconds_since_boot,
    accept_rollback: bool = False,
) -> AsyncIterator[Nod]:
    """Run the bot until closed. Raises ConfigError, Unavailable or Forbidden when it cannot start.

    `accept_rollback` continues with a database that ends before its last checkpoint. A `rehearsal` needs a
    separate database in `environment`.
    """
    base = await _base(environment, rehearsal=rehearsal, wall=clock, elapsed=elapsed)
    now, metrics, wake_ups, file = base.clock, base.metrics, base.wake_ups, base.file
    seal, sights, foreground = Seal(*base.secrets), Sights(), Foreground()
    pulse, liveness = LoopLiveness(), Liveness()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        memory = await enter(_open_memory(base, rehearsal, accept_rollback=accept_rollback))
        store, stored = memory.store, memory.stored
        policy = _policy_in_force(base, store)
        desk = DeskSwitch(real=FrontDesk(
            store=store, policy=policy.policy, seal=seal, clock=now, metrics=metrics, sights=sights,
            foreground=foreground, look_up=policy.look_again,
        ))  # fmt: skip
        opening = Opening(
            desk=desk, store=store, conversations=stored.conversations, met=policy.ask_again,
            clock=now.steady, metrics=metrics,
        )  # fmt: skip
        opened = {name: await enter(chat.open(opening)) for name, chat in base.chats.items()}
        chats = {name: one.chat for name, one in opened.items()}
        for place in file.policy.alerts:
            memory.pagers[str(place)] = opened[place.surface].pager(place.channel)
        await _keep_people(stack, base, opened, policy)
        wake = _wake_endpoint(base)
        polled = await open_sources(
            stack, base.sources, every=file.poll_every, store=store, policy=policy.policy, clock=now,
            metrics=metrics, run_of=wake.run_of if wake else None,
            instead=NoPlatform(clock=now) if rehearsal else None,
        )  # fmt: skip
        runtime = Runtime(
            ingests=[one.ingest for one in polled], store=store, chats=chats, pagers=memory.pagers,
            callbacks=base.callbacks, policy=policy.policy, reach=policy.reach, seal=seal, clock=now,
            metrics=metrics, ring_of=wake_ups.ring_of, sights=sights, foreground=foreground,
        )  # fmt: skip
        chores = keeping(policy, stored, memory.alerts, memory.signer, clock)
        chores |= await self_checking(
            environment, store=store, alerts=memory.alerts, chats=chats, policy=policy.policy,
            blind=lambda: "; ".join(silent(polled, now(), least=BLIND_AFTER)) or memory.signer.missing,
            liveness=liveness, pulse=pulse, clock=now, metrics=metrics, stack=stack,
        )  # fmt: skip
        await enter(run_steps(runtime, wake_ups=wake_ups, liveness=liveness, chores=chores))
        address = await enter(_serve(base, opened, wake, polled, memory.alerts))
        await enter(open_timer(_ticks(base, pulse, polled)))
        await enter(_open_tests(base, desk, opened, policy))
        watchdog = Watchdog(pulse=pulse, spool=memory.spool, clock=clock, silent=lambda: stored.is_silent)
        stack.enter_context(watched(watchdog))
        log.info("nod_started", address=address, routes=len(file.policy.routes))
        yield Nod(address=address, metrics=metrics)
    log.info("nod_stopped")


async def _base(
    environment: Environment, *, rehearsal: Rehearsal | None, wall: Clock, elapsed: Callable[[], float]
) -> _Base:
    """Reads the settings. Raises ConfigError."""
    callbacks = FunctionCallbacks()
    chats: Chats | None = None
    sources: tuple[SourceAddress, ...] | None = None

    def read() -> PolicyFile:
        file = read_policy_file(environment.config, auto_approve=environment.auto_approve)
        if chats is not None:  # they are opened at start-up, so a changed file has to work with those
            check_places(file, chats)
            if file.workflows != workflows_of(chats):
                log.warning("counts_from_the_next_start", setting="workflows")
        now = all_sources(environment, file.sources)
        check_kinds(now)
        if sources is not None and now != sources:
            check_kept(sources, now, where=str(environment.config))
            log.warning("counts_from_the_next_start", setting="sources")
        webhook_secret(environment, file.pagers)
        check_schedule_keys(environment, file.policy)
        if rehearsal:
            quiet = replace(file.policy, alerts=(), rules=Rules())
            file = replace(file, policy=quiet, pagers=(), hooks=(), retention=None)
        callbacks.load(callbacks_of(file.policy))
        return file

    file = await asyncio.to_thread(read)
    chats, sources = read_chats(environment, file), all_sources(environment, file.sources)
    sources = sources[:1] if rehearsal else sources
    metrics = PrometheusMetrics(process=True)
    metrics.gauge("build_info", 1, version=__version__)
    clock = Timepiece(wall=wall, elapsed=elapsed, sources=[one.name for one in sources])
    return _Base(
        environment=environment, file=file, read=read, chats=chats, sources=sources, callbacks=callbacks,
        secrets=environment.seal_secrets(), wall=wall, clock=clock,
        wake_ups=WakeUps(), metrics=metrics,
    )  # fmt: skip


@asynccontextmanager
async def _open_memory(
    base: _Base, rehearsal: Rehearsal | None, *, accept_rollback: bool
) -> AsyncIterator[_Memory]:
    """The database, used by this process alone, and the alerts that an earlier process could not write into it.

    A `rehearsal` knows conversations from the start. Raises ConfigError, Unavailable or Forbidden.
    """
    environment, file, wall = base.environment, base.file, base.wall
    hooks = {pager.name: pager for pager in (HookPager(name, load_hook(name)) for name in file.hooks)}
    checkpoint_log = await read_checkpoint_log(checkpoints_of(environment))
    fit = partial(check_rollback, checkpoint_log=checkpoint_log, accept=accept_rollback, clock=wall)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        pagers: dict[str, Pager] = {**await enter(_services(environment, file, wall)), **hooks}
        named = (*(str(place) for place in file.policy.alerts), *pagers)
        stored = await enter(
            open_store(
                environment.database_url, ring=base.wake_ups.ring, pagers=named, clock=base.clock,
                signing=Signing(*base.secrets), take_over=not checkpoint_log.begun, fit=fit,
            )
        )  # fmt: skip
        for ref in rehearsal.met if rehearsal else ():
            await stored.conversations.put(ref)
        spool = Spool(environment.alert_spool or folder_of(environment.database_url) / "nod-alerts.jsonl")
        metrics = base.metrics
        alerts = await enter(
            open_alert_fallback(alerts=stored.alerts, spool=spool, pagers=pagers, clock=wall, metrics=metrics)
        )
        signer = await enter(checkpoint_signer_of(environment, stored, alerts, checkpoint_log, wall, metrics))
        store = replace(stored, alerts=alerts)
        await store.approvals.resume()
        yield _Memory(
            stored=stored, store=store, alerts=alerts, spool=spool, pagers=pagers, signer=signer
        )  # fmt: skip


def _policy_in_force(base: _Base, store: Store) -> PolicyInForce[PolicyFile]:
    """The policy as it was read, before anyone is looked up."""
    return PolicyInForce(
        base.file, path=base.environment.config, read=base.read, journal=store.journal, clock=base.wall,
        metrics=base.metrics, refused=refusal_alerts(store, base.wall),
    )  # fmt: skip


def _open_tests(
    base: _Base, desk: DeskSwitch, chats: OpenChats, policy: PolicyInForce[PolicyFile]
) -> AbstractAsyncContextManager[None]:
    """Test cards, for `nod test-card` on this machine."""

    async def name_of(place: Destination) -> str:
        return await chats[place.surface].name_of(place) if place.surface in chats else str(place)

    def has_buttons(place: Destination) -> bool:
        return place.surface not in chats or chats[place.surface].has_buttons(place.channel)

    tester = CardTester(
        switch=desk, chats={name: one.chat for name, one in chats.items()}, policy=policy.policy,
        name_of=name_of, has_buttons=has_buttons, clock=base.clock,
    )  # fmt: skip
    return open_control(control_path(base.environment.database_url), tester.answer)


def _serve(
    base: _Base, chats: OpenChats, wake: WakeEndpoint | None, polled: Sequence[Polled], alerts: AlertFallback
) -> AbstractAsyncContextManager[str]:
    """The web front; yields its address."""
    receivers: dict[str, Receiver] = {WAKE_PATH: wake} if wake else {}
    for chat in chats.values():
        receivers |= chat.receivers
    environment = base.environment

    def unread(*, all_of_them: bool) -> list[str]:
        found = silent(polled, base.clock(), least=UNREAD_AFTER)
        return found if all_of_them == (len(found) == len(polled)) else []

    app = front(
        receivers=receivers,
        troubles=lambda: [*unread(all_of_them=True), *alerts.problems()],
        partly=lambda: unread(all_of_them=False),
        health=alerts.problems,
        metrics=base.metrics.exposition,
    )
    return serve_front(app, host=environment.host, port=environment.port, keep_alive=environment.keep_alive)


def _ticks(
    base: _Base, pulse: LoopLiveness, polled: Sequence[Polled]
) -> Mapping[str, tuple[timedelta, Callable[[], None]]]:
    """What the ticker does: it wakes steps and shows that the loop is alive."""
    names = [one.ingest.source.name for one in polled]
    return {
        **{
            f"poll:{name}": (one.every, partial(base.wake_ups.ring, Step.INGEST, source=name))
            for name, one in zip(names, polled, strict=True)
        },
        "sweep": (SWEEP_EVERY, lambda: base.wake_ups.sweep(base.clock())),
        "pulse": (PULSE_EVERY, pulse.beat),
    }


def _wake_endpoint(base: _Base) -> WakeEndpoint | None:
    """Where the relay asks for a poll; None without its token in the settings."""
    token, ring = plain(base.environment.relay_token), partial(base.wake_ups.ring, source=GLAIP)
    return WakeEndpoint(token, poll=lambda: ring(Step.INGEST), metrics=base.metrics) if token else None


def _services(
    environment: Environment, file: PolicyFile, clock: Clock
) -> AbstractAsyncContextManager[dict[str, Pager]]:
    """The pagers on the network. Their addresses and keys leave the settings here and go nowhere else."""
    return open_pagers(
        ((pager.kind, pager.value.get_secret_value()) for pager in file.pagers),
        webhook_secret=webhook_secret(environment, file.pagers),
        urls=environment.pager_urls,
        clock=clock,
    )


async def _keep_people(
    stack: AsyncExitStack, base: _Base, chats: OpenChats, policy: PolicyInForce[PolicyFile]
) -> None:
    """From here on the policy knows its people, groups and on-call, and looks them up again in time."""
    groups = await group_keepers(base.environment, (chat.groups for chat in chats.values()), stack)
    schedules = await schedule_keepers(base.environment, base.file, stack)
    found = {name: chat.directory for name, chat in chats.items() if chat.directory}
    kept = policy.kept(directories=found, groups=groups, schedules=schedules)
    await stack.enter_async_context(kept)


async def group_keepers(
    environment: Environment, of_chats: Iterable[Mapping[str, Directory]], stack: AsyncExitStack
) -> Mapping[str, Directory | Graph]:
    """Who knows the members of which kind of group; an Entra group needs the credentials to ask for it."""
    keepers: dict[str, Directory | Graph] = {kind: keeper for of in of_chats for kind, keeper in of.items()}
    password = plain(environment.microsoft_app_password)
    app_id, tenant = environment.microsoft_app_id, environment.microsoft_app_tenant_id
    if app_id and password and tenant:
        keepers["entra-group"] = await stack.enter_async_context(
            open_graph(
                app_id=app_id,
                password=password,
                tenant=tenant,
                graph_url=environment.cloud.graph_url,
                login_url=environment.cloud.login_url,
            )
        )
    return keepers


async def schedule_keepers(
    environment: Environment, file: PolicyFile, stack: AsyncExitStack
) -> Mapping[str, Schedules]:
    """Who knows which kind of on-call schedule."""
    return await stack.enter_async_context(
        open_schedules(
            (one.schedule for one in file.policy.oncall.values() if one.schedule),
            pagerduty_key=plain(environment.pagerduty_api_key),
            opsgenie_key=plain(environment.opsgenie_api_key),
            hosts=file.calendar_hosts,
            pagerduty_url=environment.pagerduty_api_url,
            opsgenie_url=environment.opsgenie_url,
        )
    )
