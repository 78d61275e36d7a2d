"""Does a click wait because much else waits? The time to the ack with few and with many requests open.

Run: `.venv/bin/python -m benchmarks.many_open` (about a minute). The sandbox, the bot and the clicks share one
process, so the figures are upper bounds; what counts is the ratio between the two rows of one run.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path

import structlog

from sandbox.slack.messages import Message
from tests.servers.system import ANN, POLICY, buttons, open_system, until

FEW, MANY, CLICKS = 20, 2_000, 12


async def acks(open_requests: int) -> list[float]:
    """Seconds from press to ack for a few clicks, with so many requests open."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_system(Path(folder), policy=f"{POLICY}flood: 1000\n", post_burst=None) as system:
            for number in range(open_requests):
                system.ask(arguments={"n": number, "body": "hello " * 20}, timeout_seconds=900)

            def ready() -> list[Message]:
                return [card for card in system.cards() if "nod_approve" in buttons(card)]

            await until(lambda: len(ready()) >= CLICKS, within=120, what="the first cards")
            return [(await system.press(ANN, card, "approve")).took for card in ready()[:CLICKS]]


async def main() -> None:
    """Print both rows and the ratio of their medians."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    rows = {count: await acks(count) for count in (FEW, MANY)}
    print(f"{'open':>6}  {'median ms':>9}  {'slowest ms':>10}")
    for count, took in rows.items():
        print(f"{count:>6}  {statistics.median(took) * 1e3:>9.0f}  {max(took) * 1e3:>10.0f}")
    print(f"many : few = x{statistics.median(rows[MANY]) / statistics.median(rows[FEW]):.1f}")


if __name__ == "__main__":
    asyncio.run(main())
