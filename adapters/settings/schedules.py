"""The keys of schedules that somebody else keeps: whether those are set that nod.yaml makes necessary."""

from __future__ import annotations

from adapters.settings.environment import Environment
from bot.errors import ConfigError
from bot.policy import Policy


def check_schedule_keys(environment: Environment, policy: Policy) -> None:
    """Raises ConfigError when the policy names a schedule of a service whose key is not set."""
    kinds = {entry.schedule.kind for entry in policy.oncall.values() if entry.schedule is not None}
    for key, kind, name in (
        (environment.pagerduty_api_key, "pagerduty", "PAGERDUTY_API_KEY"),
        (environment.opsgenie_api_key, "opsgenie", "OPSGENIE_API_KEY"),
    ):
        if kind in kinds and key is None:
            what = f"is not set, and nod.yaml names a {kind} schedule under oncall"
            raise ConfigError(name, what, "Set it to a key that may read schedules, or remove the entry.")
