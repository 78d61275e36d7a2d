"""What a bot uses while nothing happens: nothing open, and a crowd of open requests polled again and again."""

from __future__ import annotations

import asyncio

from benchmarks.bots import NAIVE, NOD, Bot, open_bot
from benchmarks.burst import ask, calm
from benchmarks.outside import Outside, open_outside
from benchmarks.sizes import Figures, Sizes

#: Seconds between polls, and how long the work of one lasts at most: the rest is what the bot uses beside it.
POLL_EVERY, WORK = 4.0, 2.0
CHANGED = 10


async def measure(sizes: Sizes) -> Figures:
    """Nod empty and with a crowd, and the naive bot with the same crowd."""
    empty = await _empty(sizes)
    nod = await _crowd(NOD, sizes)
    naive = await _crowd(NAIVE, sizes)
    found = empty | {f"nod.{key}": value for key, value in nod.items()}
    found["nod.above_empty_mb"] = nod["rss_mb"] - empty["empty.rss_mb"]
    return found | {f"naive.{key}": value for key, value in naive.items()}


async def _empty(sizes: Sizes) -> Figures:
    async with open_outside() as outside, open_bot(NOD, outside.url, BENCH_READS="1") as bot:
        await calm(bot)
        reads, used = await bot.reads(), bot.usage().cpu
        await asyncio.sleep(sizes.quiet)
        after = bot.usage()
        return {
            "empty.reads_per_s": (await bot.reads() - reads) / sizes.quiet,
            "empty.cpu_percent": (after.cpu - used) / sizes.quiet * 100,
            "empty.rss_mb": after.rss,
        }


async def _crowd(module: str, sizes: Sizes) -> Figures:
    async with open_outside() as outside, open_bot(module, outside.url, poll_every=POLL_EVERY) as bot:
        asked = await ask(bot, outside, sizes.crowd, within=sizes.within)
        await calm(bot)
        idle, poll = await _polled(bot, outside, sizes)
        changing = await _polled(bot, outside, sizes, changed=CHANGED)
        usage = bot.usage()
        return {
            "cards_missing": asked["cards_missing"],
            "idle_cpu_percent": idle * 100,
            "poll_ms": poll * 1e3,
            "changed_poll_ms": changing[1] * 1e3,
            "rss_mb": usage.rss,
            "peak_mb": usage.peak,
        }


async def _polled(bot: Bot, outside: Outside, sizes: Sizes, *, changed: int = 0) -> tuple[float, float]:
    """The share of a core beside the polls, and the seconds of CPU for each poll beyond that."""
    idle = whole = seconds = 0.0
    await _next_poll(outside)
    for _ in range(sizes.polls):
        await asyncio.sleep(WORK)
        rests = bot.usage().cpu
        await asyncio.sleep(POLL_EVERY - WORK - 0.5)
        idle += bot.usage().cpu - rests
        seconds += POLL_EVERY - WORK - 0.5
        outside.change(changed)
        began = bot.usage().cpu
        await _next_poll(outside)
        await asyncio.sleep(WORK)
        whole += bot.usage().cpu - began
    rate = idle / seconds
    return rate, max(0.0, whole / sizes.polls - rate * (WORK + 0.5))


async def _next_poll(outside: Outside) -> None:
    before = len(outside.polls)
    await outside.until(lambda: len(outside.polls) > before, within=POLL_EVERY * 3)
