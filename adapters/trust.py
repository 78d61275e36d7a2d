"""Which certificate authorities are trusted, read once: a process has many HTTP clients, at 40 ms each."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def trusted(*, env: bool = False) -> ssl.SSLContext:
    """As httpx trusts by itself; with `env` also what SSL_CERT_FILE or SSL_CERT_DIR of the environment name."""
    return httpx.create_ssl_context(trust_env=env)
