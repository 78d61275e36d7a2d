"""The app's two icons, drawn here: a tick, in a frame where an outline is wanted. PNG (RFC 2083). Pure."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise

#: Sides that Teams asks for (learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/apps-package).
COLOUR_SIDE, OUTLINE_SIDE = 192, 32
#: The background of the colour icon, as on Slack (manifest.yaml); also the manifest's accent colour.
BACKGROUND = (0x1F, 0x29, 0x37)

Point = tuple[float, float]
Pixel = tuple[int, int, int, int]

#: In shares of the side: a tick, and the square with round corners around it.
_TICK: tuple[Point, ...] = ((0.30, 0.52), (0.45, 0.67), (0.72, 0.35))
_THICK = 0.05
_MARGIN, _ROUND = 0.06, 0.22


def colour_icon() -> bytes:
    """192x192: a white tick on the background, to the edge, because Teams cuts the corners itself."""

    def pixel(x: float, y: float) -> Pixel:
        ink = _coverage(_to_tick(x, y) - _THICK, COLOUR_SIDE)
        red, green, blue = (round(part + (255 - part) * ink) for part in BACKGROUND)
        return red, green, blue, 255

    return _png(COLOUR_SIDE, pixel)


def outline_icon() -> bytes:
    """32x32: the tick and its frame in white on nothing."""

    def pixel(x: float, y: float) -> Pixel:
        line = min(_to_tick(x, y), abs(_to_frame(x, y))) - _THICK / 2
        return 255, 255, 255, round(255 * _coverage(line, OUTLINE_SIDE))

    return _png(OUTLINE_SIDE, pixel)


def _coverage(distance: float, side: int) -> float:
    """How much of a pixel a shape covers whose edge is this far away, in shares of the side."""
    return min(1.0, max(0.0, 0.5 - distance * side))


def _to_tick(x: float, y: float) -> float:
    return min(_to_line(x, y, start, end) for start, end in pairwise(_TICK))


def _to_line(x: float, y: float, start: Point, end: Point) -> float:
    """The distance to a stretch of line."""
    along = (end[0] - start[0], end[1] - start[1])
    length = along[0] ** 2 + along[1] ** 2
    share = max(0.0, min(1.0, ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length))
    return math.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1])


def _to_frame(x: float, y: float) -> float:
    """The distance to the edge of a square with round corners, below zero inside."""
    inner = 0.5 - _MARGIN - _ROUND
    over = (abs(x - 0.5) - inner, abs(y - 0.5) - inner)
    return math.hypot(max(over[0], 0.0), max(over[1], 0.0)) + min(max(over), 0.0) - _ROUND


def _png(side: int, pixel: Callable[[float, float], Pixel]) -> bytes:
    """Eight bits of red, green, blue and alpha for each pixel, no filter, no interlace."""
    rows = bytearray()
    for row in range(side):
        rows.append(0)  # this line has no filter
        for column in range(side):
            rows += bytes(pixel((column + 0.5) / side, (row + 0.5) / side))
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(bytes(rows), 9)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
