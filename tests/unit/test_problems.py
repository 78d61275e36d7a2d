"""What is wrong with the settings is reported at once, with what was meant, and in Nod's own words only."""

import os
import random
import re
from pathlib import Path

import pytest

from adapters.plugins import read_settings
from adapters.settings import (
    Environment,
    RelayEnvironment,
    read_environment,
    read_local_environment,
    read_policy_file,
    read_relay_environment,
)
from bot.errors import ConfigError
from tests.contract.test_book_fuzz import a_file

#: What pydantic, Python and PyYAML say.
FOREIGN = re.compile(
    r"[Ii]nput should|value_error|extra_forbidden|_type\b|_parsing|pydantic|Traceback|NoneType|<class|object at"
    r"|\w(Error|Exception|Text)\b|valid (integer|string|boolean)|block mapping|flow node|\bloc\b"
)
SECRET = "hunter2hunter2"
NAMES = sorted(
    {
        str(field.validation_alias)
        for kind in (Environment, RelayEnvironment)
        for field in kind.model_fields.values()
    }
)
#: Values of a variable that are seldom right, and what may slip into one.
VALUES = (
    *("", " ", "0", "-1", "65536", "1e9", "true", "yes", "None", "\x7f", "\u202e", "a" * 5000, "9" * 5000),
    *(
        SECRET,
        f"xoxb-{SECRET}",
        f"xapp-{SECRET}",
        f"http://{SECRET}",
        f"https://[{SECRET}",
        "tcp://10.0.0.1:3000",
    ),
    *(
        "http://127.0.0.1:8000",
        "https://acme.example",
        SECRET * 4,
        f"{SECRET * 3},{SECRET * 3}",
        ",,,",
        "[]",
        "{}",
    ),
)
GOOD_FILE = """\
people: {ann: {email: ann@acme.example}}
routes:
- {name: default, match: {}, cards: [slack:C0A], approvers: [ann]}
"""


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without any setting, in an empty folder."""
    for name in (*NAMES, "SLACK_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def told() -> list[str]:
    """What a start says, line by line."""
    with pytest.raises(ConfigError) as caught:
        read_settings()
    return [one.line for one in caught.value.each]


def beginning(line: str) -> str:
    """Its first sentence: what is wrong."""
    return line.partition(". ")[0] + "."


def test_an_empty_environment_is_told_all_that_a_start_needs(surroundings: pytest.MonkeyPatch) -> None:
    """Each with what to do about it, so that one look is enough."""
    lines = told()

    assert [
        "AIP_API_URL is not set.",
        "AIP_API_KEY is not set.",
        "NOD_SECRET is not set.",
        "nod.yaml does not exist.",
        "SLACK_BOT_TOKEN is not set, so Nod has no chat for cards.",
        "SLACK_APP_TOKEN is not set, so no clicks can arrive.",
    ] == [beginning(line) for line in lines]
    assert all(line.endswith((".", "nod demo")) for line in lines)


def test_wrong_variables_and_a_wrong_file_are_told_together(
    surroundings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is wrong is reported once; what is right is not mentioned."""
    surroundings.setenv("AIP_API_URL", "http://127.0.0.1:9")
    surroundings.setenv("NOD_PORT", "tcp://10.0.0.1:3000")
    surroundings.setenv("SLACK_BOT_TOKEN", "xoxp-1")
    surroundings.setenv("NOD_SECRET", "short")
    (tmp_path / "nod.yaml").write_text(GOOD_FILE.replace("cards", "crads"))

    assert [
        "NOD_SECRET is too short (32 characters or more).",
        "AIP_API_KEY is not set.",
        "SLACK_BOT_TOKEN must begin with xoxb-.",
        "NOD_PORT must be a whole number.",
        "nod.yaml, line 3: routes.0.cards is missing.",
        "nod.yaml, line 3: unknown setting `crads`.",
        "SLACK_APP_TOKEN is not set, so no clicks can arrive.",
    ] == [beginning(line) for line in told()]


def test_a_bot_for_teams_is_told_all_that_it_lacks(surroundings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its registration is three variables; a bot for Teams alone needs nothing of Slack."""
    (tmp_path / "nod.yaml").write_text(GOOD_FILE.replace("slack:C0A", "teams:finance"))

    lines = [line for line in told() if not line.startswith(("AIP_", "NOD_SECRET"))]

    assert [
        "nod.yaml, line 3: teams:finance is in Teams, which is not set up: MicrosoftAppId is not set.",
        "MicrosoftAppPassword is not set, but nod.yaml, line 3 names teams:finance.",
        "MicrosoftAppTenantId is not set, but Teams needs it.",
    ] == [beginning(line) for line in lines]


def test_every_kind_of_mistake_in_a_file_is_told_at_once(tmp_path: Path) -> None:
    """By line, also where each setting is well written and they do not fit together."""
    path = tmp_path / "nod.yaml"
    path.write_text(
        GOOD_FILE
        + "groups: {ops: [bob]}\n"
        + "delegations: [{from: eve, to: ann, until: 2099-01-01}]\n"
        + "alerts: [pager]\n"
    )

    with pytest.raises(ConfigError) as caught:
        read_policy_file(path)

    assert ["4", "5", "6"] == [one.where.rpartition(" ")[2] for one in caught.value.each]
    assert str(caught.value).endswith(" (2 more problems)")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("polls_every: 2s\n", "line 4: unknown setting `polls_every`. Did you mean `poll_every`?"),
        ("redact: {name: [x]}\n", "line 4: unknown setting `name`. Did you mean `names`?"),
        ("people2: {}\n", "line 4: unknown setting `people2`. Did you mean `people`?"),
        ("links: {page: x}\n", "line 4: unknown setting `page`. Remove it. Valid settings here: run."),
        (
            "hours: {o: {zone: UTC, from: '09:00', until: '10:00', to: '10:00'}}\n",
            "`until`. Remove it. Valid settings here: zone",
        ),
        ("oncall: {o: {peple: [ann]}}\n", "line 4: unknown setting `peple`. Did you mean `people`?"),
    ],
)
def test_a_misspelt_setting_is_named_with_what_was_meant(tmp_path: Path, text: str, said: str) -> None:
    """At its own line, and by the settings that there are at that place."""
    path = tmp_path / "nod.yaml"
    path.write_text(GOOD_FILE + text)

    with pytest.raises(ConfigError) as caught:
        read_policy_file(path)

    assert said in "\n".join(one.line for one in caught.value.each)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NOD_SECRT", "NOD_SECRET"),
        ("NOD_PROT", "NOD_PORT"),
        ("NOD_HEARTBEAT_ULR", "NOD_HEARTBEAT_URL"),
        ("SLACK_BOT_TOKN", "SLACK_BOT_TOKEN"),
        ("AIP_API_KEYS", "AIP_API_KEY"),
        ("MICROSOFT_APP_TENANT_ID", "MicrosoftAppTenantId"),
        ("GLAIP_HITL_AUTOAPPROVE", "GLAIP_HITL_AUTO_APPROVE"),
    ],
)
def test_a_misspelt_variable_is_named_with_what_was_meant(
    surroundings: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    """Silently it would be as if it were not set; its value is not shown."""
    surroundings.setenv(written, SECRET)

    lines = told()

    assert f"{meant} is not set, but {written} is. Did you mean {meant}?" in lines
    assert 1 == sum(line.startswith(f"{meant} ") for line in lines)
    assert SECRET not in "".join(lines)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "NOD_PORT_3000_TCP",
            "NOD_PORT_3000_TCP_PORT",
            "NOD_SERVICE_HOST",
            "NOD_SERVICE_PORT",
        ),  # Kubernetes' links
        *(
            "NOD_ENV",
            "SLACK_API_TOKEN",
            "SLACK_CHANNEL",
            "AIP_ENV",
            "MICROSOFT_CLIENT_ID",
            "NODE_ENV",
            "NODE_PORT",
        ),
    ],
)
def test_variables_of_others_are_left_alone(
    surroundings: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """What is much like none of ours is nobody's mistake."""
    surroundings.setenv(name, SECRET)

    assert name not in "".join(told())


def test_a_variable_that_is_right_needs_no_guess(surroundings: pytest.MonkeyPatch) -> None:
    """Beside the one that is set, another with almost its name may belong to another program."""
    surroundings.setenv("AIP_API_URL", "http://127.0.0.1:9")
    surroundings.setenv("AIP_API_URLS", SECRET)

    assert "AIP_API_URLS" not in "".join(told())


def own(lines: list[str], seen: object) -> None:
    """Nothing of a library's is in these lines, and nothing that ends one."""
    assert [] == [(line, seen) for line in lines if FOREIGN.search(line) or not line.isprintable()]


def mistakes(seed: int, cases: int, folder: Path) -> int:
    """Broken files, and what is said of each; how many were refused."""
    dice, path, refused = random.Random(seed), folder / "nod.yaml", 0
    for _ in range(cases):
        content = a_file(dice)
        path.write_bytes(content)
        try:
            read_policy_file(path)
        except ConfigError as error:
            refused += 1
            own([one.line for one in error.each], content[:2000])
    return refused


def test_what_is_said_of_a_file_is_in_our_own_words(tmp_path: Path) -> None:
    """Whatever is wrong with it."""
    assert mistakes(3, 20, tmp_path) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_what_is_said_of_many_files_is_in_our_own_words(tmp_path: Path, seed: int) -> None:
    """The same at length."""
    assert mistakes(seed, 3_000, tmp_path) > 1_500


@pytest.mark.parametrize("seed", range(3))
def test_what_is_said_of_an_environment_is_in_our_own_words(
    surroundings: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever is in it; and no value of a variable is repeated."""
    dice = random.Random(seed)
    for _ in range(5):
        for name in NAMES:
            os.environ.pop(name, None)
        for name in dice.sample(NAMES, dice.randrange(len(NAMES))):
            surroundings.setenv(name, dice.choice(VALUES))
        surroundings.delenv("NOD_CONFIG", raising=False)
        for read in (read_settings, read_environment, read_local_environment, read_relay_environment):
            try:
                read()
            except ConfigError as error:
                lines = [one.line for one in error.each]
                own(lines, dict(os.environ))
                assert SECRET not in "".join(lines)
