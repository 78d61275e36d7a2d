"""`nod init`: from tokens to nod.yaml and nod.env. It asks at a terminal; else it reads flags and variables.

Secrets come from the environment, from the --env-file or from a hidden prompt, never from a flag: a flag stays
in the shell's history.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.cli.env_file import NAME
from adapters.cli.findings import platform_finding, print_finding
from adapters.cli.init_chats import Chosen, Wanted, check_teams, choose_in_slack, choose_in_teams
from adapters.cli.init_files import check_absent, env_text, policy_text, write_files
from adapters.cli.manifest import create_link, slack_manifest
from adapters.plugins import read_chats
from adapters.settings import PolicyFile, environments_source, read_environment, read_policy_file, read_teams
from bot.errors import ConfigError
from bot.surface import Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A variable that the bot needs."""

    name: str
    what: str
    secret: bool = True
    also: str = ""  #: its name in Microsoft's `teams app create`


PLATFORM = (
    Value(name="AIP_API_URL", what="the platform's address", secret=False),
    Value(name="AIP_API_KEY", what="the platform's API key"),
)
BOT_TOKEN = Value(
    name="SLACK_BOT_TOKEN", what="the Bot User OAuth Token (xoxb-…) from the OAuth & Permissions page"
)
APP_TOKEN = Value(
    name="SLACK_APP_TOKEN",
    what="an app-level token with connections:write (xapp-…) from the Basic Information page",
)
SIGNING_SECRET = Value(name="SLACK_SIGNING_SECRET", what="the Signing Secret from the Basic Information page")
TEAMS = (
    Value(name="MicrosoftAppId", also="CLIENT_ID", what="the bot's Application (client) ID", secret=False),
    Value(name="MicrosoftAppPassword", also="CLIENT_SECRET", what="the bot's client secret"),
    Value(name="MicrosoftAppTenantId", also="TENANT_ID", what="the bot's Directory (tenant) ID", secret=False),
)
#: Written too if they are set: the values would not work without them.
ALONG = (
    "SLACK_API_URL", "NOD_ALLOW_PLAIN_HTTP", "NOD_MICROSOFT_CLOUD", "MicrosoftAppType", "NOD_LOGIN_URL",
    "NOD_TEAMS_OPENID_URL", "NOD_TEAMS_TOKEN_URL", "NOD_TEAMS_SERVICE_HOSTS",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """A person who can be asked: takes a question, and whether the reply stays hidden."""

    ask: Callable[[str, bool], str]

    def line(self, question: str) -> str:
        """The line that they type."""
        return self.ask(question, False)


async def init(
    wanted: Wanted,
    *,
    chat: Surface,
    http: bool,
    variables: Mapping[str, str],
    terminal: Terminal | None,
    force: bool = False,
) -> int:
    """Check everything, write both files, and say what to do next; 1 when a token is refused, else 0.

    Raises ConfigError for what is missing, invalid, or already there.
    """
    config = Path(variables.get("NOD_CONFIG") or "nod.yaml")
    env = config.with_name(NAME)
    check_absent((config, env), force=force)
    values = _collected(wanted, chat=chat, http=http, variables=variables, terminal=terminal)
    environment = read_environment(values)
    environment.seal_secrets()
    platform = environments_source(environment)
    found = await platform_finding(platform, can_wait=True)  # it may be up by the time that the bot runs
    print_finding(found)
    good = found.fix is None or found.advice
    ask = terminal.line if terminal else None
    if chat == Surface.SLACK:
        chosen = await choose_in_slack(environment, wanted, ask=ask, say=print_finding)
    else:
        chosen = choose_in_teams(wanted, ask=ask)
    policy = chosen and policy_text(cards=chosen.cards, alerts=chosen.alerts, approvers=chosen.approvers)
    if policy and chat == Surface.TEAMS:
        teams = read_teams(environment, _draft(policy, folder=config.parent))
        good = teams is not None and await check_teams(teams, say=print_finding) and good
    if not chosen or not policy or not good:
        print("Nothing was written. Fix what is marked with ✗, then run nod init again.")
        return 1
    read_chats(
        environment, _draft(policy, folder=config.parent)
    )  # nothing is written that the bot would refuse
    write_files({config: (policy, 0o644), env: (env_text(values), 0o600)}, force=force)
    print(f"\nWrote {config} and {env} (only you can read it; do not commit it).\n\n{_next(chat, chosen)}")
    return 0


def _collected(
    wanted: Wanted, *, chat: Surface, http: bool, variables: Mapping[str, str], terminal: Terminal | None
) -> dict[str, str]:
    """Every variable for nod.env. Raises ConfigError that names all missing ones."""
    http = http or bool(variables.get("SLACK_SIGNING_SECRET") and not variables.get("SLACK_APP_TOKEN"))
    slack = (BOT_TOKEN, SIGNING_SECRET if http else APP_TOKEN)
    needed = (*PLATFORM, *(slack if chat == Surface.SLACK else TEAMS))
    found = {one.name: _given(one, variables) for one in needed}
    missing = [one for one in needed if not found[one.name]]
    if terminal is None:
        _check_given(missing, wanted)
    elif missing and chat == Surface.SLACK:
        link = "nod manifest slack --request-url URL" if http else create_link(slack_manifest())
        print(f"Create the Slack app as shown below, install it, and copy its tokens:\n\n{link}\n")
    for one in missing if terminal else ():
        found[one.name] = terminal.ask(f"{one.name}, {one.what}", one.secret).strip() if terminal else ""
    found |= {name: variables.get(name, "") for name in ALONG}
    found["NOD_SECRET"] = variables.get("NOD_SECRET") or secrets.token_hex(32)
    return {name: value for name, value in found.items() if value}


def _check_given(missing: Sequence[Value], wanted: Wanted) -> None:
    """Raises ConfigError with everything that is missing and cannot be asked for."""
    lacking = [
        ConfigError(
            f"{one.name} (or {one.also})" if one.also else one.name, "is not set", f"Set it to {one.what}."
        )
        for one in missing
    ]
    if not wanted.channel:
        lacking.append(
            ConfigError("--channel", "is missing", "Give the channel for cards, for example #approvals.")
        )
    if not wanted.approvers:
        fix = "Give --approver once for each approver, with their e-mail address or name."
        lacking.append(ConfigError("--approver", "is missing", fix))
    if lacking:
        first, *others = lacking
        raise ConfigError(first.where, first.what, first.fix, others=others)


def _given(value: Value, variables: Mapping[str, str]) -> str:
    return variables.get(value.name) or variables.get(value.also) or ""


def _draft(policy: str, *, folder: Path) -> PolicyFile:
    """The policy as `nod run` would read it. Raises ConfigError."""
    draft = folder / f".nod-init-{os.getpid()}.yaml"
    write_files({draft: (policy, 0o600)}, force=True)
    try:
        return read_policy_file(draft)
    finally:
        draft.unlink(missing_ok=True)


def _next(chat: Surface, chosen: Chosen) -> str:
    if chat == Surface.SLACK:
        return "Next:\n  nod check && nod run\nThen, in another terminal:\n  nod test-card"
    name = chosen.cards.at.channel
    return (
        "Next, in this order (Teams tells a running bot where it was added):\n"
        "  nod run\n"
        "Then, in another terminal:\n"
        "  nod manifest teams --out nod-teams.zip\n"
        f"In Teams, upload nod-teams.zip and add the app to a team with the channel {name}. Nod then\n"
        "posts there which name to use in nod.yaml. After that:\n"
        "  nod check && nod test-card"
    )


def likely_chat(variables: Mapping[str, str]) -> Surface:
    """Slack, unless only a Teams bot is configured."""
    teams = any(_given(one, variables) for one in TEAMS[:2])
    return Surface.TEAMS if teams and not variables.get("SLACK_BOT_TOKEN") else Surface.SLACK
