"""Every setting, typed and read once: secrets and addresses from the environment, policy from one file."""

from adapters.settings.environment import (
    Environment,
    LocalEnvironment,
    read_environment,
    read_local_environment,
)
from adapters.settings.pagers import webhook_secret
from adapters.settings.policy_file import PolicyFile, read_policy_file
from adapters.settings.schedules import check_schedule_keys

__all__ = [
    "Environment",
    "LocalEnvironment",
    "PolicyFile",
    "check_schedule_keys",
    "read_environment",
    "read_local_environment",
    "read_policy_file",
    "webhook_secret",
]
