"""Settings are read strictly: what is wrong is named by its place, with what to do, and no secret is shown."""

from datetime import timedelta
from pathlib import Path

import pytest

from adapters.plugins import read_chats
from adapters.settings import Environment, PolicyFile, read_environment, read_policy_file
from bot.errors import ConfigError
from bot.protocol import HITLDecision
from bot.routing import ReasonRule
from bot.surface import Destination, Surface

SECRET = "hunter2hunter2hunter2"
GOOD = {
    "AIP_API_URL": "http://localhost:8000",
    "AIP_API_KEY": SECRET,
    "SLACK_BOT_TOKEN": f"xoxb-{SECRET}",
    "SLACK_SIGNING_SECRET": SECRET,
}


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which every setting is good, whatever the machine's own says."""
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_good_environment_is_read_with_its_defaults(surroundings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Four variables are enough for Slack over HTTP; the rest has defaults."""
    environment = read_environment()
    chats = read_chats(environment, on_slack(tmp_path))

    assert {Surface.SLACK} == chats.keys()

    assert "sqlite:///nod.db" == environment.database_url
    assert ("127.0.0.1", 3000) == (environment.host, environment.port)
    assert Path("nod.yaml") == environment.config
    assert SECRET == environment.aip_api_key.get_secret_value()


def test_printing_the_settings_shows_no_secret(surroundings: pytest.MonkeyPatch) -> None:
    """Printing or logging the settings by mistake gives nothing away."""
    assert SECRET not in repr(read_environment())


def test_socket_mode_needs_no_signing_secret(surroundings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With an app token clicks come over the socket, where nothing is signed."""
    surroundings.delenv("SLACK_SIGNING_SECRET")
    surroundings.setenv("SLACK_APP_TOKEN", f"xapp-{SECRET}")

    environment = read_environment()

    assert {Surface.SLACK} == read_chats(environment, on_slack(tmp_path)).keys()
    assert environment.slack_signing_secret is None
    assert environment.slack_app_token is not None


BAD_ENVIRONMENTS = [
    ("AIP_API_URL", None, "is not set", "platform's address"),
    ("AIP_API_URL", "", "is not set", "platform's address"),
    ("AIP_API_URL", f"ftp://{SECRET}", "must begin with http", "platform's address"),
    ("AIP_API_KEY", None, "is not set", "API key"),
    ("AIP_API_KEY", "", "is not set", "API key"),
    ("SLACK_BOT_TOKEN", f"xoxp-{SECRET}", "must begin with xoxb-", "OAuth & Permissions"),
    ("SLACK_BOT_TOKEN", SECRET, "must begin with xoxb-", "OAuth & Permissions"),
    ("SLACK_SIGNING_SECRET", SECRET[:15], "is too short (16", "Basic Information"),
    ("SLACK_APP_TOKEN", f"xoxb-{SECRET}", "must begin with xapp-", "connections:write"),
    ("SLACK_API_URL", f"slack.com/{SECRET}", "must begin with http", "Unset it"),
    ("NOD_PORT", f"{SECRET}", "must be a whole number", "free port"),
    ("NOD_PORT", "65536", "must be at most 65535", "free port"),
    ("NOD_PORT", "-1", "must be at least 0", "free port"),
    ("NOD_KEEP_ALIVE", "4", "must be at least 5", "seconds"),
    ("NOD_LOG_FORMAT", SECRET, "must be auto, json or text", "auto, json or text"),
]


@pytest.mark.parametrize(("name", "value", "what", "fix"), BAD_ENVIRONMENTS)
def test_a_bad_variable_is_named_with_its_fix_and_without_its_value(
    surroundings: pytest.MonkeyPatch, name: str, value: str | None, what: str, fix: str
) -> None:
    """The one line that an operator gets names the variable and what to do, and can be pasted anywhere."""
    surroundings.delenv(name, raising=False)
    if value is not None:
        surroundings.setenv(name, value)

    with pytest.raises(ConfigError) as caught:
        read_environment()

    assert name == caught.value.where
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert SECRET[:15] not in str(caught.value)
    assert caught.value.__suppress_context__  # pydantic's own error holds the value


@pytest.mark.parametrize(
    ("missing", "told"),
    [("SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN"), ("SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN")],
)
def test_without_a_chat_there_is_no_start(
    surroundings: pytest.MonkeyPatch, missing: str, told: str, tmp_path: Path
) -> None:
    """Without a token nobody would see a card, without a secret or a socket no click could be believed."""
    surroundings.delenv(missing)

    with pytest.raises(ConfigError) as caught:
        read_chats(read_environment(), on_slack(tmp_path))

    assert told == caught.value.where


HEAD = "people: {ann: {email: ann@acme.example}}\n"
LAST = "- {name: default, match: {}, cards: [slack:C0A], approvers: [ann]}\n"
ROUTES = f"routes:\n{LAST}"


def on_slack(folder: Path) -> PolicyFile:
    """A file with one channel of Slack."""
    path = folder / "nod.yaml"
    path.write_text(HEAD + ROUTES)
    return read_policy_file(path)


BAD_FILES = [
    ("a tab", "people:\n\tann: {}\n", 2, "is indented with a tab", "Use spaces"),
    ("an open bracket", f"{HEAD}routes: [\n", 3, "is not valid YAML", "Check this line"),
    ("nothing", "", None, "people is missing", "Add it"),
    ("a list", "- people\n", 1, "the file", "Correct it"),
    ("a key twice", f"{HEAD}{HEAD}{ROUTES}", 2, "'people' is given twice", "Keep one"),
    ("no people", ROUTES, 1, "people is missing", "Add it"),
    ("no routes", HEAD, 1, "routes is missing", "Add it"),
    ("routes without one", f"{HEAD}routes: []\n", 2, "routes is empty", "Correct it"),
    (
        "an unknown key",
        f"{HEAD}quorum: 2\n{ROUTES}",
        2,
        "unknown setting `quorum`",
        "Valid settings here: sources, poll_every",
    ),
    (
        "an unknown key of a route",
        f"{HEAD}routes:\n- name: default\n  match: {{}}\n  cards: [slack:C0A]\n  quota: 2\n  approvers: []\n",
        6,
        "unknown setting `quota`",
        "Valid settings here: name, match",
    ),
    ("no unit", f"poll_every: 2\n{HEAD}{ROUTES}", 1, "must be a duration", "Correct it"),
    ("another unit", f"poll_every: 2 weeks\n{HEAD}{ROUTES}", 1, "must be a duration", "Correct it"),
    ("no address", f"people:\n  ann:\n    email: ann\n{ROUTES}", 3, "people.ann.email", "Correct it"),
    ("no user id", f"people:\n  ann:\n    slack: '@ann'\n{ROUTES}", 3, "people.ann.slack", "Correct it"),
    ("a channel's name", f"{HEAD}alerts: ['slack:#alerts']\n{ROUTES}", 2, "channel by its id", "Correct it"),
    ("another chat", f"{HEAD}alerts: ['discord:C0A']\n{ROUTES}", 2, "channel by its id", "Correct it"),
    ("a stranger in a group", f"{HEAD}groups:\n  ops:\n  - bob\n{ROUTES}", 4, "'bob' is not under", "Add"),
    (
        "a group named as a person",
        f"{HEAD}groups: {{ann: [ann]}}\n{ROUTES}",
        2,
        "is also the name of a person",
        "Rename",
    ),
    (
        "a stranger among approvers",
        f"{HEAD}routes:\n- name: default\n  match: {{}}\n  cards: [slack:C0A]\n  approvers: [bob]\n",
        6,
        "'bob' is not under people or groups",
        "Add it under people",
    ),
    (
        "a stranger on the ladder",
        f"{HEAD}{ROUTES.replace('[ann]}', '[ann], ladder: [{at: 50%, do: ping, who: [bob]}]}')}",
        3,
        "'bob' is not under people or groups",
        "Add it under people",
    ),
    ("two routes of one name", f"{HEAD}routes:\n{LAST}{LAST}", 4, "a second route", "Rename"),
    (
        "no default",
        f"{HEAD}routes:\n- {{name: all, match: {{}}, cards: [slack:C0A], approvers: [ann]}}\n",
        3,
        "last route must be named default",
        "Add `- name: default`",
    ),
    (
        "a default that does not take all",
        f"{HEAD}routes:\n- {{name: default, match: {{tool: 'x*'}}, cards: [slack:C0A], approvers: [ann]}}\n",
        3,
        "last route must be named default",
        "Add `- name: default`",
    ),
    ("no channel", f"{HEAD}{ROUTES.replace('slack:C0A', '')}", 3, "routes.0.cards", "Correct it"),
    ("no match", f"{HEAD}{ROUTES.replace('match: {}, ', '')}", 3, "routes.0.match is missing", "Add it"),
    (
        "no approvers",
        f"{HEAD}{ROUTES.replace(', approvers: [ann]', '')}",
        3,
        "routes.0.approvers is missing",
        "Add it",
    ),
    (
        "the whole window",
        f"{HEAD}{ROUTES.replace('[ann]}', '[ann], ladder: [{at: 100%, do: ping, who: [ann]}]}')}",
        3,
        "must be a percentage of the window",
        "Correct it",
    ),
    (
        "another rung",
        f"{HEAD}{ROUTES.replace('[ann]}', '[ann], ladder: [{at: 50%, do: call, who: [ann]}]}')}",
        3,
        "routes.0.ladder.0.do",
        "Correct it",
    ),
    (
        "a fourth decision",
        f"{HEAD}{ROUTES.replace('[ann]}', '[ann], reason: {denied: required}}')}",
        3,
        "routes.0.reason.denied",
        "Correct it",
    ),
    ("a hook without a function", f"{HEAD}{ROUTES}on_unrecoverable_error: [acme]\n", 4, "on_unrec", "Correct"),
]


@pytest.mark.parametrize(
    ("text", "line", "what", "fix"), [row[1:] for row in BAD_FILES], ids=[row[0] for row in BAD_FILES]
)
def test_a_bad_policy_file_is_named_by_line_with_its_fix(
    tmp_path: Path, text: str, line: int | None, what: str, fix: str
) -> None:
    """A mistake in the reviewed file is found at the start, at its line, and never taken for "nobody"."""
    path = tmp_path / "nod.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        read_policy_file(path)

    assert what in caught.value.what
    assert fix in caught.value.fix
    assert (f"{path}, line {line}" if line else str(path)) in caught.value.where


@pytest.mark.parametrize("content", [None, b"\xff\xfe people"], ids=["missing", "not UTF-8"])
def test_a_policy_file_that_cannot_be_read_says_so(tmp_path: Path, content: bytes | None) -> None:
    """The path is named, and the variable that sets it."""
    path = tmp_path / "nod.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read_policy_file(path)

    assert str(path) == caught.value.where
    assert "NOD_CONFIG" in caught.value.fix


def test_the_smallest_policy_file_has_the_documented_defaults(tmp_path: Path) -> None:
    """People and one route are enough."""
    path = tmp_path / "nod.yaml"
    path.write_text(HEAD + ROUTES)

    file = read_policy_file(path)

    route = file.policy.routes[0]
    assert timedelta(seconds=1) == file.poll_every
    assert timedelta(minutes=3) == file.policy.default_window
    assert () == file.hooks
    assert () == file.policy.alerts
    assert (Destination(surface=Surface.SLACK, channel="C0A"),) == route.cards
    assert ReasonRule.OPTIONAL == route.reason_rule(HITLDecision.REJECTED)
    assert ReasonRule.NONE == route.reason_rule(HITLDecision.APPROVED)


def test_rungs_may_stand_in_any_order(tmp_path: Path) -> None:
    """The ladder is climbed by time, however it was written down."""
    path = tmp_path / "nod.yaml"
    ladder = "ladder: [{at: 75%, do: ping, who: [ann]}, {at: 40.5%, do: ping, who: [ann]}]"
    path.write_text(HEAD + ROUTES.replace("[ann]}", f"[ann], {ladder}}}"))

    rungs = read_policy_file(path).policy.routes[0].ladder

    assert [0.405, 0.75] == [rung.share for rung in rungs]


def test_an_empty_list_of_approvers_is_nobody(tmp_path: Path) -> None:
    """It loads, and lets nobody decide."""
    path = tmp_path / "nod.yaml"
    path.write_text(HEAD + ROUTES.replace("[ann]", "[]"))

    policy = read_policy_file(path).policy

    assert () == policy.members(policy.routes[0].approvers)
