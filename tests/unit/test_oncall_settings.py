"""`oncall:` in nod.yaml and the keys of schedules: taken as written, and nothing wrong is taken."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.settings import Environment, PolicyFile, check_schedule_keys, read_policy_file
from bot.errors import ConfigError
from bot.rotation import Cadence, OnCall, Override, Rotation, ScheduleRef

HEAD = """people: {ann: {email: ann@acme.example}, bob: {email: bob@acme.example}}
groups: {finance: [ann, bob]}
calendar_hosts: [Calendar.acme.example, 127.0.0.1]
routes:
- {name: default, match: {}, cards: [slack:C0A], approvers: [duty], ladder: [{at: 50%, do: ping, who: [duty]}]}
oncall:
"""
BERLIN = ZoneInfo("Europe/Berlin")
TURNS = 'people: [ann, bob], every: week, on: tue, at: "09:30", zone: Europe/Berlin, begins: 2026-01-06'


def read(folder: Path, entry: str, *, name: str = "duty") -> PolicyFile:
    """A file whose entry under `oncall` is on line 7."""
    path = folder / "nod.yaml"
    path.write_text(f"{HEAD}  {name}: {{{entry}}}\n", encoding="utf-8")
    return read_policy_file(path)


def over(who: str, start: str, end: str) -> str:
    return f"{{who: {who}, from: {start}, until: {end}}}"


def test_a_rotation_reaches_the_core(tmp_path: Path) -> None:
    """Who, in which order, from when, and who takes over; the name can be used wherever a group can."""
    first = over("bob", "2026-12-24T09:00:00+01:00", "2026-12-27T09:00:00+01:00")
    second = over("ann", "'2026-12-27T08:00:00Z'", "2026-12-28T00:00:00Z")
    file = read(tmp_path, f"{TURNS}, overrides: [{first}, {second}], otherwise: bob")

    rotation = Rotation(
        people=("ann", "bob"),
        zone=BERLIN,
        cadence=Cadence.WEEKLY,
        at=time(9, 30),
        day=1,
        begins=date(2026, 1, 6),
        overrides=(
            Override(
                who="bob",
                start=datetime(2026, 12, 24, 8, tzinfo=UTC),
                end=datetime(2026, 12, 27, 8, tzinfo=UTC),
            ),
            Override(
                who="ann", start=datetime(2026, 12, 27, 8, tzinfo=UTC), end=datetime(2026, 12, 28, tzinfo=UTC)
            ),
        ),
    )
    assert {"duty": OnCall(name="duty", otherwise="bob", rotation=rotation)} == file.policy.oncall
    assert ("duty",) == file.policy.routes[0].approvers == file.policy.routes[0].ladder[0].who


def test_a_rotation_by_the_day_needs_no_weekday(tmp_path: Path) -> None:
    """Nor an `otherwise`, since it always names a person."""
    entry = 'people: [bob], every: day, at: "00:00", zone: UTC, begins: "2026-01-06"'
    rotation = Rotation(
        people=("bob",), zone=ZoneInfo("UTC"), cadence=Cadence.DAILY, at=time(), begins=date(2026, 1, 6)
    )

    assert (
        OnCall(name="duty", otherwise="bob", rotation=rotation) == read(tmp_path, entry).policy.oncall["duty"]
    )


def test_a_rotation_by_the_week_hands_over_on_mondays(tmp_path: Path) -> None:
    """Unless it names another day."""
    rotation = read(tmp_path, TURNS.replace("on: tue, ", "")).policy.oncall["duty"].rotation

    assert rotation is not None
    assert 0 == rotation.day


@pytest.mark.parametrize(
    ("entry", "kind", "place"),
    [
        ("ical: https://calendar.acme.example/infra.ics", "ical", "https://calendar.acme.example/infra.ics"),
        ("ical: 'https://CALENDAR.acme.example/a?b=c'", "ical", "https://CALENDAR.acme.example/a?b=c"),
        ("ical: http://127.0.0.1:8000/a.ics", "ical", "http://127.0.0.1:8000/a.ics"),
        ("ical: oncall/infra.ics", "ical", "{folder}/oncall/infra.ics"),
        ("ical: /etc/nod/infra.ics", "ical", "/etc/nod/infra.ics"),
        ("pagerduty: P1234AB", "pagerduty", "P1234AB"),
        ("opsgenie: db schedule", "opsgenie", "db schedule"),
        ("opsgenie: 6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e", "opsgenie", "6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e"),
    ],
)
def test_a_schedule_reaches_the_core(tmp_path: Path, entry: str, kind: str, place: str) -> None:
    """Files are relative to nod.yaml, whatever directory Nod was started in; hosts are those of the list."""
    file = read(tmp_path, f"{entry}, otherwise: ann")

    ref = ScheduleRef(kind=kind, id=place.format(folder=tmp_path))
    assert {"duty": OnCall(name="duty", otherwise="ann", schedule=ref)} == file.policy.oncall
    assert ("calendar.acme.example", "127.0.0.1") == file.calendar_hosts


INSTANT = "must be a timestamp with an offset, such as 2026-12-24T09:00:00+01:00"
DEC = [f"2026-12-{day}T09:00:00Z" for day in range(10, 30)]
OVERLAPPING = ", ".join((over("ann", DEC[0], DEC[2]), over("bob", DEC[5], DEC[6]), over("bob", DEC[1], DEC[3])))
BAD_ENTRIES = [
    ("otherwise: ann", "duty needs exactly one of people, ical, pagerduty and opsgenie"),
    (f"{TURNS}, pagerduty: P1234AB", "duty needs exactly one of people, ical"),
    ("ical: a.ics, opsgenie: b, otherwise: ann", "duty needs exactly one of people, ical"),
    ("pagerduty: P1234AB", "oncall.duty.otherwise is missing"),
    ("pagerduty: P1234AB, otherwise: finance", "'finance' is not under people"),
    (f"{TURNS}, otherwise: eve", "'eve' is not under people"),
    (TURNS.replace("bob", "eve"), "'eve' is not under people"),
    (TURNS.replace("bob", "finance"), "'finance' is not under people"),
    (TURNS.replace("bob", "ann"), "'ann' is in the rotation twice"),
    (TURNS.replace("[ann, bob]", "[]"), "oncall.duty.people"),
    (TURNS.replace("every: week, ", ""), "oncall.duty.every is missing"),
    (TURNS.replace("week", "month"), "oncall.duty.every"),
    (TURNS.replace("week", "day"), "oncall.duty.on cannot be used with `every: day`"),
    (TURNS.replace("tue", "tuesday"), "must be a day of the week"),
    (TURNS.replace('at: "09:30", ', ""), "oncall.duty.at is missing"),
    (TURNS.replace('"09:30"', "1030"), "must be a time of day"),
    (TURNS.replace("zone: Europe/Berlin, ", ""), "oncall.duty.zone is missing"),
    (TURNS.replace("Europe/Berlin", "CEST"), "must be an IANA time zone"),
    (TURNS.replace(", begins: 2026-01-06", ""), "oncall.duty.begins is missing"),
    (TURNS.replace("2026-01-06", "2026-01-06T09:00:00Z"), "must be a date, such as 2026-01-05"),
    (TURNS.replace("2026-01-06", "soon"), "must be a date, such as 2026-01-05"),
    (TURNS.replace("2026-01-06", "1"), "must be a date, such as 2026-01-05"),
    (TURNS.replace("2026-01-06", "9999-12-31"), "is too far in the past or future"),
    (TURNS.replace("2026-01-06", "0001-01-01"), "is too far in the past or future"),
    (f"{TURNS}, overrides: [{over('eve', DEC[0], DEC[1])}]", "'eve' is not under people"),
    (f"{TURNS}, overrides: [{over('ann', DEC[1], DEC[1])}]", "ends before it begins"),
    (f"{TURNS}, overrides: [{over('ann', DEC[1], DEC[0])}]", "ends before it begins"),
    (f"{TURNS}, overrides: [{over('ann', '2026-12-24', DEC[1])}]", INSTANT),
    (f"{TURNS}, overrides: [{over('ann', '2026-12-24T09:00:00', DEC[1])}]", INSTANT),
    (f"{TURNS}, overrides: [{over('ann', 'soon', DEC[1])}]", INSTANT),
    (
        f"{TURNS}, overrides: [{over('ann', DEC[0], '9999-12-31T23:00:00-12:00')}]",
        "is too far in the past or future",
    ),
    (
        f"{TURNS}, overrides: [{OVERLAPPING}]",
        "the overrides by ann and bob overlap",
    ),
    (f"{TURNS}, overrides: [{{who: ann, from: {DEC[0]}}}]", "oncall.duty.overrides.0.until is missing"),
    ("pagerduty: P1234AB, otherwise: ann, zone: UTC", "oncall.duty.zone cannot be used with a schedule"),
    ("pagerduty: P1234AB, otherwise: ann, overrides: []", "oncall.duty.overrides cannot be used"),
    ("pagerduty: 'P12/../x', otherwise: ann", "oncall.duty.pagerduty"),
    ("pagerduty: 1234567, otherwise: ann", "oncall.duty.pagerduty"),
    ("opsgenie: ' x', otherwise: ann", "oncall.duty.opsgenie"),
    ("ical: '', otherwise: ann", "oncall.duty.ical"),
    ("ical: https://elsewhere.example/a.ics, otherwise: ann", "elsewhere.example is not under calendar_hosts"),
    ("ical: https://x.calendar.acme.example/a, otherwise: ann", "is not under calendar_hosts"),
    ("ical: http://calendar.acme.example/a.ics, otherwise: ann", "must begin with https://"),
    ("ical: https://ann:pw@calendar.acme.example/a, otherwise: ann", "must be an address such as"),
    ("ical: 'https://calendar.acme.example#@evil.example/', otherwise: ann", "must be an address such as"),
    ("ical: file:///etc/passwd, otherwise: ann", "must be an address such as"),
    ("schedule: P1234AB, otherwise: ann", "unknown setting `schedule`"),
]


@pytest.mark.parametrize(("entry", "what"), BAD_ENTRIES)
def test_an_entry_that_is_wrong_is_named_by_its_line(tmp_path: Path, entry: str, what: str) -> None:
    """Who is on call is never guessed: the line, what is wrong and what to do."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, entry)

    assert what in caught.value.what
    assert caught.value.where.endswith("line 7")
    assert caught.value.fix


def test_overrides_may_follow_one_another(tmp_path: Path) -> None:
    """One ends where the next begins, in whatever order they are written."""
    overrides = f"[{over('ann', DEC[1], DEC[2])}, {over('bob', DEC[0], DEC[1])}]"
    rotation = read(tmp_path, f"{TURNS}, overrides: {overrides}").policy.oncall["duty"].rotation

    assert rotation is not None
    assert ["ann", "bob"] == [one.who for one in rotation.overrides]


@pytest.mark.parametrize(("name", "kind"), [("ann", "person"), ("finance", "group")])
def test_a_name_stands_for_one_thing(tmp_path: Path, name: str, kind: str) -> None:
    """A person, a group and who is on call are named alike wherever they are asked."""
    with pytest.raises(ConfigError, match=f"line 7: '{name}' is also the name of a {kind}"):
        read(tmp_path, TURNS, name=name)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("[ann, bob]}\ncal", "[ann, duty]}\ncal", "'duty' is not under people"),
        ("approvers: [duty]", "approvers: [ann], outsiders: [duty]", "'duty' is not under people"),
        (
            "oncall:",
            "delegations: [{from: duty, to: ann, until: 2026-12-01}]\noncall:",
            "'duty' is not under people",
        ),
        ("approvers: [duty]", "approvers: [duty, ann], quorum: 3", "there are 2 approvers"),
    ],
)
def test_who_is_on_call_stands_where_a_group_may(tmp_path: Path, old: str, new: str, what: str) -> None:
    """Not in a group, not as a guest, not in a delegation; and a rotation has one person on call at a time."""
    path = tmp_path / "nod.yaml"
    path.write_text(f"{HEAD.replace(old, new)}  duty: {{{TURNS}}}\n")

    with pytest.raises(ConfigError, match=what):
        read_policy_file(path)


def test_how_many_a_schedule_names_is_not_known_from_the_file(tmp_path: Path) -> None:
    """So the file does not say that a quorum is too high."""
    path = tmp_path / "nod.yaml"
    path.write_text(
        HEAD.replace("approvers: [duty]", "approvers: [duty], quorum: 3")
        + "  duty: {opsgenie: a, otherwise: ann}\n"
    )

    assert 3 == read_policy_file(path).policy.routes[0].quorum


@pytest.mark.parametrize(
    "host", ["https://calendar.acme.example", "acme.example/x", "acme..example", "*.acme", ""]
)
def test_a_calendar_host_is_a_name(tmp_path: Path, host: str) -> None:
    """No address, and no pattern that lets others in."""
    path = tmp_path / "nod.yaml"
    path.write_text(HEAD.replace("Calendar.acme.example", f"'{host}'") + f"  duty: {{{TURNS}}}\n")

    with pytest.raises(ConfigError, match=r"line 3: calendar_hosts\.0"):
        read_policy_file(path)


def environment(**more: Any) -> Environment:
    return Environment.model_validate({"AIP_API_URL": "http://127.0.0.1:1", "AIP_API_KEY": "k"} | more)


@pytest.mark.parametrize(
    ("entry", "name", "other"),
    [
        ("pagerduty: P1234AB, otherwise: ann", "PAGERDUTY_API_KEY", "OPSGENIE_API_KEY"),
        ("opsgenie: db, otherwise: ann", "OPSGENIE_API_KEY", "PAGERDUTY_API_KEY"),
    ],
)
def test_a_schedule_needs_its_key(tmp_path: Path, entry: str, name: str, other: str) -> None:
    """It is missed when the file is read; without such a schedule nobody needs it."""
    policy = read(tmp_path, entry).policy

    with pytest.raises(ConfigError, match=f"{name} is not set") as caught:
        check_schedule_keys(environment(**{other: "k"}), policy)
    check_schedule_keys(environment(**{name: "k"}), policy)
    check_schedule_keys(environment(), read(tmp_path, TURNS).policy)
    assert "oncall" in caught.value.what


def test_no_key_and_no_heartbeat_shows_where_the_settings_are_printed() -> None:
    """Anyone who knows the heartbeat URL can keep the alarm quiet."""
    url = "https://heartbeat.acme.example/ping/hunter2"
    given = environment(
        PAGERDUTY_API_KEY="hunter2+a",
        OPSGENIE_API_KEY="hunter2-b",
        NOD_HEARTBEAT_URL=url,
        NOD_ALERT_SPOOL="spool",
    )

    assert "hunter2" not in repr(given)
    assert given.heartbeat_url is not None
    assert url == given.heartbeat_url.get_secret_value()
    assert Path("spool") == given.alert_spool
    assert "https://api.pagerduty.com" == given.pagerduty_api_url
