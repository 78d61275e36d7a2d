"""The composition root: the only file that knows every adapter. It opens them, and hands them to the flow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from pydantic import SecretStr

from adapters.book import Book
from adapters.callbacks import FunctionCallbacks, callbacks_of
from adapters.clock import Timepiece, seconds_since_boot
from adapters.graph import Graph, open_graph
from adapters.life import Life, lived
from adapters.notary import check_rollback, read_shelf
from adapters.oncall import Schedules
from adapters.oncall.open import open_schedules
from adapters.pagers.hooks import HookPager, load_hook
from adapters.pagers.services import open_pagers
from adapters.periodic import checkpoints_of, folder_of, keeping, notary_of, open_timer, proving, refusal_alerts
from adapters.platform.client import open_platform
from adapters.relay import WAKE_PATH, Door
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
from adapters.shared_token import SharedToken
from adapters.slack import Slack
from adapters.store.open import open_store
from adapters.surfaces import open_surfaces
from adapters.watch import PULSE_EVERY, Pulse, Spool, Watchdog, open_emergency, watched
from adapters.web import Metrics, front, serve_front
from bot.flow import Beats, Bells
from bot.flow.admit import Admit
from bot.flow.desk import FrontDesk
from bot.flow.sights import Sights
from bot.ports import Clock, Directory, Pager, utc_now
from bot.records import Step
from bot.seal import Seal
from bot.signing import Signing

#: How often every step looks for work unasked, in case a wake-up was lost.
SWEEP_EVERY = timedelta(seconds=1)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nod:
    """A running bot."""

    address: str  #: of its web front
    metrics: Metrics


@asynccontextmanager
async def open_nod(
    environment: Environment,
    *,
    clock: Clock = utc_now,
    elapsed: Callable[[], float] = seconds_since_boot,
    accept_rollback: bool = False,
) -> AsyncIterator[Nod]:
    """Run the bot until closed. Raises ConfigError, Unavailable or Forbidden when it cannot start.

    `accept_rollback` goes on with a database that ends before its last checkpoint.
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
        callbacks.load(callbacks_of(file.policy))
        return file

    file = await asyncio.to_thread(read)
    now = Timepiece(wall=clock, elapsed=elapsed)  # for whatever has to do with deadlines
    settings = read_chats(environment, file)
    secrets = environment.seal_secrets()
    seal, bells, metrics = Seal(*secrets), Bells(), Metrics()
    hooks = {pager.name: pager for pager in (HookPager(name, load_hook(name)) for name in file.hooks)}
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        services = await enter(_services(environment, file, clock))
        named = (*(str(place) for place in file.policy.alerts), *services, *hooks)
        shelf = await read_shelf(checkpoints_of(environment))
        fit = partial(check_rollback, shelf=shelf, accept=accept_rollback, clock=clock)
        stored = await enter(
            open_store(
                environment.database_url, ring=bells.ring, pagers=named, clock=now,
                signing=Signing(*secrets), take_over=not shelf.begun, fit=fit,
            )
        )  # fmt: skip
        pagers: dict[str, Pager] = {**services, **hooks}  # the chats' own follow once those are open
        spool = Spool(environment.alert_spool or folder_of(environment.database_url) / "nod-alerts.jsonl")
        alerts = await enter(
            open_emergency(alerts=stored.alerts, spool=spool, pagers=pagers, clock=clock, count=metrics.count)
        )
        store = replace(stored, alerts=alerts)
        await store.approvals.resume()
        platform = await enter(
            open_platform(environment.aip_api_url, environment.aip_api_key.get_secret_value(), clock=now)
        )
        book = Book(
            file, path=environment.config, read=read, journal=store.journal, clock=clock,
            count=metrics.count, refused=refusal_alerts(store, clock),
        )  # fmt: skip
        sights = Sights()
        desk = FrontDesk(
            store=store, policy=book.policy, seal=seal, clock=now, count=metrics.count, sights=sights,
            look_up=book.look_again,
        )  # fmt: skip
        surfaces = await enter(
            open_surfaces(
                environment, settings, desk=desk, conversations=stored.conversations,
                met=book.ask_again, clock=now.steady, count=metrics.count,
                counted=SharedToken(store=store, clock=clock).counted,
            )
        )  # fmt: skip
        groups = await group_keepers(environment, surfaces.slack, stack)
        schedules = await schedule_keepers(environment, file, stack)
        await enter(book.kept(directories=surfaces.directories, groups=groups, schedules=schedules))
        pagers.update({str(place): surfaces.pager(place) for place in file.policy.alerts})
        door = _door(environment, bells, metrics)
        admit = Admit(
            platform=platform, store=store, policy=book.policy, clock=now, count=metrics.count,
            run_of=door.run_of if door else lambda _: None, heard=now.heard,
        )  # fmt: skip
        life = Life(
            admit=admit, platform=platform, store=store, chats=surfaces.chats,
            pagers=pagers, callbacks=callbacks, policy=book.policy, reach=book.reach,
            seal=seal, clock=now, count=metrics.count, ring=bells.ring, sights=sights,
        )  # fmt: skip
        pulse, beats = Pulse(), Beats()
        notary = await enter(notary_of(environment, stored, alerts, shelf, clock, metrics.count))
        chores = {
            **keeping(book, stored, alerts, notary, clock),
            **await proving(
                environment, store=store, alerts=alerts, chats=life.chats, policy=book.policy,
                blind=lambda: _blind(admit, now(), file.poll_every) or notary.missing, beats=beats,
                pulse=pulse, clock=now, count=metrics.count, stack=stack,
            ),
        }  # fmt: skip
        await enter(lived(life, bells=bells, beats=beats, chores=chores))
        app = front(
            receivers={**surfaces.receivers, **({WAKE_PATH: door} if door else {})},
            troubles=lambda: [*_troubles(admit, now(), file.poll_every), *alerts.troubles()],
            health=alerts.troubles,
            metrics=metrics.exposition,
        )
        address = await enter(
            serve_front(app, host=environment.host, port=environment.port, keep_alive=environment.keep_alive)
        )
        await enter(
            open_timer(
                {
                    "poll": (file.poll_every, lambda: bells.ring(Step.ADMIT)),
                    "sweep": (SWEEP_EVERY, lambda: _ring_all(bells)),
                    "pulse": (PULSE_EVERY, pulse.beat),
                }
            )
        )
        watchdog = Watchdog(pulse=pulse, spool=spool, clock=clock, silent=lambda: stored.is_silent)
        stack.enter_context(watched(watchdog))
        log.info("nod_started", address=address, routes=len(file.policy.routes))
        yield Nod(address=address, metrics=metrics)
    log.info("nod_stopped")


def _door(environment: Environment, bells: Bells, metrics: Metrics) -> Door | None:
    """Where the relay asks for a poll; without its token in the settings, nowhere."""
    token = _secret(environment.relay_token)
    return Door(token, poll=lambda: bells.ring(Step.ADMIT), count=metrics.count) if token else None


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


def _ring_all(bells: Bells) -> None:
    for step in Step:
        if step is not Step.ADMIT:  # polls keep their own interval
            bells.ring(step)


def _blind(admit: Admit, now: datetime, poll_every: timedelta) -> str | None:
    """Why the platform counts as unreadable, for the dead man's switch; None while it can be read."""
    since = admit.last_good
    patience = max(3 * poll_every, timedelta(seconds=30))
    return "no poll of the platform was taken in" if since is None or now - since > patience else None


def _troubles(admit: Admit, now: datetime, poll_every: timedelta) -> list[str]:
    """What keeps the bot from its work, for `GET /readyz`."""
    patience = max(3 * poll_every, timedelta(seconds=10))
    if admit.last_good is None:
        return ["no poll of the platform was taken in yet"]
    if now - admit.last_good > patience:
        return [f"no poll of the platform was taken in since {admit.last_good.isoformat(timespec='seconds')}"]
    return []


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
