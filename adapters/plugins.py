"""Every chat that Nod can open: the one list. What a chat brings is in `adapters.chat.plugin`.

The list is source code: nod.yaml and the environment name chats and never code, since what is opened here takes
clicks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from adapters.chat.plugin import ChatSetUp, not_set_up
from adapters.settings import (
    Environment,
    PolicyFile,
    all_sources,
    check_schedule_keys,
    is_workflow,
    read_policy_file,
    webhook_secret,
)
from adapters.settings.environment import read_what_is_right
from adapters.settings.problems import Problems
from adapters.slack_plugin import slack_lacks, slack_set_up
from adapters.sources import check_kinds
from adapters.teams_plugin import TeamsSetUp, teams_set_up
from bot.errors import ConfigError
from bot.surface import Surface

#: By name: what sets it up; that returns None where nothing is set, and raises ConfigError where it is by half.
CHATS: Mapping[Surface, Callable[[Environment, PolicyFile], ChatSetUp | None]] = {
    Surface.SLACK: slack_set_up,
    Surface.TEAMS: teams_set_up,
}

Chats = Mapping[Surface, ChatSetUp]  #: the chats that are set up


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is set for `nod run`."""

    environment: Environment
    file: PolicyFile
    chats: Chats


def read_settings(check: Callable[[Environment], object] = lambda _: None) -> Settings:
    """Raises ConfigError with all that is missing or wrong, in the environment and in nod.yaml, and with what
    `check` raises."""
    problems = Problems()
    environment = read_what_is_right(problems)
    problems.attempt(partial(check, environment))
    wrong = {one.where for one in problems}
    more = Problems()
    more.attempt(environment.seal_secrets)
    file = more.attempt(partial(read_policy_file, environment.config, auto_approve=environment.auto_approve))
    chats = None
    if file is None:
        more.add(slack_lacks(environment))
    else:
        chats = more.attempt(partial(read_chats, environment, file))
        more.attempt(partial(webhook_secret, environment, file.pagers))
        more.attempt(partial(check_schedule_keys, environment, file.policy))
        sources = more.attempt(partial(all_sources, environment, file.sources))
        more.attempt(partial(check_kinds, sources or ()))
    problems.add(one for one in more if one.where not in wrong)
    if file is None or chats is None or problems:
        raise problems.together()
    return Settings(environment=environment, file=file, chats=chats)


def read_chats(environment: Environment, file: PolicyFile) -> Chats:
    """The chats of a start, at least one. Raises ConfigError when there is none, one is set up by half, or a
    place of the file is on one that is not set up."""
    problems = Problems()
    tried = {name: problems.attempt(partial(set_up, environment, file)) for name, set_up in CHATS.items()}
    chats = {name: chat for name, chat in tried.items() if chat is not None}
    if not chats and not problems:
        problems.add(slack_lacks(environment))
    if problems:
        raise problems.together()
    check_places(file, chats)
    return chats


def check_places(file: PolicyFile, chats: Chats) -> None:
    """Raises ConfigError, with its line, for the first place that these chats do not reach.

    `chats` are those of the start; the file may have changed since.
    """
    for place, where in file.places.items():
        if is_workflow(place, file.workflows):
            if place.channel not in workflows_of(chats):
                what = f"{place} is a new workflow, which Nod reads only at start-up"
                raise ConfigError(where, what, "Restart Nod, or remove this entry.")
        elif place.surface not in chats:
            raise not_set_up(place, where)
        else:
            chats[place.surface].check_place(place, where)


def workflows_of(chats: Chats) -> Mapping[str, object]:
    """The workflows of the start, by name."""
    teams = chats.get(Surface.TEAMS)
    return teams.workflows if isinstance(teams, TeamsSetUp) else {}
