"""The operator's own shapes of secrets: regular expressions that are given up when they take too long.

`regex` stops a search at a time that the caller names, which `re` cannot; it reads what `re` reads, and lets
other threads run meanwhile (the README of `regex`, "timeout" and "concurrent").
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import regex
import structlog

#: Characters of a regular expression in `redact.shapes`.
LONGEST_SHAPE = 300
#: Its parts once every counted repeat is written out, as `regex` does: a million take some 400 MB.
MOST_PARTS = 100_000
#: Seconds for the trial on the empty text.
TRIAL = 1.0

_PARTS = regex.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\()|(\))|\{(\d+)(?:,\d*)?\}|.", regex.DOTALL)

#: A call of the whole expression or of a group, which can take all memory: `(?R)`, `(?1)`, `(?&name)`.
_CALL = regex.compile(r"\\.|(\(\?(?:R|[+-]?\d|&|P>))", regex.DOTALL)

log = structlog.get_logger()


def compiled(value: Any) -> regex.Pattern[str]:
    """A regular expression as it is written in nod.yaml. Raises ValueError, with what is wrong in words."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a regular expression in quotes")
    if len(value) > LONGEST_SHAPE:
        raise ValueError(f"is longer than {LONGEST_SHAPE} characters")
    if any(found[1] for found in _CALL.finditer(value)):
        raise ValueError("is recursive, which can take all memory")
    if _parts(value) > MOST_PARTS:
        raise ValueError(f"has more than {MOST_PARTS} parts once its counted repeats are written out")
    try:
        shape = regex.compile(value)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression ({error})") from None
    except MemoryError:
        raise ValueError("takes too much memory") from None
    try:
        empty = shape.match("", timeout=TRIAL)
    except (TimeoutError, MemoryError):
        raise ValueError("takes too long even on empty text") from None
    if empty:
        raise ValueError("matches empty text, so it would redact everything")
    return shape


class TimedShape:
    """Implements `bot.redaction.Shape`."""

    def __init__(self, shape: regex.Pattern[str], *, where: str) -> None:
        """`where` is its file and line, for the log: the expression itself may hold a secret."""
        self._shape, self._where = shape, where
        self._told = False

    @property
    def pattern(self) -> str:
        """As it is written."""
        return str(self._shape.pattern)

    def spans(self, text: str, *, seconds: float) -> tuple[Sequence[tuple[int, int]], float]:
        """Where it fits: the group `secret` where there is one and it took part, else all of the match.

        Beside that the processor time it took, in seconds. Raises TimeoutError when that, or the memory, is not
        enough; the first time is an event of the log.
        """
        began = time.thread_time()
        try:
            # regex takes a negative limit for none.
            found = self._shape.finditer(text, timeout=max(seconds, 0.0), concurrent=True)
            return [_span(match) for match in found], time.thread_time() - began
        except (TimeoutError, MemoryError):
            if not self._told:
                self._told = True
                log.error("redaction_ran_out_of_time", where=self._where, effect="no approval here")
            raise TimeoutError from None


def _span(match: regex.Match[str]) -> tuple[int, int]:
    return match.span("secret") if match.groupdict().get("secret") is not None else match.span()


def _parts(pattern: str) -> int:
    """About how many characters and classes it is when `(?:ab){3}` is written as `ababab`."""
    open_groups, last = [0], 0
    for part in _PARTS.finditer(pattern):
        if part[1]:
            open_groups.append(0)
        elif part[3]:
            more = last * (max(int(part[3]), 1) - 1)
            open_groups[-1], last = open_groups[-1] + more, last + more
        else:
            last = 1 + (open_groups.pop() if part[2] and len(open_groups) > 1 else 0)
            open_groups[-1] += last
    return sum(open_groups)
