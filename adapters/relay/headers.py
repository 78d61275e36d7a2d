"""Which header fields go on, by RFC 9110 §7.6.1: all but those that are for one connection. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Fields = list[tuple[bytes, bytes]]

#: Fields that are about one connection, beside those that `Connection` names (RFC 9110 §7.6.1). Trailers are
#: not passed on (§6.5.1 allows that), so neither is their announcement.
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

#: Where a message goes and where it ends: it goes on, or is replaced by ours, also where `Connection` names it.
FRAMING = frozenset((b"content-length", b"transfer-encoding", b"host"))

#: By this name the relay is known in `Via` (RFC 9110 §7.6.3); a request that has it already goes in a circle.
PSEUDONYM = b"nod-relay"


def passed_on(fields: Sequence[tuple[bytes, bytes]]) -> Fields:
    """The fields for the next connection, in their order.

    Where the body came in pieces, a length beside it is not believed (RFC 9112 §6.3): who believed it would
    see two messages in one.
    """
    names = [name.lower() for name, _ in fields]
    dropped = set(HOP_BY_HOP)
    for name, (_, value) in zip(names, fields, strict=True):
        if name == b"connection":
            dropped |= {named.strip().lower() for named in value.split(b",")} - FRAMING
    if b"transfer-encoding" in names:
        dropped.add(b"content-length")
    return [field for name, field in zip(names, fields, strict=True) if name not in dropped]


def to_platform(fields: Sequence[tuple[bytes, bytes]], *, host: bytes, version: str) -> Fields:
    """The fields of a request as the platform gets it: its own `Host`, our `Via`, one request a connection."""
    in_pieces = any(name.lower() == b"transfer-encoding" for name, _ in fields)
    return [
        (b"Host", host),
        *(field for field in passed_on(fields) if field[0].lower() != b"host"),
        (b"Via", version.encode() + b" " + PSEUDONYM),
        (b"Connection", b"close"),
        *([(b"Transfer-Encoding", b"chunked")] if in_pieces else []),
    ]


def in_a_circle(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the request was here before: then the relay's platform is the relay."""
    return any(
        name.lower() == b"via" and PSEUDONYM in value.replace(b",", b" ").split() for name, value in fields
    )


def is_event_stream(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a body with these fields is server-sent events, packed or not."""
    found = {name.lower(): value for name, value in fields}
    kind = found.get(b"content-type", b"").partition(b";")[0]
    return kind.strip().lower() == b"text/event-stream"


def packings(fields: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """In which ways the body is packed, in their order, by small names (RFC 9110 §8.4)."""
    named = [value for name, value in fields if name.lower() == b"content-encoding"]
    names = (one.strip().lower().decode("latin-1") for value in named for one in value.split(b","))
    return tuple(name for name in names if name not in ("", "identity"))
