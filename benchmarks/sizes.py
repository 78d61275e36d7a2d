"""How much each part measures: as the table says, or as little as shows that the part still works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Counts, and times in seconds."""

    few_cards: int = 200
    cards: int = 1_000
    clicks: int = 500
    many_clicks: int = 2_000
    at_once: int = 100  #: clicks
    few_open: int = 50
    many_open: int = 2_000
    more: int = 100  #: cards and clicks on top of those
    crowd: int = 10_000  #: open while nothing happens
    polls: int = 5
    quiet: float = 10.0  #: how long nothing happens
    singles: int = 20  #: clicks and cards one by one
    invokes: int = 200
    starts: int = 5
    callbacks: tuple[int, ...] = (1_000, 10_000)
    callback: float = 2.0  #: how long each waits
    chunks: int = 200
    stream: int = 50_000_000  #: bytes
    commits: int = 1_000
    characters: int = 280_000  #: of a call that is redacted
    within: float = 300.0  #: what takes longer is given up, and counted as missing


FULL = Sizes()
SMOKE = Sizes(
    few_cards=3, cards=5, clicks=3, many_clicks=4, at_once=2, few_open=2, many_open=4, more=2, crowd=5, polls=1,
    quiet=0.3, singles=2, invokes=2, starts=1, callbacks=(3,), callback=0.1, chunks=3, stream=100_000,
    commits=5,
    characters=2_000, within=60.0,
)  # fmt: skip

#: What a part measured, by name; times in seconds or as the name says.
Figures = dict[str, float]
