"""What Entra means by its numbers, in words that name the variable to correct."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.graph import OTHER, refusal_of

SAID = "AADSTS7000215: Invalid client secret provided. Trace ID: planted-trace"


@pytest.mark.parametrize(
    ("number", "variable"),
    [
        (7000215, "MicrosoftAppPassword is not the value"),
        (7000222, "has expired"),
        (700016, "no app with the id in MicrosoftAppId"),
        (90002, "no tenant with the id in MicrosoftAppTenantId"),
    ],
)
def test_each_cause_has_its_own_words(number: int, variable: str) -> None:
    """A wrong secret, an old one, an unknown app and an unknown tenant differ, each with Entra's number."""
    said = refusal_of(401, {"error": "invalid_client", "error_description": SAID, "error_codes": [number]})
    assert f"AADSTS{number}" in said
    assert variable in said
    assert "planted-trace" not in said


@pytest.mark.parametrize("said", [None, [], {}, {"error_codes": "7"}, {"error_codes": [True, -1, "x", 10**30]}])
def test_whatever_else_is_said_names_the_three_variables(said: Any) -> None:
    """An answer of any shape is a refusal all the same."""
    assert refusal_of(400, said).endswith(OTHER)
    assert "AADSTS53003" in refusal_of(400, {"error_codes": [53003]})
