"""The JSON Schema of nod.yaml, for editors: current, and never stricter than Nod itself."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from adapters.cli.commands import app
from adapters.settings import models, read_policy_file
from adapters.settings.lines import parse_yaml
from bot.errors import ConfigError
from tests.contract.test_book_fuzz import WHOLE, a_file

ROOT = Path(__file__).parents[2]
COPY = Path(models.__file__).with_name("nod.schema.json")
VALIDATOR = jsonschema.Draft7Validator(json.loads(COPY.read_text()))


def test_the_copy_is_what_the_command_prints() -> None:
    """Made from the models that read the file: `nod policy schema > adapters/settings/nod.schema.json`."""
    assert COPY.read_text() == CliRunner().invoke(app, ["policy", "schema"]).stdout


def test_it_is_a_schema() -> None:
    """Of the draft that it names, which editors know."""
    jsonschema.Draft7Validator.check_schema(VALIDATOR.schema)
    assert VALIDATOR.schema["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("path", [path for path in ROOT.glob("*/*.yaml") if "routes:" in path.read_text()])
def test_the_policies_of_the_repository_keep_to_it(path: Path) -> None:
    """The demo's, and whatever comes to be beside it; those of the pages are in tests/test_docs.py."""
    assert [] == list(VALIDATOR.iter_errors(parse_yaml(path.read_bytes(), path)[0]))


def test_a_file_that_says_everything_keeps_to_it() -> None:
    """With a section that is set aside for anchors."""
    assert [] == list(VALIDATOR.iter_errors(WHOLE | {"x-people": [1, {"a": None}]}))


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"polls_every": "2s"}, ""),
        ({"poll_every": 2}, "poll_every"),
        ({"poll_every": "2 weeks"}, "poll_every"),
        ({"people": {"ann": {"slak": "U0ABC"}}}, "people/ann"),
        ({"routes": []}, "routes"),
        ({"routes": [{**WHOLE["routes"][1], "cards": ["C0A"]}]}, "routes/0/cards/0"),
        ({"routes": [{**WHOLE["routes"][1], "match": {"tol": "x"}}]}, "routes/0/match"),
        ({"routes": [{**WHOLE["routes"][1], "ladder": [{"at": "0.5", "do": "ping"}]}]}, "routes/0/ladder/0/at"),
        ({"routes": [{**WHOLE["routes"][1], "ladder": [{"at": "50%", "do": "call"}]}]}, "routes/0/ladder/0/do"),
        ({"routes": [{**WHOLE["routes"][1], "reason": {"denied": "required"}}]}, "routes/0/reason"),
    ],
)
def test_an_editor_underlines_what_is_wrong(settings: dict[str, Any], where: str) -> None:
    """At its place, while it is being written."""
    found = {"/".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(WHOLE | settings)}

    assert {where} == found


def judged(seed: int, cases: int, folder: Path) -> Counter[tuple[bool, bool]]:
    """How often each pair of verdicts came, the schema's and Nod's, for files with something changed."""
    dice, path, seen = random.Random(seed), folder / "nod.yaml", Counter[tuple[bool, bool]]()
    for _ in range(cases):
        content = a_file(dice)
        try:
            value, _lines = parse_yaml(content, path)
        except ConfigError:
            continue  # no YAML for the one or the other
        path.write_bytes(content)
        try:
            taken = bool(read_policy_file(path))
        except ConfigError:
            taken = False
        keeps = VALIDATOR.is_valid(value)
        assert keeps or not taken, (next(VALIDATOR.iter_errors(value)).message[:500], content[:2000])
        seen[keeps, taken] += 1
    return seen


def test_what_the_schema_refuses_nod_refuses_too(tmp_path: Path) -> None:
    """An editor that underlines nothing good can be believed."""
    seen = judged(7, 25, tmp_path)

    assert seen[True, True]
    assert seen[False, False]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_what_the_schema_refuses_nod_refuses_too_at_length(tmp_path: Path, seed: int) -> None:
    """The same with many files."""
    assert judged(seed, 3_000, tmp_path)[True, True] > 100
