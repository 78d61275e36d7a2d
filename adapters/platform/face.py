"""The client without `await`, for scripts: `with HITLClient.sync() as client: client.list_pending()`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from types import TracebackType

    from adapters.platform.answers import AuditPage, AuditRecord, DecisionType, SortOrder
    from adapters.platform.hitl import HITLClient
    from bot.approval import Outcome
    from bot.ports import Clock
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


class Face:
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
