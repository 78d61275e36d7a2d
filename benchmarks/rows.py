"""The rows of the table: what each measures, what is to be reached, and whether it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.sizes import Figures

Value = Callable[[Figures], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure of one part; without a goal it only shows what the others are compared with."""

    part: str
    measure: str
    value: Value
    unit: str = ""
    goal: float | None = None
    stretch: float | None = None
    more: bool = False  #: whether more is better
    naive: str = ""  #: the figure of the naive bot beside it

    def of(self, figures: Figures) -> float | None:
        """The value in one run; None where that run lacks it."""
        try:
            found = self.value(figures)
        except (KeyError, ZeroDivisionError):
            return None
        return None if math.isnan(found) else found

    def verdict(self, value: float) -> str:
        """In a word."""
        if self.goal is None:
            return ""
        if self.stretch is not None and self._holds(value, self.stretch):
            return "better than the stretch goal"
        return "reached" if self._holds(value, self.goal) else "**missed**"

    def goals(self) -> str:
        """What is to be reached, and the stretch after it."""
        sign = "≥" if self.more else "≤"
        return ", ".join(f"{sign} {one:g}{self.unit}" for one in (self.goal, self.stretch) if one is not None)

    def _holds(self, value: float, goal: float) -> bool:
        return value >= goal if self.more else value <= goal


def _figure(name: str) -> Value:
    return lambda found: found[name]


def _ratio(upper: str, lower: str) -> Value:
    return lambda found: found[upper] / found[lower]


def _beside(part: str, measure: str, name: str, *, unit: str = "", **goals: float | bool) -> Row:
    """A figure of Nod with the naive bot's beside it."""
    return Row(
        part=part, measure=measure, value=_figure(f"nod.{name}"), unit=unit, naive=f"naive.{name}", **goals
    )  # type: ignore[arg-type]


def _times_naive(part: str, measure: str, name: str, **goals: float | bool) -> Row:
    return Row(part=part, measure=measure, value=_ratio(f"nod.{name}", f"naive.{name}"), unit=" ×", **goals)  # type: ignore[arg-type]


#: What the first tables of issue and page compare: the same work, by both bots.
ROWS = (
    _beside("burst", "200 new requests: cards/s", "few.cards_per_s"),
    _beside("burst", "200 new requests: CPU for each card", "few.cpu_ms_per_card", unit=" ms"),
    _beside("burst", "1,000 new requests: cards/s", "cards_per_s"),
    _times_naive("burst", "1,000 new requests: cards/s, × naive", "cards_per_s", goal=0.1, stretch=0.25, more=True),
    _beside("burst", "1,000 new requests: CPU for each card", "cpu_ms_per_card", unit=" ms", goal=3.5, stretch=1.4),
    _beside("burst", "500 clicks, 100 at once: acks/s", "acks_per_s"),
    _times_naive("burst", "500 clicks, 100 at once: acks/s, × naive", "acks_per_s", goal=0.2, stretch=0.4, more=True),
    _beside("burst", "the same: ack, p99", "ack_p99_ms", unit=" ms", goal=500, stretch=250),
    _beside("burst", "the same: clicks that were refused as overload", "refused", goal=0),
    _beside("burst", "the same: click → decision, p50", "decision_p50_ms", unit=" ms"),
    _beside("burst", "the same: click → decision, p99", "decision_p99_ms", unit=" ms"),
    _times_naive("burst", "the same: click → decision, p99, × naive", "decision_p99_ms", goal=4, stretch=2),
    Row(
        part="larger",
        measure="2,000 clicks: click → decision, p99, × that of 500",
        value=_ratio("nod.many.decision_p99_ms", "nod.decision_p99_ms"),
        unit=" ×",
        goal=5,
    ),
    _beside("burst", "CPU for each click, up to the POST", "cpu_ms_to_post", unit=" ms", goal=5, stretch=3),
    _beside("burst", "CPU for each click, all told", "cpu_ms_per_click", unit=" ms", goal=12, stretch=6),
    Row(part="growth", measure="CPU for each card, 2,000 open, × 50 open", value=_figure("ratio.cpu_ms_per_card"), unit=" ×", goal=1.2),
    Row(part="growth", measure="CPU for each click, 2,000 open, × 50 open", value=_figure("ratio.cpu_ms_per_click"), unit=" ×", goal=1.2),
    _beside("crowd", "a poll with 10,000 unchanged: CPU", "poll_ms", unit=" ms", goal=30),
    _beside("crowd", "a poll with 10 of 10,000 changed: CPU", "changed_poll_ms", unit=" ms", goal=250, stretch=120),
    _beside("crowd", "10,000 open, beside the polls: share of a core", "idle_cpu_percent", unit=" %", goal=1),
    Row(part="crowd", measure="10,000 open: memory above an empty bot", value=_figure("nod.above_empty_mb"), unit=" MB", goal=70),
    Row(part="crowd", measure="10,000 open: cards that were not up in time", value=_figure("nod.cards_missing"), goal=0),
    Row(part="crowd", measure="nothing open: SQL reads a second", value=_figure("empty.reads_per_s"), goal=3),
    Row(part="singles", measure="one click, idle: ack, p50", value=_figure("ack_p50_ms"), unit=" ms", goal=12),
    Row(part="singles", measure="one click, idle: click → decision, p50", value=_figure("decision_p50_ms"), unit=" ms", goal=40),
    Row(part="singles", measure="pending → card, idle: p95 beyond the poll interval", value=_figure("card_p95_beyond_poll_ms"), unit=" ms", goal=100),
    Row(part="singles", measure="pending → card, with `nod relay`: p95", value=_figure("relayed_card_p95_ms"), unit=" ms", goal=100),
    Row(part="teams", measure="Teams, 200 invokes at once: p99", value=_figure("invoke_p99_ms"), unit=" ms", goal=800, stretch=500),
    Row(part="handlers", measure="handler, 1,000 callbacks of 2 s: time, × the SDK's", value=_ratio("nod.1000.seconds", "sdk.seconds"), unit=" ×", goal=1),
    Row(part="handlers", measure="handler, 1,000 callbacks of 2 s", value=_figure("nod.1000.seconds"), unit=" s"),
    Row(part="handlers", measure="the SDK's handler, the same: requests not decided", value=_figure("sdk.missing")),
    Row(part="handlers", measure="handler, 10,000 callbacks of 2 s: memory", value=_figure("nod.10000.mb"), unit=" MB", goal=150),
    Row(part="handlers", measure="handler, 10,000 callbacks of 2 s: requests not decided", value=_figure("nod.10000.missing"), goal=0),
    Row(part="starts", measure="start to ready, new database", value=_figure("ready_s"), unit=" s", goal=1.5),
    Row(part="starts", measure="start to ready: CPU", value=_figure("ready_cpu_s"), unit=" s"),
    Row(part="starts", measure="`nod --help`: CPU, × a bare Python", value=_ratio("cpu_s --help", "cpu_s python"), unit=" ×"),
)  # fmt: skip

#: Bare limits of the machine, and Nod's cost as a multiple of each.
LIMITS = (
    Row(part="limits", measure="durable commits/s in bare SQLite, one click each", value=_figure("commits_per_s")),
    Row(part="limits", measure="the same, 100 clicks to a commit: clicks/s", value=_figure("grouped_per_s")),
    Row(part="limits", measure="Nod's desk with its store, one click at a time: clicks/s", value=_figure("desk_per_s")),
    Row(part="limits", measure="the same, × bare commits one by one", value=_ratio("desk_per_s", "commits_per_s"), unit=" ×"),
    Row(part="limits", measure="Nod's desk, 100 clicks at once: clicks/s", value=_figure("desk_together_per_s")),
    Row(part="limits", measure="the same, × bare grouped commits", value=_ratio("desk_together_per_s", "grouped_per_s"), unit=" ×"),
    Row(part="limits", measure="the same: CPU for each click", value=_figure("desk_together_cpu_ms"), unit=" ms"),
    Row(part="limits", measure="`json.loads` of 10,000 pending requests: CPU", value=_figure("loads_ms"), unit=" ms"),
    Row(part="limits", measure="one POST with httpx: CPU", value=_figure("post_cpu_ms"), unit=" ms"),
    Row(part="limits", measure="one POST with httpx: p50", value=_figure("post_p50_ms"), unit=" ms"),
    Row(part="relay", measure="`nod relay`: added to each event, 1 stream, median", value=_figure("added_ms.1"), unit=" ms"),
    Row(part="relay", measure="`nod relay`: added to each event, 20 streams, median", value=_figure("added_ms.20"), unit=" ms"),
    Row(part="relay", measure="`nod relay`: a fast stream, × without it", value=_figure("of_direct"), unit=" ×"),
    Row(part="redaction", measure="secrets in 280 kB of rows", value=_figure("rows_ms"), unit=" ms"),
    Row(part="redaction", measure="secrets in 280 kB of script", value=_figure("script_ms"), unit=" ms"),
    Row(part="redaction", measure="secrets in 280 kB of JSON in a text", value=_figure("JSON in a text_ms"), unit=" ms"),
    Row(part="redaction", measure="secrets in 280 kB of base64", value=_figure("base64_ms"), unit=" ms"),
    Row(part="redaction", measure="growth of the worst text that is 4 times as long", value=_figure("growth"), unit=" ×", goal=6),
)  # fmt: skip
