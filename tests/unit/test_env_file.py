"""nod.env: what is in it is set, what the environment has wins, and a file that others can use is refused."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.cli.commands import app
from adapters.cli.env_file import load
from bot.errors import ConfigError

TEXT = """\
# written by nod init
AIP_API_URL=http://127.0.0.1:9
export NOD_SECRET="a b"
SLACK_BOT_TOKEN='xoxb-1'
EMPTY=
"""


def sqlite_template(folder: Path, text: str = TEXT, *, mode: int = 0o600) -> Path:
    path = folder / "nod.env"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_it_is_found_beside_the_policy(tmp_path: Path) -> None:
    """What the environment has stays, and is named."""
    path = sqlite_template(tmp_path)
    variables = {"NOD_CONFIG": str(tmp_path / "nod.yaml"), "SLACK_BOT_TOKEN": "xoxb-2"}

    found = load(None, variables)

    assert found is not None
    assert (path, ("AIP_API_URL", "NOD_SECRET"), ("SLACK_BOT_TOKEN",)) == (
        found.path,
        found.taken,
        found.overridden,
    )
    assert ("http://127.0.0.1:9", "a b", "xoxb-2") == tuple(
        variables[name] for name in ("AIP_API_URL", "NOD_SECRET", "SLACK_BOT_TOKEN")
    )
    assert "EMPTY" not in variables


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    """As everywhere in Nod: what compose and CI leave empty takes the file's value, and `nod check` says so."""
    variables = {"AIP_API_URL": "", "NOD_SECRET": "x"}

    found = load(sqlite_template(tmp_path), variables)

    assert "http://127.0.0.1:9" == variables["AIP_API_URL"]
    assert found is not None
    assert ("NOD_SECRET",) == found.overridden


def test_without_one_nothing_changes(tmp_path: Path) -> None:
    """Only a file that was asked for has to be there."""
    variables = {"NOD_CONFIG": str(tmp_path / "nod.yaml")}
    assert load(None, variables) is None
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "nod.env", variables)
    assert ["NOD_CONFIG"] == list(variables)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o602])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    """A reader of the file has the tokens; a writer decides where the answers go."""
    path = sqlite_template(tmp_path, mode=mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600"):
        load(path, {})


def test_a_group_can_be_given_it(tmp_path: Path) -> None:
    """root:nod 0640 is how services are given secrets."""
    assert load(sqlite_template(tmp_path, mode=0o640), {}) is not None


@pytest.mark.parametrize("text", ["AIP_API_URL", "A-B=1", "=1", "NOD SECRET=1"])
def test_a_line_that_is_none_is_named_without_its_content(tmp_path: Path, text: str) -> None:
    """It may be half of a token."""
    with pytest.raises(ConfigError, match="line 2") as caught:
        load(sqlite_template(tmp_path, f"# one\n{text}\n"), {})
    assert text not in str(caught.value)


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, end: str) -> None:
    """What an editor shows inside a comment sets nothing; lines of Windows are lines."""
    variables: dict[str, str] = {}
    load(sqlite_template(tmp_path, f"# old{end}NOD_ALLOW_PLAIN_HTTP=1\r\nAIP_API_KEY=k\r\n"), variables)
    assert {"AIP_API_KEY": "k"} == variables


def test_every_command_that_needs_settings_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is read before the command asks for its settings; the demo brings its own."""
    for name in [name for name in os.environ if name.startswith(("AIP_", "NOD_", "SLACK_"))]:
        monkeypatch.delenv(name)
    path = sqlite_template(tmp_path, "AIP_API_KEY=k\nAIP_API_URL=nonsense\n")
    monkeypatch.setattr(os, "environ", os.environ.copy())

    run = CliRunner().invoke(app, ["pending", "--env-file", str(path)])

    assert isinstance(run.exception, ConfigError)
    assert "AIP_API_URL" == run.exception.where
    assert "--env-file" in CliRunner().invoke(app, ["policy", "lint", "--help"]).output
    assert "--env-file" not in CliRunner().invoke(app, ["demo", "--help"]).output
