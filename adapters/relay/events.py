"""Reads server-sent events out of bytes, and says when a poll of the platform is worth it. Pure.

The form is that of the HTML standard, §9.2.6 (lines end with LF, CRLF or CR; a blank line ends an event), the
content that of the platform. Lines are found in bytes and only a whole event is decoded, so a chunk may be cut
anywhere.
"""

from __future__ import annotations

import json
import re

#: An event that is longer is not read, in bytes. Those that matter have about 2 KB; to read one of this size
#: takes about a millisecond.
LARGEST_EVENT = 128 * 1024
#: What `metadata.hitl.decision` says while somebody is asked, and how that ends.
WORDS = frozenset(("pending", "approved", "rejected", "skipped", "timeout_skip"))

#: May stand before the first line, and is no part of it.
BOM = b"\xef\xbb\xbf"

_LINE_END = re.compile(rb"\r\n|\r|\n")


class EventReader:
    """The events of one stream, piece by piece."""

    def __init__(self) -> None:
        """At the beginning of a stream."""
        self._line = bytearray()  #: begun, not ended
        self._data: list[bytes] = []  #: of the event that is begun
        self._size = 0  #: of the two together
        self._within = False  #: in the middle of a line of which some is lost
        self._after_cr = False
        self._first = True  #: no line of the stream has ended
        self._runs: list[tuple[str, str | None]] = []

    def runs(self) -> list[tuple[str, str | None]]:
        """The requests that wait, by what was fed since the last call, with the runs that their events name."""
        found, self._runs = self._runs, []
        return found

    def lose(self) -> None:
        """Some bytes of the stream will not come: go on with the next line."""
        self._line.clear()
        self._data.clear()
        self._size, self._within, self._after_cr = 0, True, False
        self._first = False

    def feed(self, piece: bytes) -> bool:
        """Take the next bytes. True when they tell that somebody has to decide, or that it is over.

        True also where an event was too long to be read: it may have told so.
        """
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        worth_it = False
        *ended, rest = _LINE_END.split(piece)
        for line in ended:
            worth_it |= self._end_line(line)
        worth_it |= self._begin_line(rest)
        return worth_it

    def _begin_line(self, piece: bytes) -> bool:
        if self._within:
            return False
        self._line += piece
        self._size += len(piece)
        if self._size <= LARGEST_EVENT:
            return False
        self.lose()
        return True

    def _end_line(self, piece: bytes) -> bool:
        if self._within:
            self._within = False
            return False
        if self._begin_line(piece):
            self._within = False  # the line that was too long is over
            return True
        line = bytes(self._line)
        if self._first:
            line, self._first = line.removeprefix(BOM), False
        self._line.clear()
        if not line:
            data, self._data, self._size = b"\n".join(self._data), [], 0
            return self._is_worth_it(data)
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        else:  # a comment, or a field that tells nothing
            self._size -= len(line)
        return False

    def _is_worth_it(self, data: bytes) -> bool:
        """Whether an event's data is about a tool call that waits, or that waited."""
        if b'"hitl"' not in data:
            return False
        try:
            event = json.loads(data.decode())
        except (ValueError, RecursionError):
            return False
        metadata = event.get("metadata") if isinstance(event, dict) else None
        hitl = metadata.get("hitl") if isinstance(metadata, dict) else None
        if not isinstance(metadata, dict) or not isinstance(hitl, dict) or hitl.get("required") is not True:
            return False
        decision, request_id = hitl.get("decision"), hitl.get("request_id")
        if decision == "pending" and isinstance(request_id, str):
            run_id = event.get("run_id") or metadata.get("run_id")
            self._runs.append((request_id, run_id if isinstance(run_id, str) else None))
        return isinstance(decision, str) and decision in WORDS
