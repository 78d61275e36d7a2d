"""What the tests of OpenAPI documents have in common: so many made-up cases, and schemas that are schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from jsonschema import Draft202012Validator


def made_up(*, cases: int, part: int) -> Callable[[Any], Any]:
    """Draw so many cases, the same ones at each run of a part."""
    drawn = settings(
        max_examples=cases,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: seed(part)(drawn(test))


def checked_schemas(*documents: Any) -> int:
    """How many schemas there are in these, all valid JSON Schema."""
    found = 0
    waiting = list(documents)
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for name in ("schema", "contentSchema"):
                if isinstance(value.get(name), dict):
                    Draft202012Validator.check_schema(value[name])
                    found += 1
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found
