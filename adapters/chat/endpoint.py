"""What a chat's endpoint takes and answers, in the terms of OpenAPI: the `openapi.json` beside its code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def endpoint_of(package: str) -> Mapping[str, Mapping[str, Any]]:
    """`operation`, and the security `schemes` that it names, of the chat in this package."""
    described: dict[str, dict[str, Any]] = json.loads(
        files(package).joinpath("openapi.json").read_text("utf-8")
    )
    return described
