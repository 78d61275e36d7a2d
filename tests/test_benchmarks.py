"""`make bench` still works: as little as possible of it runs, and its table is written."""

from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS, Kept, measure
from benchmarks.bots import NAIVE, NOD
from benchmarks.burst import burst
from benchmarks.page import BEGIN, END, tables, write
from benchmarks.rows import LIMITS, ROWS
from benchmarks.sizes import SMOKE

#: These rows name a count that the smoke does not reach, need the platform's own client, or two parts.
NOT_IN_THE_SMOKE = ("handler", "the SDK's handler", "2,000 clicks")


@pytest.mark.parametrize("module", [NAIVE, NOD])
async def test_a_burst_is_measured(module: str) -> None:
    """Either bot shows each card and carries each click, and all of it is counted."""
    found = await burst(module, cards=SMOKE.cards, clicks=SMOKE.clicks, sizes=SMOKE)

    assert (0, 0, 0) == (found["cards_missing"], found["decisions_missing"], found["refused"])
    assert found["cards_per_s"] > 0
    assert found["decision_p99_ms"] > 0


def test_the_table_has_a_verdict_for_each_goal(tmp_path: Path) -> None:
    """What is better, what is worse, and what has no goal; the words around the table stay."""
    row = next(row for row in ROWS if row.goal == 3.5)
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    each = [{"nod.cpu_ms_per_card": value, "naive.cpu_ms_per_card": 0.5} for value in (3.0, 9.0, 2.0)]

    write(page, tables({"burst": each}, version="1234567", loads=[0.5]))

    text = page.read_text()
    assert f"| {row.measure} | 3 ms | 0.5 ms | ≤ 3.5 ms, ≤ 1.4 ms | reached | 3 |" in text
    assert ["**missed**", "better than the stretch goal"] == [row.verdict(value) for value in (4.0, 1.0)]
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text


async def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    """A run that was stopped goes on where it was."""
    file = tmp_path / "kept.json"
    Kept.of(file).add("starts", {"ready_s": 1.0})

    await measure(["starts"], runs=1, sizes=SMOKE, kept=Kept.of(file))

    assert [{"ready_s": 1.0}] == Kept.of(file).runs["starts"]


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
async def test_each_part_has_the_figures_of_its_rows(part: str) -> None:
    """No row of the table asks for what its part does not measure."""
    found = await PARTS[part](SMOKE)

    rows = [
        row for row in (*ROWS, *LIMITS) if row.part == part and not row.measure.startswith(NOT_IN_THE_SMOKE)
    ]
    assert [] == [row.measure for row in rows if row.of(found) is None]
    assert [] == [row.naive for row in rows if row.naive and row.naive not in found]
