"""What the operator's commands cover up in a call: as the cards do, where there is a policy to say so."""

from __future__ import annotations

from adapters.settings import LocalEnvironment, read_policy_file
from bot.redaction import Redaction


def redaction_of(environment: LocalEnvironment) -> Redaction:
    """`redact` of the file that NOD_CONFIG names, and the built-in rules alone where there is no such file.

    Reads it now, so call it before anything is shown. Raises ConfigError for a file that cannot be used: what
    it would have covered must not be shown because of a mistake in it.
    """
    if not environment.config.exists():
        return Redaction()
    return read_policy_file(environment.config, auto_approve=environment.auto_approve).policy.redaction
