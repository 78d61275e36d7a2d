"""Auto-approval for CI: never without a record, and not where it looks like production, unless said twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from adapters.cli.auto import STAGES, recorded, signs_of_production, with_auto_approval
from adapters.settings import Environment
from bot.errors import ConfigError

HERE = "http://127.0.0.1:8000"
FILE = Path("nod.log")


def environment(url: str = HERE) -> Environment:
    return Environment.model_validate({"AIP_API_URL": url, "AIP_API_KEY": "key"})


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
        ("https://aip.acme.example", {}, "AIP_API_URL is another machine"),
        ("http://10.0.0.7:8000", {}, "AIP_API_URL is another machine"),
        ("http://localhost.acme.example", {}, "AIP_API_URL is another machine"),
    ],
)
def test_production_must_be_said_twice(url: str, variables: Mapping[str, str], sign: str) -> None:
    """It is refused with its signs, and done for whoever says it twice."""
    with pytest.raises(ConfigError) as refused:
        with_auto_approval(environment(url), said=1, record=FILE, variables=variables)

    assert sign in str(refused.value)
    assert "--auto-approve --auto-approve" in str(refused.value)
    assert with_auto_approval(environment(url), said=2, record=FILE, variables=variables).auto_approve


def test_there_is_always_a_record() -> None:
    """Said twice or not: without a file there is no auto-approval."""
    with pytest.raises(ConfigError, match="--log FILE"):
        with_auto_approval(environment(), said=2, record=None, variables={})


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
