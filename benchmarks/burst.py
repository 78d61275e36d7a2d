"""Many new requests at once, then many clicks at once: cards a second, acks, decisions, and CPU for each."""

from __future__ import annotations

import asyncio
import random

from benchmarks.bots import NAIVE, NOD, Bot, open_bot
from benchmarks.clicks import press, quantile
from benchmarks.outside import Outside, open_outside
from benchmarks.sizes import Figures, Sizes

#: A bot is calm when it has used less than this share of a core for a second; it is not waited for longer than
#: so many seconds.
CALM, CALM_WITHIN = 0.1, 20.0


async def measure(sizes: Sizes) -> Figures:
    """The naive bot, then Nod: few cards, then many with clicks on them."""
    found: Figures = {}
    for name, module in (("naive", NAIVE), ("nod", NOD)):
        few = await burst(module, cards=sizes.few_cards, clicks=0, sizes=sizes)
        many = await burst(module, cards=sizes.cards, clicks=sizes.clicks, sizes=sizes)
        found |= {f"{name}.few.{key}": value for key, value in few.items()}
        found |= {f"{name}.{key}": value for key, value in many.items()}
    return found


async def measure_larger(sizes: Sizes) -> Figures:
    """A larger burst of clicks, to be compared with that of `measure`."""
    larger = await burst(NOD, cards=sizes.many_clicks, clicks=sizes.many_clicks, sizes=sizes)
    return {f"nod.many.{key}": value for key, value in larger.items()}


async def burst(module: str, *, cards: int, clicks: int, sizes: Sizes) -> Figures:
    """A new bot and so many requests, then so many clicks on their cards."""
    async with open_outside() as outside, open_bot(module, outside.url) as bot:
        await calm(bot)
        found = await ask(bot, outside, cards, within=sizes.within)
        if clicks:
            await calm(bot)
            draw = random.Random(7)  # noqa: S311 - no secret
            chosen = draw.sample(sorted(outside.cards), min(clicks, len(outside.cards)))
            found |= await click(bot, outside, chosen, at_once=sizes.at_once, within=sizes.within)
        return found


async def calm(bot: Bot) -> None:
    """Wait until a bot has nothing more to do."""
    used = bot.usage().cpu
    for _ in range(int(CALM_WITHIN)):
        await asyncio.sleep(1)
        before, used = used, bot.usage().cpu
        if used - before < CALM:
            return


async def ask(bot: Bot, outside: Outside, number: int, *, within: float) -> Figures:
    """So many new requests: cards a second from the first to the last, and CPU for each."""
    before, used = len(outside.cards), bot.usage().cpu
    ids = outside.ask(number)
    await outside.until(lambda: len(outside.cards) >= before + number, within=within)
    cpu, shown = bot.usage().cpu - used, sorted(outside.cards[one].at for one in ids if one in outside.cards)
    doubled = sum(outside.cards[one].posts > 1 for one in ids if one in outside.cards)
    return {
        "cards_per_s": len(shown) / max(shown[-1] - shown[0], 1e-9) if shown else 0.0,
        "cpu_ms_per_card": cpu * 1e3 / max(1, len(shown)),
        "cards_missing": number - len(shown) + doubled,
    }


async def click(bot: Bot, outside: Outside, ids: list[str], *, at_once: int, within: float) -> Figures:
    """An Approve on each of these: the acks, the decisions at the platform, and CPU for each click.

    CPU is counted up to the last decision, and until nothing is left to do: then each card shows its end.
    """
    used = bot.usage().cpu
    pressed = await press(bot.url, outside, ids, at_once=at_once)
    await outside.until(lambda: all(one in outside.decisions for one in ids), within=within)
    posted = bot.usage().cpu - used
    await outside.until(lambda: all(outside.cards[one].updates for one in ids), within=within)
    await calm(bot)
    told = bot.usage().cpu - used
    late = [outside.decisions[one][0] - pressed.at[one] for one in ids if one in outside.decisions]
    acks = pressed.acks()
    return {
        "acks_per_s": pressed.acks_per_s(),
        "ack_p50_ms": quantile(acks, 0.5) * 1e3,
        "ack_p99_ms": quantile(acks, 0.99) * 1e3,
        "decision_p50_ms": quantile(late, 0.5) * 1e3,
        "decision_p99_ms": quantile(late, 0.99) * 1e3,
        "cpu_ms_to_post": posted * 1e3 / len(ids),
        "cpu_ms_per_click": told * 1e3 / len(ids),
        "refused": pressed.refused,
        "decisions_missing": len(ids) - len(late) + sum(len(outside.decisions.get(one, ())) > 1 for one in ids),
    }
