"""Whoever answers what is posted to one path: a chat, or the relay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Reply = tuple[int, Mapping[str, str], bytes]  #: status, headers, body


class Receiver(Protocol):
    """One door of this front. It describes itself, because only it knows what it takes and answers."""

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """The answer to one request: `headers` by their names in lower case, and the raw body."""
        ...

    @property
    def operation(self) -> Mapping[str, Any]:
        """The POST in the terms of OpenAPI 3.1 (Operation Object), with every answer that `receive` gives."""
        ...

    @property
    def schemes(self) -> Mapping[str, Any]:
        """The security schemes that `operation` names."""
        ...
