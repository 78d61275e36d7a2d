"""`nod watch --interactive` while answers are on their way: none is lost unsaid, and none holds up another."""

from __future__ import annotations

import pytest

from adapters.cli.watch import PARTING, PERHAPS
from tests.servers.seat import DECISION, PENDING, Seat, seated, settled, write
from tests.servers.town import until

CLOSED = "\x1b[?1049l"  #: the screen as it was before comes back


async def ready(seat: Seat) -> None:
    """The call was read, and keys count."""
    await seat.terminal.shows("pay for bare_agent", "100 % shown")
    await settled()


async def ends(seat: Seat, code: int, says: str, *, within: float = 10) -> None:
    """It ends with this code, and this stands in the terminal when the screen is closed."""
    assert code == await seat.terminal.ends(within)
    await until(lambda: says in seat.terminal.raw.rpartition(CLOSED)[2], what=f"{says!r} below the screen")


async def sends(seat: Seat, answer: str = "rejected", *, key: str = "n", tool: str = "") -> None:
    """The key is pressed, and the answer is on its way."""
    seat.terminal.press(key)
    await seat.terminal.shows(f"Sending {answer}{f' for {tool}' if tool else ''}")


@pytest.mark.parametrize("path", [PENDING, DECISION])
async def test_an_answer_is_tried_until_the_platform_takes_it(path: str) -> None:
    """A platform in trouble costs time only, also when it is asked for the call before an Approve."""
    async with seated("--interactive") as seat:
        await ready(seat)
        seat.faults.add(path=path, status=503, times=4)
        seat.terminal.press("y")
        await seat.terminal.shows("approved: pay")
    assert ["approved"] == [post.decision for post in seat.platform.decisions if post.status == 200]


async def test_the_last_result_stays_when_the_screen_closes() -> None:
    """What was answered last stands in the terminal afterwards."""
    async with seated("--interactive") as seat:
        await ready(seat)
        seat.terminal.press("n")
        await seat.terminal.shows("rejected: pay")
        seat.terminal.press("q")
        await ends(seat, 0, "rejected: pay")


async def test_q_waits_for_an_answer_on_its_way() -> None:
    """It is delivered, and told; 0."""
    async with seated("--interactive") as seat:
        await ready(seat)
        seat.faults.add(path=DECISION, status=503, times=2)
        await sends(seat)
        seat.terminal.press("q")
        await seat.terminal.shows("Waiting for the platform: rejected for pay")
        await ends(seat, 0, "rejected: pay")
    assert ["rejected"] == [post.decision for post in seat.platform.decisions if post.status == 200]


async def test_q_says_what_was_not_delivered() -> None:
    """It waits for so long only, then it is 1; so it is where somebody else was first."""
    async with seated("--interactive") as seat:
        await ready(seat)
        seat.faults.add(path=DECISION, status=503)
        await sends(seat)
        seat.terminal.press("q")
        await ends(seat, 1, f"{PERHAPS}: rejected for pay", within=PARTING + 5)


async def test_q_when_somebody_else_was_first() -> None:
    """The answer that was on its way was not the one: 1."""
    async with seated("--interactive") as seat:
        await ready(seat)
        slow = seat.faults.add(path=DECISION, status=503, times=1)
        seat.terminal.press("n")
        await until(lambda: slow.hits > 0, what="the first try")
        seat.terminal.press("q")
        (request,) = seat.platform.approvals.pending()
        seat.platform.decide(request.request_id, "skipped")
        await ends(seat, 1, "decided by someone else")


async def test_ctrl_c_says_what_was_on_its_way() -> None:
    """130, at once; whether the answer arrived nobody knows."""
    async with seated("--interactive") as seat:
        await ready(seat)
        seat.faults.add(path=DECISION, delay=30)
        await sends(seat)
        seat.terminal.press("\x03")
        await ends(seat, 130, f"{PERHAPS}: rejected for pay")
        assert "Traceback" not in seat.terminal.raw


async def test_an_answer_that_is_tried_again_holds_up_no_other() -> None:
    """Tab goes on meanwhile, the other one is answered, and both arrive."""
    async with seated("--interactive", timeout_seconds=60) as seat:
        await ready(seat)
        first = seat.platform.ask(tool="send_email", arguments={})
        await seat.terminal.shows("1 more pending")
        trouble = seat.faults.add(path=DECISION, status=503)
        await sends(seat, tool="pay")
        seat.terminal.press("\t")
        await seat.terminal.shows("send_email for bare_agent")
        await settled()
        assert trouble.hits
        await sends(seat, "skipped", key="s", tool="send_email")
        seat.terminal.press("\t")
        await seat.terminal.shows("pay for bare_agent", "Sending rejected for pay")
        seat.terminal.press("y")  # answered already: the key counts for nothing
        seat.faults.clear()
        await seat.terminal.shows("skipped: send_email")
        await seat.terminal.shows("No pending requests.")
    assert {"rejected", "skipped"} == {post.decision for post in seat.platform.decisions if post.status == 200}
    assert first in {post.request_id for post in seat.platform.decisions}
    assert "approved" not in {post.decision for post in seat.platform.decisions}


async def test_a_note_is_kept_when_its_answer_was_not_delivered() -> None:
    """It stands there again with the same call, to be seen, sent along or dropped."""
    async with seated("--interactive") as seat:
        await ready(seat)
        await write(seat, "ebecause\r")
        await settled()
        seat.faults.add(path=DECISION, status=400, times=1)
        seat.terminal.press("n")
        await seat.terminal.shows("Not rejected: pay", "note 7/1000: because")
        await settled()
        seat.terminal.press("s")
        await seat.terminal.shows("skipped: pay")
    assert "because" in (seat.platform.decisions[-1].operator_input or "")
