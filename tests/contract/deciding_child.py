"""Run as a program: decides approvals without end, and prints the id of each once that is committed."""

from __future__ import annotations

import asyncio
import os
import sys

from adapters.store.open import open_store
from tests.contract.values import admit, decide


async def main(url: str) -> None:
    """Until this process is killed."""
    async with open_store(url, ring=lambda step: None, pagers=()) as store:
        number = 0
        while True:
            approval_id = f"{os.getpid()}-{number}"
            await admit(store, approval_id)
            await decide(store, approval_id)
            print(approval_id, flush=True)
            number += 1


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
