"""The composition root: the only file that knows every adapter. It opens them, and hands them to the flow."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from pydantic import SecretStr

from adapters.book import Book
from adapters.callbacks import FunctionCallbacks, callbacks_of
from adapters.graph import GRAPH_URL, LOGIN_URL, Graph, open_graph
from adapters.life import Life, lived
from adapters.notary import open_notary
from adapters.pagers.hooks import HookPager, load_hook
from adapters.pagers.open import open_pagers
from adapters.platform.client import open_platform
from adapters.settings import Environment, PolicyFile, read_policy_file, webhook_secret
from adapters.slack import Slack, SlackPager, open_slack
from adapters.store.open import SqlStore, open_store
from adapters.timer import open_timer
from adapters.web import Metrics, front, serve_front
from bot.approval import Surface
from bot.audit import Fact
from bot.errors import ConfigError, Unavailable
from bot.flow import Bells
from bot.flow.admit import Admit
from bot.flow.decide import Decide
from bot.policy import Policy
from bot.ports import Clock, Directory, Pager
from bot.records import Alert, Step, Store
from bot.seal import Seal

#: How often every step looks for work unasked, in case a wake-up was lost.
SWEEP_EVERY = timedelta(seconds=1)
#: How often a policy that came into force is looked for, to announce what nobody may overlook in it.
ANNOUNCE_EVERY = timedelta(seconds=1)
#: How often the notary looks whether a checkpoint is due, and the audit whether rows are old enough to go.
NOTARY_EVERY, RETIRE_EVERY = timedelta(seconds=5), timedelta(hours=1)

log = structlog.get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nod:
    """A running bot."""

    address: str  #: of its web front
    metrics: Metrics


@asynccontextmanager
async def open_nod(environment: Environment, *, clock: Clock = utc_now) -> AsyncIterator[Nod]:
    """Run the bot until closed. Raises ConfigError, Unavailable or Forbidden when it cannot start."""
    callbacks = FunctionCallbacks()

    def read() -> PolicyFile:
        file = read_policy_file(environment.config, auto_approve=environment.auto_approve)
        webhook_secret(environment, file.pagers)
        callbacks.load(callbacks_of(file.policy))
        return file

    file = await asyncio.to_thread(read)
    seal, bells, metrics = Seal(*environment.seal_secrets()), Bells(), Metrics()
    hooks = {pager.name: pager for pager in (HookPager(name, load_hook(name)) for name in file.hooks)}
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        services = await enter(_services(environment, file, clock))
        named = (*(str(place) for place in file.policy.alerts), *services, *hooks)
        store = await enter(open_store(environment.database_url, ring=bells.ring, pagers=named, clock=clock))
        await store.approvals.resume()
        platform = await enter(
            open_platform(environment.aip_api_url, environment.aip_api_key.get_secret_value(), clock=clock)
        )
        book = Book(
            file, path=environment.config, read=read, journal=store.journal, clock=clock,
            count=metrics.count, refused=_alerts_of(store, clock),
        )  # fmt: skip
        desk = Decide(store=store, policy=book.policy, seal=seal, clock=clock, count=metrics.count)
        slack = await enter(_slack(environment, desk=desk, clock=clock, metrics=metrics))
        groups = await group_keepers(environment, slack, stack)
        await enter(book.kept(directories={Surface.SLACK: slack.directory}, groups=groups))
        pagers: dict[str, Pager] = {
            str(place): SlackPager(chat=slack.chat, channel=place.channel) for place in file.policy.alerts
        }
        admit = Admit(platform=platform, store=store, policy=book.policy, clock=clock, count=metrics.count)
        life = Life(
            admit=admit, platform=platform, store=store, chats={Surface.SLACK: slack.chat},
            pagers={**pagers, **services, **hooks}, callbacks=callbacks, policy=book.policy,
            seal=seal, clock=clock, count=metrics.count, ring=bells.ring,
        )  # fmt: skip
        chores = await _chores(environment, book, store, clock, metrics, stack)
        await enter(lived(life, bells=bells, chores=chores))
        app = front(
            slack=slack.receive if environment.slack_signing_secret else None,
            troubles=lambda: _troubles(admit, clock(), file.poll_every),
            metrics=metrics.exposition,
        )
        address = await enter(serve_front(app, host=environment.host, port=environment.port))
        await enter(
            open_timer(
                {
                    "poll": (file.poll_every, lambda: bells.ring(Step.ADMIT)),
                    "sweep": (SWEEP_EVERY, lambda: _ring_all(bells)),
                }
            )
        )
        log.info("nod_started", address=address, routes=len(file.policy.routes))
        yield Nod(address=address, metrics=metrics)
    log.info("nod_stopped")


@asynccontextmanager
async def _slack(
    environment: Environment, *, desk: Decide, clock: Clock, metrics: Metrics
) -> AsyncIterator[Slack]:
    async with open_slack(
        token=_secret(environment.slack_bot_token) or "",
        signing_secret=_secret(environment.slack_signing_secret),
        app_token=_secret(environment.slack_app_token),
        api_url=environment.slack_api_url,
        desk=desk,
        clock=clock,
        count=metrics.count,
    ) as slack:
        yield slack


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
    environment: Environment, slack: Slack, stack: AsyncExitStack
) -> Mapping[str, Directory | Graph]:
    """Who knows the members of which kind of group; an Entra group needs the credentials to ask for it."""
    keepers: dict[str, Directory | Graph] = {"slack-usergroup": slack.directory}
    password = _secret(environment.microsoft_app_password)
    app_id, tenant = environment.microsoft_app_id, environment.microsoft_app_tenant_id
    if app_id and password and tenant:
        keepers["entra-group"] = await stack.enter_async_context(
            open_graph(
                app_id=app_id,
                password=password,
                tenant=tenant,
                graph_url=environment.graph_url or GRAPH_URL,
                login_url=environment.login_url or LOGIN_URL,
            )
        )
    return keepers


async def _chores(
    environment: Environment,
    book: Book[PolicyFile],
    store: SqlStore,
    clock: Clock,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> dict[str, tuple[timedelta, Callable[[], Awaitable[None]]]]:
    beside = folder_of(environment.database_url)
    notary = await stack.enter_async_context(
        open_notary(
            head=store.journal.head,
            key_path=environment.audit_key or beside / "nod-audit.key",
            path=environment.audit_checkpoints or beside / "nod-checkpoints.jsonl",
            webhook=environment.audit_webhook,
            clock=clock,
            count=metrics.count,
        )
    )

    announced = ""

    async def announce() -> None:
        nonlocal announced
        if book.policy().version != announced:
            _announce(book.policy())
            announced = book.policy().version

    async def retire() -> None:
        if book.file.retention is not None:
            await store.journal.retire(clock() - book.file.retention)

    return {
        "announce": (ANNOUNCE_EVERY, announce),
        "notary": (NOTARY_EVERY, notary.round),
        "retire": (RETIRE_EVERY, retire),
    }


def folder_of(database_url: str) -> Path:
    """Where the audit's own files stand unless the settings say otherwise: beside the SQLite file."""
    scheme, _, path = database_url.partition(":///")
    return Path(path).parent if scheme.startswith("sqlite") and path else Path()


def _alerts_of(store: Store, clock: Clock) -> Callable[[ConfigError], Awaitable[None]]:
    """A refused policy file is an alert, one per mistake."""

    async def refused(error: ConfigError) -> None:
        mistake = hashlib.sha256(str(error).encode()).hexdigest()[:8]
        text = f"The changed policy file is refused, the old one stays in force. {error}"
        alert = Alert(approval_id="policy", cause=f"policy-{mistake}", text=text, raised_at=clock())
        body = {"where": error.where, "reason": error.what}
        try:
            await store.journal.note(Fact(kind="policy_refused", at=clock(), body=body))
            await store.alerts.raise_(alert)
        except Unavailable as trouble:  # the watch of the file must go on; the log has the refusal already
            log.error("policy_alert_lost", reason=str(trouble))

    return refused


def _announce(policy: Policy) -> None:
    """What nobody may overlook: answers without people, and routes that nobody can answer."""
    if policy.rules.auto_approve:
        log.warning("auto_approval_is_on", because="GLAIP_HITL_AUTO_APPROVE", effect="nobody is asked")
    if policy.rules.log_only:
        log.warning("auto_approval_is_on", because="log_only", effect="nobody is asked")
    for route in policy.routes:
        if not any(person.accounts for person in policy.members(route.approvers)):
            log.error("route_without_approver", route=route.name)


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


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
