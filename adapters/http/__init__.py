"""The HTTP floor for every adapter: one client, one rule for trust and proxies, one bounded exchange."""

from adapters.http.client import (
    USUAL,
    Transport,
    open_client,
    place_of,
    proxy_for,
    reason,
    refused,
    told,
    trusted,
    why,
)
from adapters.http.exchange import LARGEST, LIMIT, REACHED, Answer, exchange, http_date, retry_after

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
