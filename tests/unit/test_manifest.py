"""The Slack manifest is one that Slack takes, and asks for what the code uses: no more, no less."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from adapters.slack import SCOPES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def manifest() -> Any:
    """The manifest as a person would paste it."""
    return yaml.safe_load((ROOT / "manifest.yaml").read_text())


def test_slack_would_take_the_manifest(manifest: Any) -> None:
    """The manifest obeys Slack's published schema, version 2."""
    folder = os.environ.get("NOD_SCHEMAS")
    if not folder:
        pytest.skip("NOD_SCHEMAS names no folder with the published schemas")
    schema = json.loads((Path(folder) / "slack-app-manifest-2.0.0.json").read_text())
    validator = jsonschema.validators.validator_for(schema)
    assert [] == [error.message for error in validator(schema).iter_errors(manifest)]


def test_the_manifest_asks_for_exactly_the_scopes_in_use(manifest: Any) -> None:
    """Whoever installs Nod from the manifest gives it all that it needs and nothing else."""
    assert sorted(SCOPES) == sorted(manifest["oauth_config"]["scopes"]["bot"])


def test_the_app_hears_clicks_and_nothing_else(manifest: Any) -> None:
    """Nod subscribes to no events: it reads no conversation."""
    assert manifest["settings"]["interactivity"]["is_enabled"]
    assert "event_subscriptions" not in manifest["settings"]
