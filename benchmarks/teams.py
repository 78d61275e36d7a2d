"""Many presses in Teams at the same moment: how long each invoke waits for its answer.

The local Teams signs the presses beforehand: Microsoft has more than one processor for that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import aiohttp
from starlette.applications import Starlette

from benchmarks.bots import NOD, Bot, open_bot
from benchmarks.burst import calm
from benchmarks.clicks import quantile
from benchmarks.outside import Outside, open_outside
from benchmarks.sizes import Figures, Sizes
from sandbox.serve import serve
from sandbox.servers import teams_environment
from sandbox.teams.delivery import Sent
from sandbox.teams.mount import teams_routes
from sandbox.teams.people import APPROVALS
from sandbox.teams.tenant import Teams, open_teams

POLICY = """
poll_every: {poll_every}s
flood: 1000
people:
  ann: {{email: ann@acme.example}}
routes:
  - name: default
    match: {{}}
    cards: [teams:approvals]
    approvers: [ann]
alerts: [slack:C0123456780]
"""
VERB = "nod_approve"


async def measure(sizes: Sizes) -> Figures:
    """One press of Approve on each of so many cards, all sent at once."""
    async with (
        open_outside() as outside,
        open_teams(limited=False) as teams,
        serve(Starlette(routes=teams_routes(teams))) as url,
    ):
        teams.base_url = url
        async with open_bot(NOD, outside.url, policy=POLICY, **teams_environment(teams)) as bot:
            return await _pressed(bot, outside, teams, sizes)


async def _pressed(bot: Bot, outside: Outside, teams: Teams, sizes: Sizes) -> Figures:
    url = teams.request_url = f"{bot.url}/api/messages"
    await teams.events.announce()
    await calm(bot)
    ids = outside.ask(sizes.invokes)
    await outside.until(lambda: len(teams.cards_in(APPROVALS)) >= sizes.invokes, within=sizes.within)
    await calm(bot)
    presses = await _signed(teams)
    used = bot.usage().cpu
    took, refused = await _sent(url, presses)
    answered = bot.usage().cpu - used
    await outside.until(lambda: all(one in outside.decisions for one in ids), within=sizes.within)
    return {
        "invoke_p50_ms": quantile(took, 0.5) * 1e3,
        "invoke_p99_ms": quantile(took, 0.99) * 1e3,
        "cpu_ms_to_answers": answered * 1e3 / len(presses),
        "refused": refused,
        "decisions_missing": sum(one not in outside.decisions for one in ids),
    }


async def _signed(teams: Teams) -> list[Sent]:
    """A press of Approve on each card, with its token, as Teams sends it; it goes nowhere yet."""
    teams.request_url, before = None, len(teams.delivery.sent)
    for card in teams.cards_in(APPROVALS):
        await teams.press("ann", card, VERB)
    return teams.delivery.sent[before:]


async def _sent(url: str, presses: Sequence[Sent]) -> tuple[list[float], int]:
    """Seconds until each answer, all sent at once, and how many of them were not a card."""

    async def one(press: Sent) -> tuple[float, bool]:
        began = time.perf_counter()
        async with session.post(url, data=press.body, headers=press.headers) as answer:
            body = await answer.json()
        return time.perf_counter() - began, answer.status == 200 and body["statusCode"] == 200

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        results = await asyncio.gather(*map(one, presses))
    return [took for took, _ in results], sum(not well for _, well in results)
