"""The Slack manifest is one that Slack takes, asks for what the code uses, and its link carries all of it."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from adapters.cli.commands import app
from adapters.cli.manifest import slack_manifest
from adapters.slack import SCOPES
from bot.errors import ConfigError

ROOT = Path(__file__).parents[2]


REQUEST_URL = "https://nod.acme.example/slack/events"
NO_REQUEST_URL = ["http://127.0.0.1:3000/slack/events", "nod.acme.example", "https://nod.acme.example/", ""]


@pytest.fixture
def manifest() -> Any:
    """The manifest as a person would paste it."""
    return yaml.safe_load((ROOT / "manifest.yaml").read_text())


def printed(*options: str) -> tuple[Any, Any]:
    """What `nod manifest slack` prints: the manifest, and the one that its link carries."""
    run = CliRunner().invoke(app, ["manifest", "slack", *options])
    assert 0 == run.exit_code, run.output
    (link,) = [line.removeprefix("# ") for line in run.output.splitlines() if "?new_app=1" in line]
    assert link.startswith("https://api.slack.com/apps?new_app=1&manifest_json=%7B")
    return yaml.safe_load(run.output), json.loads(parse_qs(urlsplit(link).query)["manifest_json"][0])


@pytest.mark.parametrize("request_url", [None, REQUEST_URL])
def test_slack_would_take_the_manifest(request_url: str | None) -> None:
    """Both manifests obey Slack's published schema, version 2."""
    folder = os.environ.get("NOD_SCHEMAS")
    if not folder:
        pytest.skip("NOD_SCHEMAS names no folder with the published schemas")
    schema = json.loads((Path(folder) / "slack-app-manifest-2.0.0.json").read_text())
    validator = jsonschema.validators.validator_for(schema)
    manifest = yaml.safe_load(slack_manifest(request_url))
    assert [] == [error.message for error in validator(schema).iter_errors(manifest)]


@pytest.mark.parametrize("options", [(), ("--socket-mode",)])
def test_socket_mode_is_the_default(manifest: Any, options: tuple[str, ...]) -> None:
    """Nothing has to reach Nod from outside, and the link creates the very app that is printed."""
    shown, linked = printed(*options)

    assert manifest == shown == linked
    assert shown["settings"]["socket_mode_enabled"]
    assert "request_url" not in shown["settings"]["interactivity"]


def test_a_request_url_is_for_clicks_over_http(manifest: Any) -> None:
    """It differs from the one for Socket Mode in these two settings, and in nothing else."""
    shown, linked = printed("--request-url", REQUEST_URL)

    assert shown == linked
    settings = manifest["settings"]
    settings["socket_mode_enabled"] = False
    settings["interactivity"]["request_url"] = REQUEST_URL
    assert manifest == shown


@pytest.mark.parametrize("request_url", NO_REQUEST_URL)
def test_an_address_that_slack_cannot_post_to_is_refused(request_url: str) -> None:
    """Slack would say so only once the app is there."""
    with pytest.raises(ConfigError, match="--request-url"):
        slack_manifest(request_url)


@pytest.mark.parametrize(
    "options", [("slack", "--socket-mode", "--request-url", REQUEST_URL), ("teams", "--socket-mode")]
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...]) -> None:
    """Neither of them would be what was asked for."""
    assert isinstance(CliRunner().invoke(app, ["manifest", *options]).exception, ConfigError)


def test_a_file_gets_the_manifest_and_the_screen_the_link(tmp_path: Path) -> None:
    """The file's content can be pasted unchanged."""
    run = CliRunner().invoke(app, ["manifest", "slack", "--out", str(tmp_path / "slack.yaml")])

    assert slack_manifest() == (tmp_path / "slack.yaml").read_text()
    assert "https://api.slack.com/apps?new_app=1" in run.output


def test_the_manifest_asks_for_exactly_the_scopes_in_use(manifest: Any) -> None:
    """Installing Nod from the manifest gives it all that it needs and nothing else."""
    assert sorted(SCOPES) == sorted(manifest["oauth_config"]["scopes"]["bot"])


def test_the_app_hears_clicks_and_nothing_else(manifest: Any) -> None:
    """Nod subscribes to no events: it reads no conversation."""
    assert manifest["settings"]["interactivity"]["is_enabled"]
    assert "event_subscriptions" not in manifest["settings"]
