"""The `nod init` command on the local Slack and Teams: tokens are tried, names are found, both files fit."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from adapters.cli.check import check
from adapters.cli.commands import app
from adapters.cli.env_file import load, read
from adapters.cli.init import Terminal, init
from adapters.cli.init_chats import Wanted
from adapters.cli.init_files import Approver, Place, env_text, policy_text
from adapters.settings import Environment, read_policy_file
from bot.errors import ConfigError, Unavailable
from bot.surface import Destination, Surface
from sandbox.servers import Sandbox, open_sandbox
from sandbox.slack.people import Person

WANTED = Wanted(channel="#approvals", alerts="#nod-alerts", approvers=("ann@acme.example", "Bob Brandt"))
NAMES = ["No", "Ann: the boss", 'Ann "A" Albers', "- ann", "Ünal Öz", "{ann}", "# ann", "null", "山田 太郎"]


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    """A platform and a Slack, and an environment in which nothing else is set."""
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    async with open_sandbox() as opened:
        yield opened


def given(sandbox: Sandbox, folder: Path, **more: str) -> dict[str, str]:
    """The tokens of the local Slack, as a person would have copied them from the app's pages."""
    found = {
        **sandbox.environment(),
        "SLACK_APP_TOKEN": sandbox.workspace.app.app_token,
        "NOD_CONFIG": str(folder / "nod.yaml"),
        **more,
    }
    return {name: value for name, value in found.items() if value}


async def run(
    variables: dict[str, str],
    wanted: Wanted = WANTED,
    *,
    chat: Surface = Surface.SLACK,
    terminal: Terminal | None = None,
    force: bool = False,
) -> int:
    return await init(wanted, chat=chat, http=False, variables=variables, terminal=terminal, force=force)


async def test_the_files_are_what_a_bot_starts_with(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are written, `nod check` is content with them, and no secret is on the screen."""
    variables = given(sandbox, tmp_path)
    assert 0 == await run(variables)

    said = capsys.readouterr().out
    assert "signed in to Acme (sandbox) as @nod" in said
    assert "#approvals: Nod is in it" in said
    assert "Ann Albers, Bob Brandt" in said
    assert "nod check && nod run" in said
    env = read(tmp_path / "nod.env")
    assert 0o600 == stat.S_IMODE((tmp_path / "nod.env").stat().st_mode)
    assert 64 == len(env["NOD_SECRET"])
    assert {"SLACK_APP_TOKEN", "SLACK_BOT_TOKEN", "AIP_API_KEY"} < set(env)
    assert not [
        name
        for name in ("SLACK_APP_TOKEN", "SLACK_BOT_TOKEN", "AIP_API_KEY", "NOD_SECRET")
        if env[name] in said
    ]
    assert ["nod.env", "nod.yaml"] == sorted(path.name for path in tmp_path.iterdir())
    file = read_policy_file(tmp_path / "nod.yaml").policy
    assert ("slack:C0APPROVALS", "slack:C0ALERTS") == (str(file.routes[0].cards[0]), str(file.alerts[0]))

    for name, value in (env | {"NOD_CONFIG": variables["NOD_CONFIG"]}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NOD_DATABASE_URL", f"sqlite:///{tmp_path / 'nod.db'}")
    assert 0 == await check(strict=True)


async def test_what_is_there_stays(sandbox: Sandbox, tmp_path: Path) -> None:
    """Also when only one of the files is there, and before anything is asked of anybody."""
    (tmp_path / "nod.env").write_text("KEEP=me\n")
    with pytest.raises(ConfigError, match=r"nod\.env already exists"):
        await run(given(sandbox, tmp_path))
    assert "KEEP=me\n" == (tmp_path / "nod.env").read_text()
    assert [] == sandbox.workspace.calls


async def test_a_second_run_keeps_the_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    """With another NOD_SECRET no card that is up and no answer that is stored would count any more."""
    await run(given(sandbox, tmp_path))
    before = read(tmp_path / "nod.env")["NOD_SECRET"]
    variables = {"NOD_CONFIG": str(tmp_path / "nod.yaml")}
    load(None, variables)  # as every command does

    assert 0 == await run(variables, Wanted(channel="finance", alerts=None, approvers=("olu",)), force=True)

    assert before == read(tmp_path / "nod.env")["NOD_SECRET"]
    assert "slack:C0FINANCE" in (tmp_path / "nod.yaml").read_text()


def missing(*command: str) -> list[str]:
    """What `nod` names as missing, one after the other."""
    error = CliRunner().invoke(app, command).exception
    assert isinstance(error, ConfigError)
    return [one.where for one in error.each]


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is asked, and nobody finds out one by one."""
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.setenv("NOD_CONFIG", str(tmp_path / "nod.yaml"))

    slack, teams = missing("init"), missing("init", "--chat", "teams", "--channel", "x")

    named = ["AIP_API_URL", "AIP_API_KEY", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "--channel", "--approver"]
    assert named == slack
    assert "MicrosoftAppPassword (or CLIENT_SECRET)" in teams
    assert "--channel" not in teams
    assert [] == list(tmp_path.iterdir())


async def test_every_token_that_is_refused_is_told_at_once(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then nothing is written."""
    wrong = {"AIP_API_KEY": "no-key", "SLACK_APP_TOKEN": "xapp-no-token"}
    assert 1 == await run(given(sandbox, tmp_path, **wrong))

    marked = [line for line in capsys.readouterr().out.splitlines() if line.startswith("✗")]
    assert 2 == len(marked)
    assert "Platform" in marked[0]
    assert "SLACK_APP_TOKEN: invalid_auth" in marked[1]
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wanted", "where", "says"),
    [
        (Wanted(channel="#nowhere", alerts=None, approvers=("ann",)), "--channel", "#approvals, #finance"),
        (Wanted(channel="#finance", alerts="#x", approvers=("ann",)), "--alerts", "#nod-alerts"),
        (Wanted(channel="#finance", alerts=None, approvers=("zoe",)), "--approver", "Ann Albers, Bob Brandt"),
        (Wanted(channel="#finance", alerts=None, approvers=("gus",)), "--approver", "is a guest"),
        (Wanted(channel="#finance", alerts=None, approvers=("xia",)), "--approver", "another company"),
        (Wanted(channel="#finance", alerts=None, approvers=("@nod",)), "--approver", "no one in"),
    ],
)
async def test_a_name_that_nobody_has_is_answered_with_those_that_there_are(
    sandbox: Sandbox, tmp_path: Path, wanted: Wanted, where: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        await run(given(sandbox, tmp_path), wanted)
    assert where == caught.value.where
    assert says in str(caught.value)
    assert [] == list(tmp_path.iterdir())


async def test_a_channel_without_the_bot_is_a_warning(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files are written, and it is said how to invite Nod."""
    wanted = Wanted(channel="random", alerts=None, approvers=("ann",))
    assert 0 == await run(given(sandbox, tmp_path), wanted)
    assert "In Slack, write in #random: /invite @nod" in capsys.readouterr().out


async def test_somebody_at_a_terminal_is_asked(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Secrets hidden, a slip once more, and with the link that creates the app."""
    tokens = given(sandbox, tmp_path)
    asked: list[tuple[str, bool]] = []

    def answer(question: str, hidden: bool) -> str:
        asked.append((question, hidden))
        told = {
            "There is no channel": "finance",
            "Channel": "fnance",
            "'zoe'": "Olu Obi",
            "Approvers": "ann, zoe",
        }
        name = question.split(",")[0]
        return tokens.get(name) or next(text for part, text in told.items() if part in question)

    left = {name: tokens[name] for name in ("SLACK_API_URL", "NOD_CONFIG")}
    assert 0 == await run(left, Wanted(channel=None, alerts=None, approvers=()), terminal=Terminal(ask=answer))

    assert "https://api.slack.com/apps?new_app=1" in capsys.readouterr().out
    hidden = [question.split(",")[0] for question, secret in asked if secret]
    assert ["AIP_API_KEY", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"] == hidden
    people = read_policy_file(tmp_path / "nod.yaml").policy.people
    assert {"Olu Obi"} == {person.name for person in people.values()}


async def test_a_slack_that_is_asked_too_fast_is_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    """For as long as it says, once."""
    sandbox.faults.add(path="/api/users.list", status=429, headers={"Retry-After": "1"}, times=1)
    assert 0 == await run(given(sandbox, tmp_path))


async def test_a_slack_that_stays_too_busy_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    """In place of minutes without a word."""
    sandbox.faults.add(path="/api/conversations.list", status=429, headers={"Retry-After": "120"})
    with pytest.raises(Unavailable, match="too slowly: try again in 120 s"):
        await run(given(sandbox, tmp_path))
    assert [] == list(tmp_path.iterdir())


async def test_a_large_workspace_is_read_to_its_end(sandbox: Sandbox, tmp_path: Path) -> None:
    """Slack gives 200 at a time."""
    people = sandbox.workspace.people
    for number in range(450):
        person = Person(
            id=f"U0P{number}", name=f"p{number}", real_name=f"P {number}", email=f"p{number}@acme.example"
        )
        people[person.id] = person

    wanted = Wanted(channel="approvals", alerts=None, approvers=("p449@acme.example",))
    assert 0 == await run(given(sandbox, tmp_path), wanted)
    assert 3 == len(sandbox.workspace.called("users.list"))


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_teams_takes_what_its_command_line_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], password: str | None
) -> None:
    """CLIENT_ID, CLIENT_SECRET and TENANT_ID are tried at Entra, and written by the names that Nod reads."""
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    async with open_sandbox(with_teams=True) as sandbox:
        assert sandbox.teams is not None
        made = {
            "MicrosoftAppId": "CLIENT_ID",
            "MicrosoftAppPassword": "CLIENT_SECRET",
            "MicrosoftAppTenantId": "TENANT_ID",
        }
        variables = {made.get(name, name): value for name, value in given(sandbox, tmp_path).items()}
        if password:
            variables["CLIENT_SECRET"] = password
        wanted = Wanted(channel="approvals", alerts=None, approvers=("ann@acme.example",))
        assert bool(password) == await run(variables, wanted, chat=Surface.TEAMS)

    if password:
        assert "✗ Teams: " in capsys.readouterr().out
        assert [] == list(tmp_path.iterdir())
        return
    assert {*made} < set(read(tmp_path / "nod.env"))
    assert ["teams:approvals"] == [str(place) for place in read_policy_file(tmp_path / "nod.yaml").places]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_person_can_be_written(tmp_path: Path, name: str) -> None:
    """The file means exactly that name, whatever YAML would make of it."""
    place = Place(at=Destination(surface=Surface.SLACK, channel="C0X"), name="#x")
    twice = (
        Approver(name=name, slack="U0A"),
        Approver(name=name, slack="U0B"),
        Approver(name="Ann", email="no@x.example"),
    )
    text = policy_text(cards=place, alerts=place, approvers=twice)
    (tmp_path / "nod.yaml").write_text(text)

    people = yaml.safe_load(text)["people"]
    assert [name, name, "Ann"] == [person["name"] for person in people.values()]
    assert 3 == len(read_policy_file(tmp_path / "nod.yaml").policy.people)


@pytest.mark.parametrize("value", ["k\nNOD_ALLOW_PLAIN_HTTP=1", "k\rA=1", "k\u2028A=1", "k\x85A=1", "'k'"])
def test_a_value_that_nod_env_cannot_hold_is_refused(value: str) -> None:
    """It would be read as another one, or set a variable that nobody meant; and none of it is printed."""
    with pytest.raises(ConfigError, match=r"AIP_API_KEY.*cannot hold") as caught:
        env_text({"AIP_API_KEY": value})
    assert value not in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\u2028", "\x85"])
def test_the_name_of_a_place_stays_a_comment(end: str) -> None:
    """Whatever a chat calls it, it adds no line to nod.yaml."""
    place = Place(at=Destination(surface=Surface.SLACK, channel="C0X"), name=f"#x{end}rules: []")
    text = policy_text(cards=place, alerts=place, approvers=(Approver(name="Ann", slack="U0A"),))
    assert {"people", "groups", "routes", "alerts"} == set(yaml.safe_load(text))
