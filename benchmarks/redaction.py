"""What it costs to find the secrets of a large call, and whether the cost grows no faster than the text.

Processor time of one redaction, the best of three; the ratio is that of as many characters that almost fit,
over and over, to a quarter of them: 4 is linear.
"""

from __future__ import annotations

import asyncio
import json
import random
import string
import time
from collections.abc import Callable
from functools import partial

from benchmarks.sizes import Figures, Sizes
from bot.protocol import Json
from bot.redaction import Redaction
from tests.unit.test_redaction import PIECES


def calls(size: int) -> dict[str, Json]:
    """Four calls of this many characters: rows, a script, JSON in a text, base64."""
    draw = random.Random(1)  # noqa: S311 - made-up calls
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 9))) for _ in range(3_000)]

    def said(count: int) -> str:
        return " ".join(draw.choices(words, k=count))

    rows: list[Json] = [
        {
            "id": number,
            "name": said(3),
            "email": f"{draw.choice(words)}@acme.example",
            "note": said(12),
            "amount": number * 1.5,
            "path": "/srv/" + "/".join(draw.choices(words, k=4)),
            "env": f"{draw.choice(words).upper()}_MODE={draw.choice(words)}",
        }
        for number in range(size // 280)
    ]
    script = "\n".join(
        f"{draw.choice(words)} = {draw.choice(words)}({number})  # {said(5)}" for number in range(size // 50)
    )
    return {
        "rows": {"rows": rows},
        "script": {"script": script[:size]},
        "JSON in a text": {"body": json.dumps(rows)},
        "base64": {"file": "".join(draw.choices(string.ascii_letters + string.digits + "+/", k=size))},
    }


def cost(act: Callable[[], object]) -> float:
    """Milliseconds of processor time, the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        act()
        best = min(best, time.process_time() - began)
    return best * 1e3


async def measure(sizes: Sizes) -> Figures:
    """The costs, and the ratio of the piece whose cost grows the fastest."""
    return await asyncio.to_thread(_measure, sizes.characters)


def _measure(size: int) -> Figures:
    redaction, short = Redaction(), size // 4
    found = {f"{name}_ms": cost(partial(redaction.redact, call)) for name, call in calls(size).items()}
    grown = [
        cost(partial(redaction.text, (piece * size)[:size]))
        / max(10.0, cost(partial(redaction.text, (piece * short)[:short])))
        for piece in PIECES
    ]
    return found | {"growth": max(grown)}
