"""`ladder:`, `hours:`, `claim:` and `flood:` in nod.yaml: taken as written, and nothing wrong is taken."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.settings import read_policy_file
from bot.errors import ConfigError
from bot.hours import Hours, Keep
from bot.ladder import Action, Rung
from bot.policy import Policy
from bot.surface import Destination, Surface

#: The rungs begin on line 8, and whatever follows the routes comes behind them.
FILE = """people: {{ann: {{email: ann@acme.example}}, bob: {{email: bob@acme.example}}}}
groups: {{finance: [ann, bob]}}
hours: {{office: {{zone: Europe/Berlin, from: "09:00", to: "17:30"}}}}
routes:
- name: default
  match: {{}}
  cards: [slack:C0A]
{route}  approvers: [ann]
{rest}"""
OFFICE = Hours(
    name="office",
    zone=ZoneInfo("Europe/Berlin"),
    days=frozenset(range(7)),
    start=time(9),
    end=time(17, 30),
)


def read(folder: Path, *, route: str = "", rest: str = "") -> Policy:
    path = folder / "nod.yaml"
    path.write_text(FILE.format(route=route, rest=rest), encoding="utf-8")
    return read_policy_file(path).policy


def laddered(folder: Path, *rungs: str) -> tuple[Rung, ...]:
    """The rungs, of which the first is on line 9."""
    lines = "".join(f"  - {{{rung}}}\n" for rung in rungs)
    return read(folder, route=f"  ladder:\n{lines}").routes[0].ladder


def slack(channel: str) -> Destination:
    return Destination(surface=Surface.SLACK, channel=channel)


def test_every_rung_reaches_the_core(tmp_path: Path) -> None:
    """What it does, when, who it names, where, and in which hours."""
    rungs = laddered(
        tmp_path,
        "at: 40%, do: remind",
        "at: 65%, do: ping, who: [finance, ann, ann], during: office",
        "at: 70.5%, do: ping, who: [bob], outside: office",
        "at: 75%, do: widen, who: [bob], cards: [slack:C0CFO, slack:C0CFO]",
        "at: 80%, do: widen, who: [finance]",
        "at: 85%, do: page",
        "at: 86%, do: page, who: [bob]",
        "at: 90%, do: fallback, cards: [slack:C0OTHER]",
    )

    assert (
        Rung(action=Action.REMIND, share=0.4),
        Rung(action=Action.PING, share=0.65, who=("finance", "ann"), hours=OFFICE),
        Rung(action=Action.PING, share=0.705, who=("bob",), hours=OFFICE, keep=Keep.OUTSIDE),
        Rung(action=Action.WIDEN, share=0.75, who=("bob",), cards=(slack("C0CFO"),)),
        Rung(action=Action.WIDEN, share=0.8, who=("finance",)),
        Rung(action=Action.PAGE, share=0.85),
        Rung(action=Action.PAGE, share=0.86, who=("bob",)),
        Rung(action=Action.FALLBACK, share=0.9, cards=(slack("C0OTHER"),)),
    ) == rungs


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("60s before", timedelta(seconds=60)),
        ("1.5m  before", timedelta(seconds=90)),
        ("2h before", timedelta(hours=2)),
        ("366d before", timedelta(days=366)),
    ],
)
def test_a_rung_may_count_from_the_deadline(tmp_path: Path, written: str, length: timedelta) -> None:
    """However long the window is."""
    assert (Rung(action=Action.REMIND, before=length),) == laddered(tmp_path, f"at: {written}, do: remind")


def test_a_ladder_with_lengths_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    """Which of a share and a length comes first depends on the window; shares alone are sorted."""
    mixed = laddered(
        tmp_path,
        "at: 60s before, do: remind",
        "at: 75%, do: remind",
        "at: 40%, do: remind",
        "at: 75%, do: page",
    )
    shares = laddered(tmp_path, "at: 75%, do: remind", "at: 40%, do: remind", "at: 75%, do: page")

    assert [None, 0.75, 0.4, 0.75] == [rung.share for rung in mixed]
    assert [(0.4, Action.REMIND), (0.75, Action.REMIND), (0.75, Action.PAGE)] == [
        (rung.share, rung.action) for rung in shares
    ]


WHEN = "must be a percentage of the window, such as 65%, or a time before the deadline, such as 60s before"
BAD_RUNGS = [
    ("at: 0%, do: remind", WHEN),
    ("at: 100%, do: remind", WHEN),
    ("at: 0.4, do: remind", WHEN),
    ("at: 60s, do: remind", WHEN),
    ("at: 0s before, do: remind", WHEN),
    ("at: -60s before, do: remind", WHEN),
    ("at: 60 before, do: remind", WHEN),
    ("at: 367d before, do: remind", WHEN),
    ("at: 99999999999d before, do: remind", WHEN),
    ("at: 50% before, do: remind", WHEN),
    ("do: remind", "routes.0.ladder.0.at is missing"),
    ("at: 50%", "routes.0.ladder.0.do is missing"),
    ("at: 50%, do: shout", "routes.0.ladder.0.do"),
    ("at: 50%, do: last_call", "routes.0.ladder.0.do"),
    ("at: 50%, do: redraw", "routes.0.ladder.0.do"),
    ("at: 50%, do: ping", "routes.0.ladder.0.who is missing"),
    ("at: 50%, do: ping, who: []", "routes.0.ladder.0.who is missing"),
    ("at: 50%, do: widen, cards: [slack:C0B]", "routes.0.ladder.0.who is missing"),
    ("at: 50%, do: remind, who: [ann]", "remind takes no `who`"),
    ("at: 50%, do: fallback, who: [ann], cards: [slack:C0B]", "fallback takes no `who`"),
    ("at: 50%, do: fallback", "routes.0.ladder.0.cards is missing"),
    ("at: 50%, do: remind, cards: [slack:C0B]", "remind takes no `cards`"),
    ("at: 50%, do: ping, who: [ann], cards: [slack:C0B]", "ping takes no `cards`"),
    ("at: 50%, do: page, cards: [slack:C0B]", "page takes no `cards`"),
    ("at: 50%, do: fallback, cards: ['slack:#b']", "must be a channel by its id"),
    ("at: 50%, do: ping, who: [eve]", "'eve' is not under people or groups"),
    ("at: 50%, do: page, who: [eve]", "'eve' is not under people or groups"),
    ("at: 50%, do: remind, during: night", "'night' is not under hours"),
    ("at: 50%, do: remind, outside: night", "'night' is not under hours"),
    ("at: 50%, do: remind, during: office, outside: office", "`during` or `outside`"),
    ("at: 50%, do: remind, hours: office", "unknown setting `hours`"),
]


@pytest.mark.parametrize(("rung", "what"), BAD_RUNGS)
def test_a_rung_that_is_wrong_is_named_by_its_line(tmp_path: Path, rung: str, what: str) -> None:
    """A rung that would reach nobody, or do something else than it says, is refused with what to do."""
    with pytest.raises(ConfigError) as caught:
        laddered(tmp_path, rung)

    assert what in caught.value.what
    assert caught.value.where.endswith("line 9")
    assert caught.value.fix


def test_a_ladder_has_an_end(tmp_path: Path) -> None:
    """The numbers of written rungs end before those of rungs that are in no ladder."""
    assert 20 == len(laddered(tmp_path, *["at: 50%, do: remind"] * 20))
    with pytest.raises(ConfigError, match="at most 20"):
        laddered(tmp_path, *["at: 50%, do: remind"] * 21)


def test_claim_and_flood_are_read(tmp_path: Path) -> None:
    """A fifth of what is left and thirty cards, unless the file says otherwise."""
    usual, own = read(tmp_path), read(tmp_path, route="  claim: 50%\n", rest="flood: 7\n")

    assert (0.2, 30) == (usual.routes[0].claim, usual.flood)
    assert (0.5, 7) == (own.routes[0].claim, own.flood)


@pytest.mark.parametrize("claim", ["0%", "100%", "0.2", "60s"])
def test_a_claim_is_a_share(tmp_path: Path, claim: str) -> None:
    """Of the time that is left: neither none of it nor all of it."""
    with pytest.raises(ConfigError, match=r"line 8: routes\.0\.claim must be a percentage between 0% and 100%"):
        read(tmp_path, route=f"  claim: {claim}\n")


@pytest.mark.parametrize("flood", ["0", "1001", "true", "'30'", "-1", "1.5"])
def test_a_flood_is_a_number_of_cards(tmp_path: Path, flood: str) -> None:
    """From 1 to 1000."""
    with pytest.raises(ConfigError, match="line 9: flood must be "):
        read(tmp_path, rest=f"flood: {flood}\n")


def test_hours_are_read(tmp_path: Path) -> None:
    """Days, local times and the zone; without days, all of them; the end may be on the next day."""
    hours = (
        'zone: America/New_York, days: [sat, mon], from: "22:00", to: "07:00"',
        'zone: UTC, from: "00:00", to: "00:00"',
    )
    rungs = []
    for text in hours:
        path = tmp_path / "nod.yaml"
        route = "  ladder: [{at: 50%, do: remind, outside: office}]\n"
        path.write_text(FILE.format(route=route, rest="").replace(OFFICE_TEXT, text))
        rungs.append(read_policy_file(path).policy.routes[0].ladder[0].hours)

    night = Hours(
        name="office",
        zone=ZoneInfo("America/New_York"),
        days=frozenset({0, 5}),
        start=time(22),
        end=time(7),
    )
    always = Hours(name="office", zone=ZoneInfo("UTC"), days=frozenset(range(7)), start=time(), end=time())
    assert [night, always] == rungs


OFFICE_TEXT = 'zone: Europe/Berlin, from: "09:00", to: "17:30"'
ZONE = "must be an IANA time zone, such as Europe/Berlin"
TIME = "must be a time of day, such as 09:00"
BAD_HOURS = [
    *((f'zone: {zone}, from: "09:00", to: "17:30"', ZONE) for zone in ("Berlin", "Europe", "+01:00", "''")),
    *(
        (f'zone: {zone}, from: "09:00", to: "17:30"', ZONE)
        for zone in (
            "Mars/Olympus",
            "localtime",
            "posix/UTC",
            "../etc/passwd",
            "1",
            "Europe/Berlin/",
            "x" * 300,
        )
    ),
    ('from: "09:00", to: "17:30"', "hours.office.zone is missing"),
    ('zone: UTC, to: "17:30"', "hours.office.from is missing"),
    ('zone: UTC, from: "09:00"', "hours.office.to is missing"),
    ('zone: UTC, from: "09:00", to: 9:00', TIME),
    ('zone: UTC, from: "09:00", to: 1050', TIME),  # what YAML 1.1 makes of 17:30
    ('zone: UTC, from: "9:00", to: "17:30"', TIME),
    ('zone: UTC, from: "09:00", to: "24:00"', TIME),
    ('zone: UTC, from: "09:00", to: "17:60"', TIME),
    ('zone: UTC, from: "09:00", to: "17:30:00"', TIME),
    ('zone: UTC, days: [], from: "09:00", to: "17:30"', "hours.office.days"),
    ('zone: UTC, days: [monday], from: "09:00", to: "17:30"', "must be a day of the week: mon, tue"),
    ('zone: UTC, days: [0], from: "09:00", to: "17:30"', "must be a day of the week"),
    ('zone: UTC, days: [[mon]], from: "09:00", to: "17:30"', "must be a day of the week"),
    ('zone: UTC, start: "09:00", to: "17:30"', "hours.office."),
]


@pytest.mark.parametrize(("text", "what"), BAD_HOURS)
def test_hours_that_are_wrong_are_named_by_their_line(tmp_path: Path, text: str, what: str) -> None:
    """A time or zone that is guessed at would ping people at night."""
    path = tmp_path / "nod.yaml"
    path.write_text(FILE.format(route="", rest="").replace(OFFICE_TEXT, text))

    with pytest.raises(ConfigError) as caught:
        read_policy_file(path)

    assert what in caught.value.what
    assert caught.value.where.endswith("line 3")
    assert caught.value.fix
