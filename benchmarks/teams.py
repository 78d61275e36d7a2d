"""Many presses in Teams at the same moment: how long each invoke waits for its answer.

The local Teams runs in this process, which signs each press and draws each answer, so the times are upper
bounds.
"""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette

from benchmarks.bots import NOD, Bot, open_bot
from benchmarks.burst import calm
from benchmarks.clicks import quantile
from benchmarks.outside import Outside, open_outside
from benchmarks.sizes import Figures, Sizes
from sandbox.serve import serve
from sandbox.servers import teams_environment
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
    teams.request_url = f"{bot.url}/api/messages"
    await teams.events.announce()
    await calm(bot)
    ids = outside.ask(sizes.invokes)
    await outside.until(lambda: len(teams.cards_in(APPROVALS)) >= sizes.invokes, within=sizes.within)
    await calm(bot)
    cards = teams.cards_in(APPROVALS)
    results = await asyncio.gather(*(teams.press("ann", card, VERB) for card in cards))
    await outside.until(lambda: all(one in outside.decisions for one in ids), within=sizes.within)
    taken = [result.took for result in results]
    return {
        "invoke_p50_ms": quantile(taken, 0.5) * 1e3,
        "invoke_p99_ms": quantile(taken, 0.99) * 1e3,
        "refused": sum(not result.ok for result in results),
        "decisions_missing": sum(one not in outside.decisions for one in ids),
    }
