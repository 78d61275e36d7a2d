"""The composition root: the only file that knows every adapter. It opens them, and hands them to the flow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import SecretStr

from adapters.pagers.hooks import HookPager, load_hook
from adapters.platform.client import open_platform
from adapters.settings import Environment, PolicyFile
from adapters.slack import Slack, SlackPager, open_slack
from adapters.store.open import open_store
from adapters.timer import open_timer
from adapters.web import Metrics, front, serve_front
from bot.approval import Surface
from bot.errors import Forbidden, Unavailable
from bot.flow import Bells, Count, Crew, Round, keep_up
from bot.flow.admit import Admit
from bot.flow.alert import PageOut
from bot.flow.close import Close
from bot.flow.decide import Decide
from bot.flow.deliver import Deliver
from bot.flow.escalate import Escalate
from bot.flow.expire import Expire
from bot.flow.reconcile import Reconcile
from bot.flow.show import Show
from bot.policy import Policy
from bot.ports import Chat, Clock, Pager, Platform, Step, Store

#: How often every step looks for work unasked, in case a wake-up was lost.
SWEEP_EVERY = timedelta(seconds=1)
#: How often people are looked up anew; who left may decide no longer than this.
LOOK_UP_EVERY = timedelta(seconds=60)
#: What is under way at a stop may take this long to finish.
GRACE = 3.0
#: Pieces of one step under way at once. POSTs in flight are bounded once more, by the platform's client.
CREW_SIZE = 16

log = structlog.get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nod:
    """A running bot."""

    address: str  #: of its web front
    metrics: Metrics


class Book:
    """The policy in force, with the accounts that were found for its people."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def policy(self) -> Policy:
        return self._policy

    async def look_up(self, slack: Slack) -> None:
        """Find everybody's accounts anew. Raises Unavailable or Forbidden; then the last ones stay."""
        people = await slack.directory.resolve(tuple(self._policy.people.values()))
        self._policy = replace(self._policy, people={person.handle: person for person in people})


@asynccontextmanager
async def open_nod(environment: Environment, file: PolicyFile, *, clock: Clock = utc_now) -> AsyncIterator[Nod]:
    """Run the bot until closed. Raises ConfigError, Unavailable or Forbidden when it cannot start."""
    hooks = {pager.name: pager for pager in (HookPager(spec, load_hook(spec)) for spec in file.hooks)}
    slack_pagers = [str(destination) for destination in file.policy.alerts]
    bells, metrics, book = Bells(), Metrics(), Book(file.policy)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            open_store(environment.database_url, ring=bells.ring, pagers=(*slack_pagers, *hooks))
        )
        await store.approvals.resume()
        platform = await stack.enter_async_context(
            open_platform(environment.aip_api_url, environment.aip_api_key.get_secret_value(), clock=clock)
        )
        desk = Decide(store=store, policy=book.policy, clock=clock, count=metrics.count)
        slack = await stack.enter_async_context(
            open_slack(
                token=_secret(environment.slack_bot_token) or "",
                signing_secret=_secret(environment.slack_signing_secret),
                app_token=_secret(environment.slack_app_token),
                api_url=environment.slack_api_url,
                desk=desk,
                clock=clock,
                count=metrics.count,
            )
        )
        await book.look_up(slack)
        _warn_of_the_unreachable(book.policy())
        pagers: dict[str, Pager] = {
            str(d): SlackPager(chat=slack.chat, channel=d.channel) for d in file.policy.alerts
        }
        pagers |= hooks
        admit = Admit(platform=platform, store=store, policy=book.policy, clock=clock, count=metrics.count)
        app = front(
            slack=slack.receive if environment.slack_signing_secret else None,
            troubles=lambda: _troubles(admit, clock(), file.poll_every),
            metrics=metrics.exposition,
        )
        async with _tasks() as (tasks, loops):
            chats: Mapping[Surface, Chat] = {Surface.SLACK: slack.chat}

            def crew(step: Step) -> Crew:
                return Crew(step, size=CREW_SIZE, tasks=tasks, ring=bells.ring, count=metrics.count)

            steps = _steps(
                admit, store=store, platform=platform, chats=chats, pagers=pagers, policy=book.policy,
                clock=clock, count=metrics.count, crew=crew,
            )  # fmt: skip
            for step, round_ in steps.items():
                running = keep_up(step, round_, bells=bells, clock=clock, count=metrics.count)
                loops.append(tasks.create_task(running, name=f"step:{step}"))
            loops.append(tasks.create_task(_keep_looking_up(book, slack, metrics), name="directory"))
            jobs = {
                "poll": (file.poll_every, lambda: bells.ring(Step.ADMIT)),
                "sweep": (SWEEP_EVERY, lambda: _ring_all(bells)),
            }
            async with (
                serve_front(app, host=environment.host, port=environment.port) as address,
                open_timer(jobs),
            ):
                log.info("nod_started", address=address, routes=len(file.policy.routes))
                yield Nod(address=address, metrics=metrics)
        log.info("nod_stopped")


@asynccontextmanager
async def _tasks() -> AsyncIterator[tuple[asyncio.TaskGroup, list[asyncio.Task[None]]]]:
    """A task group whose endless loops are ended at the close, and whose other tasks get GRACE to finish."""
    limit = asyncio.timeout(None)
    try:
        async with limit, asyncio.TaskGroup() as tasks:
            loops: list[asyncio.Task[None]] = []
            yield tasks, loops
            for loop in loops:
                loop.cancel()
            limit.reschedule(asyncio.get_running_loop().time() + GRACE)
    except TimeoutError:
        if not limit.expired():
            raise
        log.warning("pieces_cut_short")  # what they owed is still in the store


def _steps(
    admit: Admit,
    *,
    store: Store,
    platform: Platform,
    chats: Mapping[Surface, Chat],
    pagers: Mapping[str, Pager],
    policy: Callable[[], Policy],
    clock: Clock,
    count: Count,
    crew: Callable[[Step], Crew],
) -> dict[Step, Round]:
    """The life, wired: every arrow of `bot.approval` with what it needs."""
    deliver = Deliver(platform=platform, store=store, clock=clock, count=count, crew=crew(Step.DELIVER))
    expire = Expire(platform=platform, store=store, clock=clock, count=count, crew=crew(Step.EXPIRE))
    reconcile = Reconcile(platform=platform, store=store, clock=clock, count=count, crew=crew(Step.RECONCILE))
    show = Show(store=store, chats=chats, policy=policy, clock=clock, count=count, crew=crew(Step.SHOW))
    escalate = Escalate(
        store=store, chats=chats, policy=policy, clock=clock, count=count, crew=crew(Step.ESCALATE)
    )
    alert = PageOut(store=store, pagers=pagers, clock=clock, count=count, crew=crew(Step.ALERT))
    return {
        Step.ADMIT: admit.round,
        Step.SHOW: show.round,
        Step.DELIVER: deliver.round,
        Step.CLOSE: Close(store=store, count=count).round,
        Step.ESCALATE: escalate.round,
        Step.EXPIRE: expire.round,
        Step.RECONCILE: reconcile.round,
        Step.ALERT: alert.round,
    }


async def _keep_looking_up(book: Book, slack: Slack, metrics: Metrics) -> None:
    while True:
        await asyncio.sleep(LOOK_UP_EVERY.total_seconds())
        try:
            await book.look_up(slack)
        except (Unavailable, Forbidden) as error:
            log.warning("look_up_failed", reason=str(error))
            metrics.count("look_up_failed")


def _ring_all(bells: Bells) -> None:
    for step in Step:
        if step is not Step.ADMIT:  # polls keep their own interval
            bells.ring(step)


def _troubles(admit: Admit, now: datetime, poll_every: timedelta) -> list[str]:
    """What keeps the bot from its work, for `GET /readyz`."""
    patience = max(3 * poll_every, timedelta(seconds=10))
    if admit.last_good is None:
        return ["the platform has not answered a poll yet"]
    if now - admit.last_good > patience:
        return [f"no good poll of the platform since {admit.last_good.isoformat(timespec='seconds')}"]
    return []


def _warn_of_the_unreachable(policy: Policy) -> None:
    """An approver without an account cannot decide: say so at start, not at the first deadline."""
    for route in policy.routes:
        if not any(person.accounts for person in policy.members(route.approvers)):
            log.error("route_without_approver", route=route.name)


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
