"""`nod watch --interactive` while answers are on their way: none is lost unsaid, and none holds up another."""

from __future__ import annotations

import pytest

from adapters.cli.watch import PARTING, PERHAPS
from tests.servers.system import until
from tests.servers.terminal_rig import DECISION, PENDING, Rig, at_a_terminal, settled, write

CLOSED = "\x1b[?1049l"  #: the screen as it was before comes back


async def ready(rig: Rig) -> None:
    """The call was read, and keys count."""
    await rig.terminal.shows("pay for bare_agent", "100 % shown")
    await settled()


async def check_end(rig: Rig, code: int, says: str, *, within: float = 10) -> None:
    """It ends with this code, and this is in the terminal when the screen is closed."""
    assert code == await rig.terminal.ends(within)
    await until(lambda: says in rig.terminal.raw.rpartition(CLOSED)[2], what=f"{says!r} below the screen")


async def sends(rig: Rig, answer: str = "rejected", *, key: str = "n", tool: str = "") -> None:
    """The key is pressed, and the answer is on its way."""
    rig.terminal.press(key)
    await rig.terminal.shows(f"Sending {answer}{f' for {tool}' if tool else ''}")


@pytest.mark.parametrize("path", [PENDING, DECISION])
async def test_an_answer_is_tried_until_the_platform_takes_it(path: str) -> None:
    """A platform in trouble costs time only, also when it is asked for the call before an Approve."""
    async with at_a_terminal("--interactive") as rig:
        await ready(rig)
        rig.faults.add(path=path, status=503, times=4)
        rig.terminal.press("y")
        await rig.terminal.shows("approved: pay")
    assert ["approved"] == [post.decision for post in rig.platform.decisions if post.status == 200]


async def test_the_last_result_stays_when_the_screen_closes() -> None:
    """The last answer is in the terminal afterwards."""
    async with at_a_terminal("--interactive") as rig:
        await ready(rig)
        rig.terminal.press("n")
        await rig.terminal.shows("rejected: pay")
        rig.terminal.press("q")
        await check_end(rig, 0, "rejected: pay")


async def test_q_waits_for_an_answer_on_its_way() -> None:
    """It is delivered, and told; 0."""
    async with at_a_terminal("--interactive") as rig:
        await ready(rig)
        rig.faults.add(path=DECISION, status=503, times=2)
        await sends(rig)
        rig.terminal.press("q")
        await rig.terminal.shows("Waiting for the platform: rejected for pay")
        await check_end(rig, 0, "rejected: pay")
    assert ["rejected"] == [post.decision for post in rig.platform.decisions if post.status == 200]


async def test_q_says_what_was_not_delivered() -> None:
    """It waits for so long only, then the exit code is 1; so it is where another person was first."""
    async with at_a_terminal("--interactive") as rig:
        await ready(rig)
        rig.faults.add(path=DECISION, status=503)
        await sends(rig)
        rig.terminal.press("q")
        await check_end(rig, 1, f"{PERHAPS}: rejected for pay", within=PARTING + 5)


async def test_q_when_somebody_else_was_first() -> None:
    """The answer that was on its way was not the one: 1."""
    async with at_a_terminal("--interactive") as rig:
        await ready(rig)
        slow = rig.faults.add(path=DECISION, status=503, times=1)
        rig.terminal.press("n")
        await until(lambda: slow.hits > 0, what="the first try")
        rig.terminal.press("q")
        (request,) = rig.platform.approvals.pending()
        rig.platform.decide(request.request_id, "skipped")
        await check_end(rig, 1, "decided by someone else")


async def test_ctrl_c_says_what_was_on_its_way() -> None:
    """130, at once; whether the answer arrived nobody knows."""
    async with at_a_terminal("--interactive") as rig:
        await ready(rig)
        rig.faults.add(path=DECISION, delay=30)
        await sends(rig)
        rig.terminal.press("\x03")
        await check_end(rig, 130, f"{PERHAPS}: rejected for pay")
        assert "Traceback" not in rig.terminal.raw


async def test_an_answer_that_is_tried_again_holds_up_no_other() -> None:
    """Tab goes on meanwhile, the other one is answered, and both arrive."""
    async with at_a_terminal("--interactive", timeout_seconds=60) as rig:
        await ready(rig)
        first = rig.platform.ask(tool="send_email", arguments={})
        await rig.terminal.shows("1 more pending")
        trouble = rig.faults.add(path=DECISION, status=503)
        await sends(rig, tool="pay")
        rig.terminal.press("\t")
        await rig.terminal.shows("send_email for bare_agent")
        await settled()
        assert trouble.hits
        await sends(rig, "skipped", key="s", tool="send_email")
        rig.terminal.press("\t")
        await rig.terminal.shows("pay for bare_agent", "Sending rejected for pay")
        rig.terminal.press("y")  # answered already: the key does nothing
        rig.faults.clear()
        await rig.terminal.shows("skipped: send_email")
        await rig.terminal.shows("No pending requests.")
    assert {"rejected", "skipped"} == {post.decision for post in rig.platform.decisions if post.status == 200}
    assert first in {post.request_id for post in rig.platform.decisions}
    assert "approved" not in {post.decision for post in rig.platform.decisions}


async def test_a_note_is_kept_when_its_answer_was_not_delivered() -> None:
    """It is there again with the same call, to be seen, sent along or dropped."""
    async with at_a_terminal("--interactive") as rig:
        await ready(rig)
        await write(rig, "ebecause\r")
        await settled()
        rig.faults.add(path=DECISION, status=400, times=1)
        rig.terminal.press("n")
        await rig.terminal.shows("Not rejected: pay", "note 7/1000: because")
        await settled()
        rig.terminal.press("s")
        await rig.terminal.shows("skipped: pay")
    assert "because" in (rig.platform.decisions[-1].operator_input or "")
