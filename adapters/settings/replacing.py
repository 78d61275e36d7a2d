"""`${NAME}` in nod.yaml: a variable of the environment, in the few entries that may hold one.

What a variable stands for is in no message.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from adapters.settings.environment import Environment
from adapters.settings.variables import cleaned
from bot.errors import ConfigError

#: The settings that Nod itself reads: whoever may edit nod.yaml must not have them sent to a webhook.
NODS_OWN = frozenset(str(field.validation_alias) for field in Environment.model_fields.values())

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SET = "Set it where Nod runs, or remove the entry."


def is_variable(text: str) -> bool:
    """Whether a text is one variable and nothing else."""
    return _VARIABLE.fullmatch(text) is not None


def replaced(
    text: str, *, where: str, named: str, known: Mapping[str, str], shared: Collection[str] = ()
) -> str:
    """A text with its variables replaced by what `known` has; `shared` are Nod's own that may go out here.

    Raises ConfigError with `where` and the setting's name: a variable that is not set, or is Nod's own.
    """
    for name in _names_in(text):
        if not _NAME.fullmatch(name):
            what = f"{named}: ${{…}} does not hold a variable's name"
            raise ConfigError(where, what, "Write it like ${PAGERDUTY_ROUTING_KEY}.")
        if name in NODS_OWN and name not in shared:
            what = f"{named}: {name} is Nod's own and is handed to nobody"
            raise ConfigError(where, what, "Name a variable of its own.")
        if not cleaned(known.get(name, "")):  # an empty one counts as not set, as everywhere
            raise ConfigError(where, f"{named}: {name} is not set in the environment", _SET)
    return _VARIABLE.sub(lambda found: cleaned(known[found[1]]), text)


def _names_in(text: str) -> Iterator[str]:
    yield from _VARIABLE.findall(text)
    if "${" in _VARIABLE.sub("", text):
        yield ""  # opened and not closed
