"""Every setting, typed and read once: secrets and addresses from the environment, policy from one file."""

from adapters.settings.chats import TeamsSettings, read_teams
from adapters.settings.destinations import check_schedule_keys, is_workflow, webhook_secret
from adapters.settings.environment import (
    Environment,
    LocalEnvironment,
    RelayEnvironment,
    plain,
    read_environment,
    read_local_environment,
    read_relay_environment,
)
from adapters.settings.models import schema_text
from adapters.settings.policy_file import PolicyFile, read_policy_file, read_sources
from adapters.settings.sources import (
    SourceAddress,
    all_sources,
    check_kept,
    environments_source,
    unknown_source,
)

__all__ = [
    "Environment",
    "LocalEnvironment",
    "PolicyFile",
    "RelayEnvironment",
    "SourceAddress",
    "TeamsSettings",
    "all_sources",
    "check_kept",
    "check_schedule_keys",
    "environments_source",
    "is_workflow",
    "plain",
    "read_environment",
    "read_local_environment",
    "read_policy_file",
    "read_relay_environment",
    "read_sources",
    "read_teams",
    "schema_text",
    "unknown_source",
    "webhook_secret",
]
