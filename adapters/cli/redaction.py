"""What the operator's commands cover up in a call: as the cards do, where there is a policy to say so."""

from __future__ import annotations

from pathlib import Path

from adapters.settings import LocalEnvironment, read_policy_file
from bot.redaction import Redaction


def redaction_of(environment: LocalEnvironment) -> Redaction:
    """`redact` of the policy file; the built-in rules alone where none is named and none is there.

    Reads it now, so call it before anything is shown. Raises ConfigError for a file that cannot be used, one
    that NOD_CONFIG names and that is not there among them: what it would have covered must not be shown because
    of a mistake.
    """
    if "config" not in environment.model_fields_set and not _is_there(environment.config):
        return Redaction()
    return read_policy_file(environment.config, auto_approve=environment.auto_approve).policy.redaction


def _is_there(file: Path) -> bool:
    try:
        file.lstat()
    except FileNotFoundError:
        return False
    except OSError:  # it may be; reading it says what is the matter
        return True
    return True
