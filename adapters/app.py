"""The composition root: the only file that knows every adapter. It opens them, and hands them to the flow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from pydantic import SecretStr

from adapters.callbacks import FunctionCallbacks, callbacks_of
from adapters.checkpoints import check_rollback, read_checkpoint_log
from adapters.clock import Timepiece, seconds_since_boot
from adapters.control import control_path, open_control
from adapters.graph import Graph, open_graph
from adapters.oncall import Schedules
from adapters.oncall.open import open_schedules
from adapters.open_chats import open_chats
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
from adapters.platform.client import open_platform
from adapters.policy_in_force import PolicyInForce
from adapters.relay import WAKE_PATH, WakeEndpoint
from adapters.runtime import Runtime, run_steps
from adapters.settings import (
    Chats,
    Environment,
    PolicyFile,
    check_places,
    check_schedule_keys,
    read_chats,
    read_policy_file,
    webhook_secret,
)
from adapters.slack import Slack
from adapters.store.open import open_store
from adapters.test_card import CardTester, DeskSwitch, NoPlatform
from adapters.watch import PULSE_EVERY, LoopLiveness, Spool, Watchdog, open_alert_fallback, watched
from adapters.web import Metrics, front, serve_front
from bot.flow import Liveness, WakeUps
from bot.flow.desk import FrontDesk
from bot.flow.ingest import Ingest
from bot.flow.sights import Sights
from bot.ports import Clock, Directory, Pager, Platform, utc_now
from bot.records import Step
from bot.routing import Rules
from bot.seal import Seal, Signing
from bot.surface import ConversationRef

#: How often every step looks for work unasked, in case a wake-up was lost.
SWEEP_EVERY = timedelta(seconds=1)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nod:
    """A running bot."""

    address: str  #: of its web front
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A bot that is there for a test card alone: without a platform, and nobody hears of its troubles."""

    met: Sequence[ConversationRef] = ()  #: the conversations of Teams that the real one knows


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

    `accept_rollback` goes on with a database that ends before its last checkpoint. A `rehearsal` needs a
    database of its own in `environment`.
    """
    callbacks = FunctionCallbacks()

    settings: Chats | None = None

    def read() -> PolicyFile:
        file = read_policy_file(environment.config, auto_approve=environment.auto_approve)
        if settings is not None:  # chats are opened at the start, so a changed file gets by with those
            check_places(file, settings)
            if file.workflows != settings.workflows:
                log.warning("counts_from_the_next_start", setting="workflows")
        webhook_secret(environment, file.pagers)
        check_schedule_keys(environment, file.policy)
        if rehearsal:
            quiet = replace(file.policy, alerts=(), rules=Rules())
            file = replace(file, policy=quiet, pagers=(), hooks=(), retention=None)
        callbacks.load(callbacks_of(file.policy))
        return file

    file = await asyncio.to_thread(read)
    now = Timepiece(wall=clock, elapsed=elapsed)  # for whatever has to do with deadlines
    settings = read_chats(environment, file)
    secrets = environment.seal_secrets()
    seal, wake_ups, metrics = Seal(*secrets), WakeUps(), Metrics()
    hooks = {pager.name: pager for pager in (HookPager(name, load_hook(name)) for name in file.hooks)}
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        services = await enter(_services(environment, file, clock))
        named = (*(str(place) for place in file.policy.alerts), *services, *hooks)
        checkpoint_log = await read_checkpoint_log(checkpoints_of(environment))
        fit = partial(check_rollback, checkpoint_log=checkpoint_log, accept=accept_rollback, clock=clock)
        stored = await enter(
            open_store(
                environment.database_url, ring=wake_ups.ring, pagers=named, clock=now,
                signing=Signing(*secrets), take_over=not checkpoint_log.begun, fit=fit,
            )
        )  # fmt: skip
        pagers: dict[str, Pager] = {**services, **hooks}  # the chats' own follow once those are open
        spool = Spool(environment.alert_spool or folder_of(environment.database_url) / "nod-alerts.jsonl")
        alerts = await enter(
            open_alert_fallback(
                alerts=stored.alerts, spool=spool, pagers=pagers, clock=clock, count=metrics.count
            )
        )
        store = replace(stored, alerts=alerts)
        await store.approvals.resume()
        platform: Platform = NoPlatform(clock=now) if rehearsal else await enter(_platform(environment, now))
        for ref in rehearsal.met if rehearsal else ():
            await stored.conversations.put(ref)
        policy_in_force = PolicyInForce(
            file, path=environment.config, read=read, journal=store.journal, clock=clock,
            count=metrics.count, refused=refusal_alerts(store, clock),
        )  # fmt: skip
        sights = Sights()
        front_desk = FrontDesk(
            store=store, policy=policy_in_force.policy, seal=seal, clock=now, count=metrics.count,
            sights=sights, look_up=policy_in_force.look_again,
        )  # fmt: skip
        desk = DeskSwitch(real=front_desk)
        surfaces = await enter(
            open_chats(
                environment, settings, desk=desk, store=store, conversations=stored.conversations,
                met=policy_in_force.ask_again, clock=now.steady, count=metrics.count,
            )
        )  # fmt: skip
        groups = await group_keepers(environment, surfaces.slack, stack)
        schedules = await schedule_keepers(environment, file, stack)
        await enter(policy_in_force.kept(directories=surfaces.directories, groups=groups, schedules=schedules))
        pagers.update({str(place): surfaces.pager(place) for place in file.policy.alerts})
        door = _door(environment, wake_ups, metrics)
        ingest = Ingest(
            platform=platform, store=store, policy=policy_in_force.policy, clock=now, count=metrics.count,
            run_of=door.run_of if door else lambda _: None, heard=now.heard,
        )  # fmt: skip
        runtime = Runtime(
            ingest=ingest, platform=platform, store=store, chats=surfaces.chats,
            pagers=pagers, callbacks=callbacks, policy=policy_in_force.policy, reach=policy_in_force.reach,
            seal=seal, clock=now, count=metrics.count, ring=wake_ups.ring, sights=sights,
        )  # fmt: skip
        pulse, liveness = LoopLiveness(), Liveness()
        signer = await enter(
            checkpoint_signer_of(environment, stored, alerts, checkpoint_log, clock, metrics.count)
        )
        chores = {
            **keeping(policy_in_force, stored, alerts, signer, clock),
            **await self_checking(
                environment, store=store, alerts=alerts, chats=runtime.chats, policy=policy_in_force.policy,
                blind=lambda: _blind(ingest, now(), file.poll_every) or signer.missing, liveness=liveness,
                pulse=pulse, clock=now, count=metrics.count, stack=stack,
            ),
        }  # fmt: skip
        await enter(run_steps(runtime, wake_ups=wake_ups, liveness=liveness, chores=chores))
        app = front(
            receivers={**surfaces.receivers, **({WAKE_PATH: door} if door else {})},
            troubles=lambda: [*_troubles(ingest, now(), file.poll_every), *alerts.problems()],
            health=alerts.problems,
            metrics=metrics.exposition,
        )
        address = await enter(
            serve_front(app, host=environment.host, port=environment.port, keep_alive=environment.keep_alive)
        )
        await enter(
            open_timer(
                {
                    "poll": (file.poll_every, lambda: wake_ups.ring(Step.INGEST)),
                    "sweep": (SWEEP_EVERY, lambda: _ring_all(wake_ups)),
                    "pulse": (PULSE_EVERY, pulse.beat),
                }
            )
        )
        tester = CardTester(
            switch=desk, chats=surfaces.chats, policy=policy_in_force.policy, name_of=surfaces.name_of,
            has_buttons=surfaces.has_buttons, clock=now,
        )  # fmt: skip
        await enter(open_control(control_path(environment.database_url), tester.answer))
        watchdog = Watchdog(pulse=pulse, spool=spool, clock=clock, silent=lambda: stored.is_silent)
        stack.enter_context(watched(watchdog))
        log.info("nod_started", address=address, routes=len(file.policy.routes))
        yield Nod(address=address, metrics=metrics)
    log.info("nod_stopped")


def _platform(environment: Environment, clock: Clock) -> AbstractAsyncContextManager[Platform]:
    return open_platform(environment.aip_api_url, environment.aip_api_key.get_secret_value(), clock=clock)


def _door(environment: Environment, wake_ups: WakeUps, metrics: Metrics) -> WakeEndpoint | None:
    """Where the relay asks for a poll; without its token in the settings, nowhere."""
    token = _secret(environment.relay_token)
    return WakeEndpoint(token, poll=lambda: wake_ups.ring(Step.INGEST), count=metrics.count) if token else None


def _services(
    environment: Environment, file: PolicyFile, clock: Clock
) -> AbstractAsyncContextManager[dict[str, Pager]]:
    """The pagers on the network; their addresses and keys leave the settings here, and go nowhere else."""
    return open_pagers(
        ((pager.kind, pager.value.get_secret_value()) for pager in file.pagers),
        webhook_secret=webhook_secret(environment, file.pagers),
        pagerduty_url=environment.pagerduty_url,
        opsgenie_url=environment.opsgenie_url,
        clock=clock,
    )


async def group_keepers(
    environment: Environment, slack: Slack | None, stack: AsyncExitStack
) -> Mapping[str, Directory | Graph]:
    """Who knows the members of which kind of group; an Entra group needs the credentials to ask for it."""
    keepers: dict[str, Directory | Graph] = {"slack-usergroup": slack.directory} if slack else {}
    password = _secret(environment.microsoft_app_password)
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
            pagerduty_key=_secret(environment.pagerduty_api_key),
            opsgenie_key=_secret(environment.opsgenie_api_key),
            hosts=file.calendar_hosts,
            pagerduty_url=environment.pagerduty_api_url,
            opsgenie_url=environment.opsgenie_url,
        )
    )


def _ring_all(wake_ups: WakeUps) -> None:
    for step in Step:
        if step is not Step.INGEST:  # polls keep their own interval
            wake_ups.ring(step)


def _blind(ingest: Ingest, now: datetime, poll_every: timedelta) -> str | None:
    """Why the platform counts as unreadable, for the dead man's switch; None while it can be read."""
    since = ingest.last_good
    patience = max(3 * poll_every, timedelta(seconds=30))
    return "no poll of the platform was taken in" if since is None or now - since > patience else None


def _troubles(ingest: Ingest, now: datetime, poll_every: timedelta) -> list[str]:
    """What keeps the bot from its work, for `GET /readyz`."""
    patience = max(3 * poll_every, timedelta(seconds=10))
    if ingest.last_good is None:
        return ["no poll of the platform was taken in yet"]
    if now - ingest.last_good > patience:
        return [f"no poll of the platform was taken in since {ingest.last_good.isoformat(timespec='seconds')}"]
    return []


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
