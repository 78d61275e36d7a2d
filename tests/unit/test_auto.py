"""Auto-approval for CI: never without a record, and not where it looks like production, unless said twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from adapters.cli.run import STAGES, recorded, signs_of_production, with_auto_approval
from adapters.settings import Environment
from bot.errors import ConfigError

HERE = "http://127.0.0.1:8000"
FILE = Path("nod.log")


def environment(url: str = HERE, variable: str = "") -> Environment:
    given = {"AIP_API_URL": url, "AIP_API_KEY": "key", "GLAIP_HITL_AUTO_APPROVE": variable}
    return Environment.model_validate(given)


@pytest.mark.parametrize("url", [HERE, "http://localhost", "https://[::1]:8000/aip"])
@pytest.mark.parametrize(
    "variables", [{}, {"NOD_ENV": "test"}, {"ENVIRONMENT": "ci"}, {"STAGE": "reproduction"}]
)
def test_a_test_run_may(url: str, variables: Mapping[str, str]) -> None:
    """On this machine, with nothing that says production, once is enough."""
    assert () == signs_of_production(url, variables=variables)
    assert with_auto_approval(environment(url), said=1, record=FILE, variables=variables).auto_approve


@pytest.mark.parametrize(
    ("url", "variables", "sign"),
    [
        *((HERE, {name: "production"}, f"{name} says so") for name in STAGES),
        (HERE, {"NOD_ENV": " PROD-eu "}, "NOD_ENV says so"),
        (HERE, {"ENV": "live"}, "ENV says so"),
        (HERE, {"STAGE": "prd"}, "STAGE says so"),
        ("https://aip.acme.example", {}, "AIP_API_URL points to another machine"),
        ("http://10.0.0.7:8000", {}, "AIP_API_URL points to another machine"),
        ("http://localhost.acme.example", {}, "AIP_API_URL points to another machine"),
    ],
)
def test_production_must_be_said_twice(url: str, variables: Mapping[str, str], sign: str) -> None:
    """It is refused with its signs, and done if it is said twice."""
    with pytest.raises(ConfigError) as refused:
        with_auto_approval(environment(url), said=1, record=FILE, variables=variables)

    assert sign in str(refused.value)
    assert "--auto-approve --auto-approve" in str(refused.value)
    assert with_auto_approval(environment(url), said=2, record=FILE, variables=variables).auto_approve


@pytest.mark.parametrize(("said", "variable"), [(1, ""), (2, ""), (0, "true"), (1, "TRUE")])
def test_there_is_always_a_record(said: int, variable: str) -> None:
    """However it is said, and how often: without a file there is no auto-approval."""
    with pytest.raises(ConfigError, match="--log FILE"):
        with_auto_approval(environment(variable=variable), said=said, record=None, variables={})
    assert with_auto_approval(environment(variable=variable), said=said, record=FILE, variables={}).auto_approve


@pytest.mark.parametrize(("said", "variable"), [(1, ""), (0, "true")])
def test_the_variable_counts_once(said: int, variable: str) -> None:
    """In production it needs the option besides, as the option needs a second one."""
    production = {"NOD_ENV": "production"}
    with pytest.raises(ConfigError, match="looks like production"):
        with_auto_approval(environment(variable=variable), said=said, record=FILE, variables=production)
    both = with_auto_approval(environment(variable="true"), said=1, record=FILE, variables=production)
    assert both.auto_approve


@pytest.mark.parametrize("variable", ["", "false"])
def test_nobody_said_so(variable: str) -> None:
    """Then nothing is needed, and people are asked."""
    usual = environment("https://aip.acme.example", variable)

    assert usual == with_auto_approval(usual, said=0, record=None, variables={"NOD_ENV": "production"})


def test_a_record_has_a_line_for_each_event(tmp_path: Path) -> None:
    """JSON lines, added to what is there."""
    path = tmp_path / "nod.log"
    path.write_text("{}\n")

    with recorded(path) as record:
        assert {"event": "x", "number": 1} == record(None, "info", {"event": "x", "number": 1})

    assert [{}, {"event": "x", "number": 1}] == [json.loads(line) for line in path.read_text().splitlines()]


def test_a_record_that_cannot_be_begun(tmp_path: Path) -> None:
    """It is said before anything runs."""
    with pytest.raises(ConfigError, match="--log"), recorded(tmp_path / "nowhere" / "nod.log"):
        pass


def test_a_record_that_breaks_stops_the_bot() -> None:
    """A full disk ends it, once and in order: nothing is approved without a record."""
    stops: list[str] = []

    def broken() -> None:
        with recorded(Path("/dev/full"), stop=lambda: stops.append("stop")) as record:
            for _ in range(2):
                record(None, "info", {"event": "x"})

    with pytest.raises(ConfigError, match="/dev/full"):
        broken()
    assert ["stop"] == stops
