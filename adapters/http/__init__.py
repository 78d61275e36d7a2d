"""The HTTP floor for every adapter: one client, one rule for trust and proxies, one bounded exchange."""

from adapters.http.client import USUAL, Transport, open_client, place_of, proxy_for, trusted
from adapters.http.exchange import (
    LARGEST,
    LIMIT,
    REACHED,
    Answer,
    exchange,
    http_date,
    reason,
    refused,
    retry_after,
    told,
    why,
)

__all__ = [
    "LARGEST",
    "LIMIT",
    "REACHED",
    "USUAL",
    "Answer",
    "Transport",
    "exchange",
    "http_date",
    "open_client",
    "place_of",
    "proxy_for",
    "reason",
    "refused",
    "retry_after",
    "told",
    "trusted",
    "why",
]
