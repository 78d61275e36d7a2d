"""Headless Chromium for tests that drive a page as a person does."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

#: Of tests in a browser: the browser lives in the session's loop, so the tests do, too.
IN_A_BROWSER = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CHROMIUM = Path(os.environ.get("NOD_CHROMIUM", "/usr/bin/chromium"))
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A browser for as long as the block runs; without Chromium the test is skipped, and says so."""
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}; set NOD_CHROMIUM to its path")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        yield chromium
        await chromium.close()
