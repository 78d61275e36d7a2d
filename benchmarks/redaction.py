"""What it costs to find the secrets of a large call, and whether the cost grows no faster than the text.

Run: `.venv/bin/python -m benchmarks.redaction` (under a minute). Processor time of one redaction, the best of
three; the ratio is that of 300,000 characters that almost fit, over and over, to 75,000 of them: 4 is linear.
"""

from __future__ import annotations

import json
import random
import string
import time
from collections.abc import Callable
from functools import partial

from bot.protocol import Json
from bot.redaction import Redaction
from tests.unit.test_redaction import PIECES

SIZE, SHORT, LONG = 280_000, 75_000, 300_000


def calls() -> dict[str, Json]:
    """Four calls of 280 kB: rows, a script, JSON in a text, base64."""
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
        for number in range(1_000)
    ]
    script = "\n".join(
        f"{draw.choice(words)} = {draw.choice(words)}({number})  # {said(5)}" for number in range(5_600)
    )
    return {
        "rows": {"rows": rows},
        "script": {"script": script[:SIZE]},
        "JSON in a text": {"body": json.dumps(rows)},
        "base64": {"file": "".join(draw.choices(string.ascii_letters + string.digits + "+/", k=SIZE))},
    }


def cost(act: Callable[[], object]) -> float:
    """Seconds of processor time, the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        act()
        best = min(best, time.process_time() - began)
    return best


def main() -> None:
    """Print the costs, and the pieces whose cost grows the fastest."""
    for name, call in calls().items():
        taken = cost(partial(Redaction().redact, call))
        print(f"{name}, {len(json.dumps(call)):,} characters: {taken * 1e3:.0f} ms")
    grown = []
    for piece in PIECES:
        short, long = (cost(partial(Redaction().text, (piece * size)[:size])) for size in (SHORT, LONG))
        grown.append((long / max(short, 0.01), long, piece[:24]))
    for ratio, long, piece in sorted(grown)[-3:]:
        print(f"ratio {ratio:.1f}, {long:.2f} s: {piece!r}")


if __name__ == "__main__":
    main()
