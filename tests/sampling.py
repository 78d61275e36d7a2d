"""Cases that `make test` samples and `make test-all` runs whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def sampled(cases: Sequence[Any], *, quick: Iterable[int]) -> list[Any]:
    """All of the cases; those whose numbers are not among `quick` are slow. -1 is the last one."""
    kept = {number % len(cases) for number in quick}
    return [
        case if number in kept else pytest.param(*_values(case), marks=pytest.mark.slow)
        for number, case in enumerate(cases)
    ]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
