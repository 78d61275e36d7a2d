"""Where one message ends and the next begins: said once and plainly, or the request is refused.

h11 follows RFC 9112, which lets a server guess: a length beside `Transfer-Encoding` is passed over, the same
length twice is one, a folded line is joined. What stands before or behind Nod may guess otherwise, and then one
sees one request where the other sees two (request smuggling; RFC 9112 §11.2).
"""

from __future__ import annotations

import re

import h11

_LENGTHS = re.compile(rb"(?im)^(content-length|transfer-encoding):[ \t]*([^\r\n]*?)[ \t]*\r?$")
_FOLDED = re.compile(rb"\n[ \t]")
#: h11 takes a bare LF for the end of a line; others take it for content.
_BARE_LF = re.compile(rb"(?<!\r)\n")


class Framed(h11.Connection):
    """h11's connection of a server, less lenient."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """As h11 has it. Raises h11.RemoteProtocolError for a head whose body could be measured in two ways."""
        if self.their_state is not h11.IDLE:
            return super().next_event()
        before = self.trailing_data[0]
        event = super().next_event()
        if isinstance(event, h11.Request):
            left = len(self.trailing_data[0])
            _check(before[: len(before) - left], version=event.http_version)
        return event


def _check(head: bytes, *, version: bytes) -> None:
    if version not in (b"1.0", b"1.1"):
        raise h11.RemoteProtocolError("no version that is spoken here")
    if _FOLDED.search(head) or _BARE_LF.search(head):
        raise h11.RemoteProtocolError("the head has folded lines, or lines that do not end in CRLF")
    lengths = _LENGTHS.findall(head)
    if len(lengths) > 1:
        raise h11.RemoteProtocolError("the length of the body is given more than once")
    for name, value in lengths:
        if name.lower() == b"content-length" and not value.isdigit():
            raise h11.RemoteProtocolError("the length of the body is no number")
        if name.lower() == b"transfer-encoding" and version != b"1.1":
            raise h11.RemoteProtocolError("Transfer-Encoding came with another version than 1.1")
