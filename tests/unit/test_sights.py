"""A call is made ready to be shown once for each state, off the loop, and is not kept forever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.call import sight_of
from bot.flow.sights import LONG, SHORT, Sights
from bot.protocol import HITLRequest
from bot.redaction import Redaction


@dataclass(eq=False)
class Looks:
    """A shape that fits nothing, and knows in which threads it was looked for."""

    pattern: str = "x"
    threads: list[int] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def spans(self, text: str, *, seconds: float) -> tuple[Sequence[tuple[int, int]], float]:
        self.threads.append(threading.get_ident())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        threading.Event().wait(0.01)
        self.at_once -= 1
        return [], 0.0


async def test_many_who_ask_share_one_sight(make_request: Callable[..., HITLRequest]) -> None:
    """Cards, forms and presses of one call: it is read once, in a thread of its own."""
    looks = Looks()
    redaction, sights = Redaction(shapes=(looks,)), Sights()
    request = make_request(arguments={"to": "jane"})

    made = await asyncio.gather(*(sights.of(request, redaction=redaction) for _ in range(20)))
    again = await sights.of(make_request(arguments={"to": "jane"}), redaction=redaction)

    assert 2 == len(looks.threads), "the key and the value, once"
    assert threading.get_ident() not in looks.threads
    assert {id(again)} == {id(one) for one in made}
    assert sight_of(request, redaction=Redaction()) == again


async def test_a_short_call_takes_no_way_to_a_thread(make_request: Callable[..., HITLRequest]) -> None:
    """It is there before anything else has a turn, and kept; a longer one lets others go first."""
    sights, others = Sights(), list[str]()
    short, longer = (make_request(arguments={"to": "x" * many}) for many in (SHORT - 3, SHORT))
    asyncio.get_running_loop().call_soon(others.append, "had a turn")

    made = await sights.of(short, redaction=Redaction())

    assert [] == others
    assert made is await sights.of(short, redaction=Redaction())
    await sights.of(longer, redaction=Redaction())
    assert others


async def test_a_changed_call_or_policy_is_read_again(make_request: Callable[..., HITLRequest]) -> None:
    """Another call, or other names and shapes of secrets, is another sight; the same ones are not."""
    sights = Sights()
    request = make_request(arguments={"to": "jane", "staff_no": "4711"})

    plain = await sights.of(request, redaction=Redaction())
    covered = await sights.of(request, redaction=Redaction(names=("staff no",)))
    changed = await sights.of(make_request(arguments={"to": "bob", "staff_no": "4711"}), redaction=Redaction())

    assert "4711" in plain.text
    assert "4711" not in covered.text
    assert "bob" in changed.text
    assert plain is await sights.of(request, redaction=Redaction(names=()))
    assert covered is await sights.of(request, redaction=Redaction(names=("staff no",)))


async def test_what_is_kept_is_bounded(make_request: Callable[..., HITLRequest]) -> None:
    """By number and by characters; what was used last stays."""
    sights = Sights(most=2, most_characters=1_000)
    one, two, three = (make_request(arguments={"n": "x" * 300, "of": n}) for n in range(3))
    plain = Redaction()

    first = await sights.of(one, redaction=plain)
    second = await sights.of(two, redaction=plain)
    assert first is await sights.of(one, redaction=plain)
    await sights.of(three, redaction=plain)
    assert first is await sights.of(one, redaction=plain)
    assert second is not await sights.of(two, redaction=plain)
    await sights.of(make_request(arguments={"n": "y" * 2_000}), redaction=plain)
    assert first is not await sights.of(one, redaction=plain)


async def test_long_calls_are_read_one_at_a_time(make_request: Callable[..., HITLRequest]) -> None:
    """They leave the processor to clicks; who gives up waiting takes nothing from the others."""
    looks = Looks()
    redaction, sights = Redaction(shapes=(looks,)), Sights()
    calls = [make_request(arguments=["x" * LONG + "x", n]) for n in range(4)]

    waiting = [asyncio.create_task(sights.of(call, redaction=redaction)) for call in (*calls, calls[0])]
    await asyncio.sleep(0)
    waiting[0].cancel()
    made = await asyncio.gather(*waiting, return_exceptions=True)

    assert 1 == looks.most_at_once
    assert isinstance(made[0], asyncio.CancelledError)
    assert all(not isinstance(one, BaseException) for one in made[1:])
