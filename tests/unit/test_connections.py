"""Which connections are closed when there is no room: idle ones first, then slow ones of the peer with most."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field

import pytest

from adapters.serving.protocol import FEWEST, Connections, Stage, peer_of, room


@dataclass(eq=False)
class OpenConnection:
    """A connection that only says what it is."""

    peer: str
    stage: Stage
    since: float = 0.0
    cuts: list[bool] = field(default_factory=list)

    def cut(self) -> None:
        self.cuts.append(True)

    def look(self, now: float) -> None:
        raise NotImplementedError


def crowded(*guests: OpenConnection) -> Connections:
    crowd = Connections(most=len(guests))
    assert all(crowd.enter(guest) for guest in guests)
    return crowd


def test_an_idle_connection_goes_before_a_slow_one() -> None:
    """The one that has been idle for longest; nobody loses a request by that."""
    slow, old, young = (
        OpenConnection("a", Stage.HEAD),
        OpenConnection("b", Stage.IDLE, 1),
        OpenConnection("b", Stage.IDLE, 2),
    )
    crowd = crowded(slow, young, old)

    assert crowd.enter(OpenConnection("c", Stage.HEAD))
    assert [[], [True], []] == [slow.cuts, old.cuts, young.cuts]


@pytest.mark.parametrize("stage", [Stage.HEAD, Stage.BODY, Stage.REST, Stage.UNREAD, Stage.CLOSING])
def test_whoever_has_most_loses_the_oldest_of_the_slow(stage: Stage) -> None:
    """A peer that takes all the room pushes out its own connections, and not another peer's older one."""
    other = OpenConnection("other", stage, 0)
    many = [OpenConnection("many", stage, 1 + n) for n in range(3)]
    crowd = crowded(other, *many)

    assert crowd.enter(OpenConnection("new", Stage.HEAD, 9))
    assert [[], [True], [], []] == [other.cuts, *(guest.cuts for guest in many)]


def test_whoever_is_being_answered_stays() -> None:
    """When everybody waits for us, the new one is turned away."""
    busy = [OpenConnection("a", Stage.ANSWERING) for _ in range(3)]
    crowd = crowded(*busy)

    assert not crowd.enter(OpenConnection("b", Stage.HEAD))
    assert not any(guest.cuts for guest in busy)


def test_a_full_house_makes_room_for_several_at_once() -> None:
    """A pass over all connections is paid for by several new ones."""
    guests = [OpenConnection("a", Stage.IDLE, n) for n in range(160)]
    crowd = crowded(*guests)

    assert crowd.enter(OpenConnection("b", Stage.HEAD))
    assert [True] * 10 + [False] * 150 == [bool(guest.cuts) for guest in guests]


def test_an_ipv6_peer_is_the_network_that_one_customer_has() -> None:
    """A peer with a /64 has more addresses than there are connections."""
    assert peer_of(("2001:db8::1", 1, 0, 0)) == peer_of(("2001:db8::ffff", 2, 0, 0))
    assert peer_of(("2001:db8:0:1::1", 1, 0, 0)) != peer_of(("2001:db8::1", 1, 0, 0))
    assert "10.0.0.1" == peer_of(("10.0.0.1", 5)) == peer_of(("::ffff:10.0.0.1", 5, 0, 0))
    assert "" == peer_of(None)


def test_the_cap_follows_the_limit_of_descriptors() -> None:
    """Nod's own descriptors are never among those that connections may take."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1000, limits[1]))
        assert 500 == room(share=0.5, most=1024)
        assert 100 == room(share=0.5, most=100)
        assert FEWEST == room(share=0.001, most=100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
