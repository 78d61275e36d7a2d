"""The client without `await`, for scripts: `with HITLClient.sync() as client: client.list_pending()`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self, overload

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

    from adapters.platform.audit import AuditPage, AuditRecord, DecisionType, SortOrder
    from adapters.platform.hitl import HITLClient
    from bot.approval import Outcome
    from bot.protocol import HITLRequest


class SyncHITLClient:
    """Each method is the one of `HITLClient` of that name, run to its end in an event loop of its own.

    Not for use inside a running event loop: asyncio refuses that with a RuntimeError.
    """

    def __init__(self, client: HITLClient) -> None:
        """Over a client that is not open."""
        self._client = client
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        """Open it. Raises ConfigError as `HITLClient` does."""
        try:
            self._runner.run(self._client.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it for good."""
        with self._runner:
            self._runner.run(self._client.__aexit__(kind, error, trace))

    def list_pending(self) -> tuple[HITLRequest, ...]:
        """What waits now."""
        return self._runner.run(self._client.list_pending())

    def approve(self, request: HITLRequest | str, operator_input: str | None = None) -> Outcome:
        """Approve a request."""
        return self._runner.run(self._client.approve(request, operator_input))

    def reject(self, request: HITLRequest | str, operator_input: str | None = None) -> Outcome:
        """Reject a request."""
        return self._runner.run(self._client.reject(request, operator_input))

    def skip(self, request: HITLRequest | str, operator_input: str | None = None) -> Outcome:
        """Skip a request."""
        return self._runner.run(self._client.skip(request, operator_input))

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
        return self._runner.run(
            self._client.audit(
                page=page, limit=limit, start_date=start_date, end_date=end_date,
                decision_type=decision_type, agent_id=agent_id, sort_order=sort_order,
            )
        )  # fmt: skip

    def audit_record(self, request_id: str) -> AuditRecord | None:
        """How one request ended."""
        return self._runner.run(self._client.audit_record(request_id))


class Face:
    """`HITLClient.sync`: of the class it takes the client's arguments, of a client it keeps that client's."""

    @overload
    def __get__(self, client: None, owner: type[HITLClient]) -> Callable[..., SyncHITLClient]: ...
    @overload
    def __get__(self, client: HITLClient, owner: type[HITLClient]) -> Callable[[], SyncHITLClient]: ...
    def __get__(self, client: HITLClient | None, owner: type[HITLClient]) -> Callable[..., SyncHITLClient]:
        """What `sync` is there."""

        def of_class(**settings: Any) -> SyncHITLClient:
            return SyncHITLClient(owner(**settings))

        def of_client() -> SyncHITLClient:
            return SyncHITLClient(owner() if client is None else client)

        return of_class if client is None else of_client
