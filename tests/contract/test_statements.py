"""Who can write to the database and lacks NOD_SECRET: every statement on every table, and what comes of it.

Nothing is sent that nobody clicked, whether Nod runs meanwhile or is stopped; and `nod audit verify` is red
wherever the meaning of a record changed.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.store.open import SqlStore
from bot.records import Counted
from tests.contract.tampered_rig import BY_RULE, GENUINE, Site, open_site
from tests.contract.tampering import FRESH, WAITING, Attack, Grid, attacks

#: Columns whose change means something: who decided what, for which call, how, until when, and what came of it.
MEANT = {
    "approvals": (
        "id", "source", "request_id", "request", "digest", "route", "rule", "stage", "first_seen", "deadline",
        "deadline_source", "deadline_doubt", "outcome", "settled_at", "platform_word",
        "attempts", "agent", "widened", "gones", "renewed",
    ),
    "decisions": (
        "approval_id", "verdict", "surface", "account", "name", "email", "at", "card_id", "note", "others",
        "revision", "signature",
    ),
    "votes": (
        "approval_id", "person", "verdict", "surface", "account", "name", "email", "at", "card_id", "digest",
        "note", "acting_for", "revision", "signature",
    ),
    "audit": ("number", "at_ms", "kind", "approval_id", "body", "previous", "hash"),
    "audit_anchor": ("number", "hash"),
}  # fmt: skip
#: Those that mean something while the request waits, or once it has ended.
MEANT_WAITING = {"approvals": ("call_signature", "terms_signature")}
MEANT_ENDED = {"approvals": ("trouble",)}
#: Those whose change means nothing to how a call was answered, and why in a word.
INERT = {
    "approvals": {
        "revision": "drawing", "escalated_at": "drawing", "confirmed_at": "memory", "missed": "pacing",
        "next_try": "pacing", "told": "pacing", "gone_at": "pacing", "due_at": "pacing", "asked": "pacing",
    },
    "audit_anchor": {"at": "date"},
    "placements": "place",
    "rungs": "plan",
    "claims": "lease",
    "notices": "message",
    "digests": "message",
    "alerts": "page",
    "pages": "page",
    "conversations": "address",
    "probes": "filler",
    "polls": "signed",
    "nod_schema": "version",
}  # fmt: skip


@pytest.fixture
async def site(url: str, tmp_path: Path) -> AsyncIterator[Site]:
    """A database with requests in every state, on each kind in turn."""
    async with open_site(url, tmp_path) as opened:
        yield opened


def meaning(site: Site) -> list[object]:
    """What the tables say that matters."""
    found: list[object] = []
    for table, columns in MEANT.items():
        found.append(sorted(map(repr, site.hand(f"SELECT {', '.join(columns)} FROM {table}"))))
    for more, where in ((MEANT_WAITING, "IN"), (MEANT_ENDED, "NOT IN")):
        for table, columns in more.items():
            rows = f"SELECT id, {', '.join(columns)} FROM {table} WHERE stage {where} ('open', 'decided')"
            found.append(sorted(map(repr, site.hand(rows))))
    return found


@dataclass(slots=True)
class Tally:
    """What came of the attacks."""

    statements: int = 0
    refused: int = 0  #: by the database itself
    posts: int = 0  #: genuine ones
    by_rule: int = 0
    changed: int = 0
    red: int = 0
    broken: int = 0  #: after these the bot could not go on
    sent: list[object] = field(default_factory=list)  #: what nobody clicked
    green: list[object] = field(default_factory=list)  #: what changed a meaning unseen

    def counted(self) -> str:
        """The numbers in one line."""
        return (
            f"{self.statements} statements, {self.refused} attacks refused by the database;"
            f" POSTs: {self.posts} of Ann's word, {self.by_rule} of a rule, {len(self.sent)} of nobody's;"
            f" {self.changed} changed a meaning, {self.red} of them red; {self.broken} broke a start or a click"
        )


def every(site: Site) -> list[Attack]:
    """All attacks on this database."""
    return attacks(site.grids, inert=[name for name, why in INERT.items() if isinstance(why, str)])


async def attacked(site: Site, chosen: Sequence[tuple[bool, Attack]]) -> Tally:
    """Each attack on the same database, while Nod is stopped (True) or while it runs."""
    tally, before = Tally(), meaning(site)
    for stopped, attack in chosen:
        site.restore()
        store = None if stopped else await site.store()
        tally.statements += len(attack.statements)
        if not site.attack(attack):
            tally.refused += 1
            continue
        if meaning(site) != before:
            code, _ = await site.verified()
            tally.changed += 1
            tally.red += bool(code)
            if not code:
                tally.green.append(attack)
        left = {one for (one,) in site.hand("SELECT id FROM approvals")}
        await follow(site, store, tally, attack)
        for post in site.posts:
            if post == GENUINE:
                tally.posts += 1
            elif stopped and post[0] not in left and BY_RULE in str(post[2]):
                tally.by_rule += 1
            else:
                tally.sent.append((post, attack))
    return tally


async def follow(site: Site, store: SqlStore | None, tally: Tally, attack: Attack) -> None:
    """What the bot does next, also when one more person votes on what nobody has answered."""
    try:
        store = store or await site.store()
        await site.rounds(store)
        counted = await site.vote(store, FRESH, "cid", needs=2)
    except Exception:  # noqa: BLE001 - a start, or a click, that breaks on what it reads sends nothing
        tally.broken += 1
        return
    if counted is Counted.DECIDED:
        tally.sent.append(("one vote of two was enough", attack))
    await site.rounds(store)


async def test_every_column_is_in_a_class(site: Site) -> None:
    """Read from the database itself: a new table or column has to be judged before the tests go on."""
    classes: dict[str, set[str]] = {}
    for grid in site.grids:
        inert = INERT.get(grid.name, {})
        named = set(grid.columns) if isinstance(inert, str) else set(inert)
        for more in (MEANT, MEANT_WAITING, MEANT_ENDED):
            named |= set(more.get(grid.name, ()))
        classes[grid.name] = named
    assert {grid.name: set(grid.columns) for grid in site.grids} == classes
    assert [] == [grid.name for grid in site.grids if not grid.rows], "a table that nothing attacks"


async def test_without_an_attack_ann_is_heard_once(site: Site) -> None:
    """So that the tests below would see what is sent, and what is red."""
    assert 0 == (await site.verified())[0]
    for _ in range(2):
        site.restore()
        store = await site.store()
        for _ in range(2):
            await site.rounds(store)
        assert (site.broken, [GENUINE]) == (0, site.posts)
    assert 0 == site.broken
    assert set(WAITING) < {row["id"] for row in _grid(site, "approvals").rows}


def _grid(site: Site, name: str) -> Grid:
    return next(grid for grid in site.grids if grid.name == name)


async def test_some_statements_send_nothing_and_are_seen(site: Site) -> None:
    """A few of them, on each kind of database."""
    chosen = random.Random(12).sample(every(site), 12)
    check_tally(await attacked(site, [(bool(number % 2), attack) for number, attack in enumerate(chosen)]))


@pytest.mark.slow
async def test_every_statement_sends_nothing_and_is_seen(site: Site, url: str) -> None:
    """All of them: every other one while Nod is stopped, and the others so on the other kind of database."""
    odd = url.startswith("sqlite")
    chosen = [(number % 2 == odd, attack) for number, attack in enumerate(every(site))]
    check_tally(await attacked(site, chosen))


def check_tally(tally: Tally) -> None:
    """Nothing was sent that nobody clicked, and what changed a meaning was seen."""
    print(f"\n{tally.counted()}")
    assert [] == tally.sent
    assert [] == tally.green
