"""Run in a process of its own: a store on a disk that fills up, or becomes read-only. Says what a write says.

Its arguments are `full` or `read-only`, and a folder.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from adapters.store.open import SqlStore, open_store
from bot.errors import Unavailable
from bot.records import NewApproval
from tests.contract.values import an_approval
from tests.servers.disks import enter_namespace, fill, mount_breakable, mount_small


def main(fault: str, folder: Path) -> None:
    """Everything happens on a disk that only this process has."""
    disk = folder / "disk"
    disk.mkdir()
    enter_namespace()
    if fault == "full":
        mount_small(disk, size="4m")
        asyncio.run(filled(disk))
    else:
        asyncio.run(broken(disk, mount_breakable(disk, folder / "image")))


async def filled(disk: Path) -> None:
    """The disk fills up, and later has room again."""
    async with open_store(f"sqlite:///{disk}/nod.db", ring=lambda _: None, pagers=()) as store:
        await tell(store)
        filler = fill(disk)
        await tell(store)
        await tell(store)
        await admitted(store)
        filler.unlink()
        began = time.monotonic()
        while await written(store) is not None:
            await asyncio.sleep(0.5)
        print(f"recovered: {time.monotonic() - began:.1f}", flush=True)
        await tell(store)
    print("ended", flush=True)


async def broken(disk: Path, trigger: Path) -> None:
    """The file system finds an error, and takes no writes from then on."""
    async with open_store(f"sqlite:///{disk}/nod.db", ring=lambda _: None, pagers=()) as store:
        await tell(store)
        trigger.write_text("a test\n")
        await tell(store)
        await admitted(store)
    print("ended", flush=True)


async def written(store: SqlStore) -> str | None:
    """Why no page can be written; None when it can."""
    try:
        await store.probe.write()
    except Unavailable as error:
        return str(error)
    return None


async def tell(store: SqlStore) -> None:
    """One line on a write of one page."""
    trouble = await written(store)
    print(f"trouble: {trouble}" if trouble else "well", flush=True)


async def admitted(store: SqlStore) -> None:
    """One line on a new request."""
    try:
        await store.approvals.insert([NewApproval(approval=an_approval())])
    except Unavailable as error:
        print(f"not admitted: {error}", flush=True)
    else:
        print("admitted", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
