"""What `nod check` found, line by line. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report. `fix` says what to do about it; it must be done unless it is only `advice`."""

    what: str
    fix: str | None = None
    advice: bool = False

    @property
    def mark(self) -> tuple[str, str]:
        """The sign in front and its colour; the sign alone tells."""
        if self.fix is None:
            return "✓ ", "green"
        return ("! ", "yellow") if self.advice else ("✗ ", "red")
