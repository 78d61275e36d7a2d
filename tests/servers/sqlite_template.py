"""A database file with Nod's tables and nothing in it, without the tenth of a second that making one takes."""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from adapters.store.open import open_store

NAME = "nod.db"


def lay_database(folder: Path) -> None:
    """The file in this folder, unless there is one: what a first start of Nod would leave there."""
    file = folder / NAME
    if not file.exists():
        file.write_bytes(empty_database())


@cache
def empty_database() -> bytes:
    """The content of such a file. Made once for each process of the tests, by the real migrations, in a thread:
    that has no loop yet."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=1) as thread:
        file = Path(folder) / NAME
        thread.submit(asyncio.run, _make(file)).result()
        return file.read_bytes()


async def _make(file: Path) -> None:
    async with open_store(f"sqlite:///{file}", ring=lambda _: None, pagers=()):
        pass
