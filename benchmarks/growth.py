"""Does one more card or click cost more because much else is open? CPU with few and with many open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from benchmarks.bots import NOD, Bot, open_bot
from benchmarks.burst import ask, calm, click
from benchmarks.outside import open_outside
from benchmarks.sizes import Figures, Sizes


async def measure(sizes: Sizes) -> Figures:
    """Both, and the ratios; what the bot uses anyway with so many open is not part of either."""
    few, many = [await _with_open(number, sizes) for number in (sizes.few_open, sizes.many_open)]
    named = {f"few.{key}": value for key, value in few.items()} | {
        f"many.{key}": value for key, value in many.items()
    }
    return named | {f"ratio.{key}": many[key] / max(few[key], 0.1) for key in few}


async def _with_open(number: int, sizes: Sizes) -> Figures:
    async with open_outside() as outside, open_bot(NOD, outside.url) as bot:
        await ask(bot, outside, number, within=sizes.within)
        await calm(bot)
        rate = await _idle(bot, sizes.quiet)
        card = await _beyond(bot, rate, ask(bot, outside, sizes.more, within=sizes.within))
        ids = list(outside.cards)[-sizes.more :]
        await calm(bot)
        clicked = click(bot, outside, ids, at_once=max(1, sizes.at_once // 10), within=sizes.within)
        return {
            "cpu_ms_per_card": card * 1e3 / sizes.more,
            "cpu_ms_per_click": await _beyond(bot, rate, clicked) * 1e3 / sizes.more,
        }


async def _idle(bot: Bot, seconds: float) -> float:
    """The share of a core that the bot uses while nothing happens."""
    used = bot.usage().cpu
    await asyncio.sleep(seconds)
    return (bot.usage().cpu - used) / seconds


async def _beyond(bot: Bot, rate: float, work: Awaitable[Figures]) -> float:
    """Seconds of CPU that this work takes, until the bot is calm, beyond what it uses anyway."""
    used, began = bot.usage().cpu, time.perf_counter()
    await work
    await calm(bot)
    return max(0.0, bot.usage().cpu - used - rate * (time.perf_counter() - began))
