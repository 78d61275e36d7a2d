"""`HITLClient`: the platform's human in the loop, for programs of your own, with `await` and without.

async with HITLClient(base_url="http://localhost:8000", api_key="…") as client:
    for request in await client.list_pending():
        await client.approve(request, "seen by the release script")

It goes straight to the platform: routes, approvers and quorum of a running bot do not apply.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self, TypeVar, overload
from urllib.parse import quote

from adapters.platform.answers import AuditPage, AuditRecord, Limits, query_of, read_page, read_record
from adapters.platform.client import HttpPlatform, open_platform
from bot.errors import ConfigError, Gone
from bot.ports import utc_now
from bot.posting import AT_ONCE, ATTEMPTS, InTurn, post
from bot.protocol import HITLDecision, HITLRequest, HITLResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from types import TracebackType

    from adapters.platform.answers import AuditPage, AuditRecord, DecisionType, SortOrder
    from bot.approval import Outcome
    from bot.ports import Clock, Listing
    from bot.posting import Pause
    from bot.protocol import HITLRequest


T = TypeVar("T")


class SyncHITLClient:
    """Each method is the one of `HITLClient` of that name, run to its end in an event loop of its own.

    Each raises RuntimeError when it is not open, and inside a running event loop, which it would hold up.
    """

    def __init__(self, client: HITLClient) -> None:
        """Over a client that is not open."""
        self._client = client
        self._runner: asyncio.Runner | None = None

    def __enter__(self) -> Self:
        """Open it. Raises ConfigError as `HITLClient` does."""
        _check_no_loop()
        runner = asyncio.Runner()
        try:
            runner.run(self._client.__aenter__())
        except BaseException:
            runner.close()
            raise
        self._runner = runner
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; it can be opened again."""
        runner, self._runner = self._runner, None
        if runner is not None:
            with runner:
                runner.run(self._client.__aexit__(kind, error, trace))

    def _run(self, made: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a coroutine, which is made only where it can run."""
        _check_no_loop()
        if self._runner is None:
            raise RuntimeError("the client is not open: use it as `with HITLClient.sync(…) as client`")
        return self._runner.run(made())

    def list_pending(self) -> tuple[HITLRequest, ...]:
        """What waits now."""
        return self._run(lambda: self._client.list_pending())

    def approve(self, request: HITLRequest | str, operator_input: str | None = None) -> Outcome:
        """Approve a request."""
        return self._run(lambda: self._client.approve(request, operator_input))

    def reject(self, request: HITLRequest | str, operator_input: str | None = None) -> Outcome:
        """Reject a request."""
        return self._run(lambda: self._client.reject(request, operator_input))

    def skip(self, request: HITLRequest | str, operator_input: str | None = None) -> Outcome:
        """Skip a request."""
        return self._run(lambda: self._client.skip(request, operator_input))

    def audit(
        self,
        *,
        page: int = 1,
        limit: int = 50,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        decision_type: DecisionType | None = None,
        agent_id: str | None = None,
        sort_order: SortOrder = "desc",
    ) -> AuditPage:
        """One page of the platform's audit."""
        return self._run(
            lambda: self._client.audit(
                page=page, limit=limit, start_date=start_date, end_date=end_date,
                decision_type=decision_type, agent_id=agent_id, sort_order=sort_order,
            )
        )  # fmt: skip

    def audit_record(self, request_id: str) -> AuditRecord | None:
        """How one request ended."""
        return self._run(lambda: self._client.audit_record(request_id))


class OfClass(Protocol):
    """`HITLClient.sync(…)`: what `HITLClient(…)` takes, by the same names."""

    def __call__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        clock: Clock = ...,
        pause: Pause = ...,
    ) -> SyncHITLClient:
        """A client for scripts, not open yet."""
        ...


class ClientAccessor:
    """`HITLClient.sync`: of the class it takes the client's arguments, of a client it keeps that client's."""

    @overload
    def __get__(self, client: None, owner: type[HITLClient]) -> OfClass: ...
    @overload
    def __get__(self, client: HITLClient, owner: type[HITLClient]) -> Callable[[], SyncHITLClient]: ...
    def __get__(
        self, client: HITLClient | None, owner: type[HITLClient]
    ) -> OfClass | Callable[[], SyncHITLClient]:
        """What `sync` is there."""

        def of_class(**settings: Any) -> SyncHITLClient:
            return SyncHITLClient(owner(**settings))

        return of_class if client is None else lambda: SyncHITLClient(client)


def _check_no_loop() -> None:
    """Raises RuntimeError inside a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    what = "HITLClient.sync() is for scripts without an event loop, and one is running here"
    raise RuntimeError(f"{what}: use `async with HITLClient(…) as client`, or asyncio.to_thread")


#: The environment's names for address and key, as the platform's own client has them.
URL, KEY = "AIP_API_URL", "AIP_API_KEY"


class HITLClient:
    """Lists, answers and looks up requests. Implements `bot.handler`'s port, so a `HITLHandler` takes it."""

    #: The same calls without `await`: `with HITLClient.sync() as client`, or of a client with its settings.
    sync = ClientAccessor()

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        clock: Clock = utc_now,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """Opens nothing yet. Address and key that are not given are read from AIP_API_URL and AIP_API_KEY."""
        self._base_url, self._api_key = base_url, api_key
        self._clock, self._pause = clock, pause
        self._stack = AsyncExitStack()
        self._opened: HttpPlatform | None = None
        self._answers: InTurn | None = None

    async def __aenter__(self) -> Self:
        """Open it. Raises ConfigError for an address or key that is missing or cannot be one."""
        url = self._base_url or os.environ.get(URL) or _missing(URL, "base_url")
        key = self._api_key or os.environ.get(KEY) or _missing(KEY, "api_key")
        opening = open_platform(url, key, clock=self._clock, limits=Limits(posts=AT_ONCE))
        self._opened = await self._stack.enter_async_context(opening)
        # Who waits for a turn here loses no time of the call's own, so a burst of answers loses none.
        self._answers = InTurn(self._opened, most=AT_ONCE)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; it can be opened again."""
        self._opened = self._answers = None
        await self._stack.aclose()

    async def list_pending(self) -> tuple[HITLRequest, ...]:
        """What waits now; items that cannot be read are left out (`pending` names them).

        Raises Unavailable or Forbidden.
        """
        return (await self.pending()).requests

    async def approve(self, request: HITLRequest | str, operator_input: str | None = None) -> Outcome:
        """Approve a request, by its id; how it ended: APPROVED, or ELSEWHERE when someone else was first.

        Tried three times when the platform cannot be reached or is busy (bot.posting). Raises Unavailable after
        that, Forbidden for any other refusal. Of a request that was listed, its run is told too.
        """
        return await self._answer(request, HITLDecision.APPROVED, operator_input)

    async def reject(self, request: HITLRequest | str, operator_input: str | None = None) -> Outcome:
        """Reject a request: its tool does not run. The rest as `approve`."""
        return await self._answer(request, HITLDecision.REJECTED, operator_input)

    async def skip(self, request: HITLRequest | str, operator_input: str | None = None) -> Outcome:
        """Skip a request: the agent goes on without the tool. The rest as `approve`."""
        return await self._answer(request, HITLDecision.SKIPPED, operator_input)

    async def audit(
        self,
        *,
        page: int = 1,
        limit: int = 50,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        decision_type: DecisionType | None = None,
        agent_id: str | None = None,
        sort_order: SortOrder = "desc",
    ) -> AuditPage:
        """One page of the platform's audit.

        Raises ValueError, Gone where there is no audit, Unavailable or Forbidden.
        """
        query = query_of(
            page=page, limit=limit, start_date=start_date, end_date=end_date,
            decision_type=decision_type, agent_id=agent_id, sort_order=sort_order,
        )  # fmt: skip
        return read_page(await self._platform.read(f"agents/hitl/audit?{query}"))

    async def audit_record(self, request_id: str) -> AuditRecord | None:
        """How one request ended; None when the platform does not know, or has no audit.

        Raises Unavailable or Forbidden.
        """
        path = f"agents/hitl/audit/{quote(request_id, safe='', errors='replace')}"
        try:
            return read_record(await self._platform.read(path))
        except Gone:
            return None

    async def pending(self) -> Listing:
        """As `bot.ports.Source.pending`: one good poll, with what could not be read."""
        return await self._platform.pending()

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """As `bot.ports.Source.decide`: told once, no retry inside."""
        await self._platform.decide(request, response)

    async def word_on(self, request_id: str) -> str | None:
        """As `bot.ports.Source.word_on`."""
        return await self._platform.word_on(request_id)

    @property
    def _platform(self) -> HttpPlatform:
        return self._opened if self._opened is not None else _not_open()

    async def _answer(self, request: HITLRequest | str, verdict: HITLDecision, note: str | None) -> Outcome:
        if isinstance(request, str):
            request = HITLRequest(request_id=request, tool_name="", arguments=None, agent_id="")
        response = HITLResponse(decision=verdict, operator_input=note)
        answers = self._answers if self._answers is not None else _not_open()
        return await post(answers, request, response, attempts=ATTEMPTS, pause=self._pause)


def _not_open() -> NoReturn:
    raise RuntimeError("the client is not open: use it as `async with HITLClient(…) as client`")


def _missing(name: str, argument: str) -> NoReturn:
    raise ConfigError(name, "is not set", f"Set it, or give {argument}.")
