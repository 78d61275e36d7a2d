"""Where people see cards and click, and the places there where a card can stand. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Surface(StrEnum):
    """Where people see cards and click; and the policy, where nobody needs to."""

    SLACK = "slack"
    TEAMS = "teams"
    POLICY = "policy"  #: automatic decisions: no card stands here


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Destination:
    """A place where a card can stand: a surface and a channel of it, by the surface's own id."""

    surface: Surface
    channel: str

    def __str__(self) -> str:
        return f"{self.surface.value}:{self.channel}"
