"""`nod watch` in a real terminal (a pty), against a served platform: what is seen, and which keys count."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess

import pytest

from adapters.cli.watch import CHANGED
from adapters.terminal.sheet import INTERRUPTED, NOT_YET
from tests.sampling import sampled
from tests.servers.seat import KEY, NOD, seated, settled, write

LONG = {"body": "\n".join(f"line {number}" for number in range(50)), "end": "of it"}


ANSWERS = [("y", "approved"), ("n", "rejected"), ("s", "skipped")]


async def test_what_waits_is_live() -> None:
    """It comes and goes on the screen with its countdown; q ends it with 0, and the terminal is as before."""
    async with seated(installed=True) as seat:
        before = seat.terminal.settings
        begun = least(await seat.terminal.shows("pay", "amount", "2 min", "q quit"))
        assert before != seat.terminal.settings
        second = seat.platform.ask(tool="send_email", arguments={}, timeout_seconds=30)
        await seat.terminal.shows("send_email", " s left")
        seat.platform.decide(second, "rejected")
        seat.terminal.press("y")
        async with asyncio.timeout(15):
            while "send_email" in (shown := await seat.terminal.shows("2 min")) or least(shown) >= begun:
                pass
        seat.terminal.press("q")

        assert 0 == await seat.terminal.ends()
        assert before == seat.terminal.settings
        assert [(second, "rejected")] == seat.posts


def least(shown: str) -> int:
    """The seconds of the shortest time that is left, of those above two minutes."""
    return min(int(seconds or 0) for seconds in re.findall(r"2 min(?: (\d+) s)? left", shown))


@pytest.mark.parametrize(("key", "word"), sampled(ANSWERS, quick=(0, 2)))
async def test_an_answer_at_the_terminal(key: str, word: str) -> None:
    """One key, one decision, with who gave it; then nothing waits."""
    async with seated("--interactive") as seat:
        await seat.terminal.shows("pay for bare_agent", "amount  12", "100 % shown", "y approve")
        await settled()
        seat.terminal.press(key)
        await seat.terminal.shows(f"{word}: pay", "No pending requests.")
        seat.terminal.press("q")

        assert 0 == await seat.terminal.ends()
    (post,) = seat.platform.decisions
    assert (word, 200) == (post.decision, post.status)
    assert f"{word} by " in (post.operator_input or "")


async def test_a_long_call_is_read_before_it_is_approved() -> None:
    """Approve counts after the last page, also when the window changes its size meanwhile."""
    async with seated("--interactive", arguments=LONG) as seat:
        await seat.terminal.shows("line 0", "% shown")
        await settled()
        seat.terminal.press("y")
        await seat.terminal.shows(NOT_YET)
        seat.terminal.resize(16, 60)
        seat.terminal.press(" ")
        await seat.terminal.shows("line 20")
        seat.terminal.resize(80, 90)
        await seat.terminal.shows("line 49", "of it", "100 % shown")
        seat.terminal.press("y")
        await seat.terminal.shows("approved: pay")
    assert ["approved"] == [word for _, word in seat.posts]


async def test_ctrl_c_decides_nothing() -> None:
    """It ends with 130, the terminal is as before, and nothing was sent."""
    async with seated("--interactive") as seat:
        before = seat.terminal.settings
        await seat.terminal.shows("100 % shown")
        await settled()
        seat.terminal.press("\x03")

        assert 130 == await seat.terminal.ends()
        assert before == seat.terminal.settings
    assert [] == seat.posts


async def test_a_paste_answers_nothing() -> None:
    """Text that lands in the window by mistake is not a key."""
    async with seated("--interactive") as seat:
        await seat.terminal.shows("100 % shown")
        await settled()
        seat.terminal.press("yes, please\n")
        await settled()
        seat.terminal.press("q")
        assert 0 == await seat.terminal.ends()
    assert [] == seat.posts


@pytest.mark.parametrize("pressed", [True, False], ids=["as it is approved", "as it is read"])
async def test_a_call_that_changes_is_shown_anew(pressed: bool) -> None:
    """An Approve is sent only for what the platform still lists, as it was shown."""
    async with seated("--interactive", ask=False) as seat:
        await seat.terminal.shows("No pending requests.")
        request_id = seat.platform.ask(tool="pay", arguments={"amount": 12})
        await seat.terminal.shows("amount  12")
        await settled()
        seat.platform.change(request_id, {"amount": 9000})
        if pressed:
            seat.terminal.press("y")
        await seat.terminal.shows(CHANGED, "amount  9000")
        assert [] == seat.posts
        await settled()
        seat.terminal.press("y")
        await seat.terminal.shows("approved: pay")
    assert [(request_id, "approved")] == seat.posts


async def test_trouble_is_told_and_passes() -> None:
    """While the platform cannot be asked the screen says so; a wrong key ends it with 1."""
    async with seated("--interactive") as seat:
        await seat.terminal.shows("amount  12")
        seat.faults.add(path="/agents/hitl/pending", status=503, times=2)
        await seat.terminal.shows("503")
        await settled()
        seat.terminal.press("n")
        await seat.terminal.shows("rejected: pay")
        seat.faults.add(path="/agents/hitl/pending", status=401)
        assert 1 == await seat.terminal.ends()
        await seat.terminal.shows("nod: the platform answered 401")


async def test_another_request_by_tab() -> None:
    """Tab goes on to the next one, and the answer is for the one that is shown."""
    async with seated("--interactive", timeout_seconds=60) as seat:
        await seat.terminal.shows("pay for bare_agent")
        later = seat.platform.ask(tool="send_email", arguments={})
        await seat.terminal.shows("1 more pending")
        seat.terminal.press("\t")
        await seat.terminal.shows("send_email for bare_agent")
        await settled()
        seat.terminal.press("s")
        await seat.terminal.shows("skipped: send_email", "pay for bare_agent")
    assert [(later, "skipped")] == seat.posts


@pytest.mark.parametrize(("key", "word"), sampled(ANSWERS, quick=(1,)))
async def test_an_answer_with_a_note(key: str, word: str) -> None:
    """It is written while the time runs, corrected, and sent along; y, n, s and q are letters in it."""
    async with seated("--interactive") as seat:
        await seat.terminal.shows("100 % shown", "e note")
        await settled()
        await write(seat, "eyes, no quick sums日本x\x7f")
        await seat.terminal.shows("note 20/1000: yes, no quick sums日本▏", "enter saves")
        await seat.terminal.shows("2 min ")
        seat.terminal.resize(20, 70)
        await seat.terminal.shows("note 20/1000: yes, no quick sums日本▏")
        seat.terminal.press("\r")
        await seat.terminal.shows("note 20/1000: yes, no quick sums日本", "y approve")
        assert [] == seat.posts
        await settled()
        seat.terminal.press(key)
        await seat.terminal.shows(f"{word}: pay", "No pending requests.")
    (post,) = seat.platform.decisions
    said, _, note = (post.operator_input or "").partition(". Note from the approver: ")
    assert said.startswith(f"{word} by ")
    assert '"yes, no quick sums日本"' == note


async def test_a_note_that_is_dropped_is_not_sent() -> None:
    """Esc leaves the call as it was, without a note."""
    async with seated("--interactive") as seat:
        await seat.terminal.shows("100 % shown")
        await settled()
        await write(seat, "esecret")
        await seat.terminal.shows("note 6/1000: secret")
        seat.terminal.press("\x1b")
        await seat.terminal.shows("y approve")
        await settled()
        seat.terminal.press("n")
        await seat.terminal.shows("rejected: pay")
    (post,) = seat.platform.decisions
    assert "secret" not in (post.operator_input or "")


@pytest.mark.parametrize(
    ("writing", "marked"), sampled([(w, m) for w in (True, False) for m in (True, False)], quick=(1, 2))
)
async def test_a_paste_of_lines_decides_nothing(writing: bool, marked: bool) -> None:
    """In a note it is text on one line; outside it is nothing, also a single letter that is marked as one."""
    async with seated("--interactive") as seat:
        await seat.terminal.shows("100 % shown")
        await settled()
        if writing:
            seat.terminal.press("e")
            await seat.terminal.shows("note 0/1000")
        for text in ("fine\ny\nn\n", "y" if marked or writing else "yy"):
            seat.terminal.press(f"\x1b[200~{text}\x1b[201~" if marked else text)
            await settled()
        if writing:
            await seat.terminal.shows("note 10/1000: fine y n y")
        seat.terminal.press("\x03")
        assert 130 == await seat.terminal.ends()
    assert [] == seat.posts


@pytest.mark.parametrize("how", ["changes", "is answered"])
async def test_a_note_ends_with_its_call(how: str) -> None:
    """Who goes on typing when another call comes up answers nothing with it, and the note is gone."""
    async with seated("--interactive", ask=False) as seat:
        first = seat.platform.ask(tool="pay", arguments={"amount": 12}, timeout_seconds=60)
        second = seat.platform.ask(tool="send_email", arguments={}, timeout_seconds=90)
        await seat.terminal.shows("amount  12", "1 more pending")
        await settled()
        await write(seat, "eold")
        await seat.terminal.shows("note 3/1000: old")
        if how == "changes":
            seat.platform.change(first, {"amount": 9000})
        else:
            seat.platform.decide(first, "skipped")
        shown = second if how == "is answered" else first
        await seat.terminal.shows(INTERRUPTED, "enter continues")
        await settled()
        posted = len(seat.posts)
        await write(seat, "yes no sqn")
        await settled()
        assert posted == len(seat.posts)
        seat.terminal.press("\r")
        await seat.terminal.shows("y approve")
        await settled()
        seat.terminal.press("n")
        await seat.terminal.shows("rejected:")
    post = seat.platform.decisions[-1]
    assert (shown, "rejected") == (post.request_id, post.decision)
    assert "Note" not in (post.operator_input or "")


async def test_a_note_stays_with_its_request() -> None:
    """By Tab to another request and back, it is gone: nothing goes along that is not on the screen."""
    async with seated("--interactive", timeout_seconds=60) as seat:
        seat.platform.ask(tool="send_email", arguments={})
        await seat.terminal.shows("pay for bare_agent", "1 more pending")
        await write(seat, "ef\tirst\r")
        await seat.terminal.shows("note 5/1000: first", "y approve")
        seat.terminal.press("\t")
        await seat.terminal.shows("send_email for bare_agent")
        await settled()
        seat.terminal.press("s")
        await seat.terminal.shows("skipped: send_email", "pay for bare_agent")
        await settled()
        seat.terminal.press("s")
        await seat.terminal.shows("skipped: pay")
    assert [False, False] == ["first" in (post.operator_input or "") for post in seat.platform.decisions]


async def test_ctrl_c_in_a_note_decides_nothing() -> None:
    """It ends as it does elsewhere, with the terminal as before."""
    async with seated("--interactive") as seat:
        before = seat.terminal.settings
        await seat.terminal.shows("100 % shown")
        await write(seat, "eyes")
        seat.terminal.press("\x03")

        assert 130 == await seat.terminal.ends()
        assert before == seat.terminal.settings
        asked, _, rest = seat.terminal.raw.partition("\x1b[?2004h")
        assert "\x1b[?2004l" not in asked
        assert rest.count("\x1b[?2004l") == 1  # pastes are marked while it runs, and not after it
    assert [] == seat.posts


def test_without_a_terminal() -> None:
    """It says what there is for scripts, and ends with 2."""
    env = {"PATH": os.environ["PATH"], "AIP_API_URL": "http://127.0.0.1:1", "AIP_API_KEY": KEY}

    done = subprocess.run(
        [NOD, "watch"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert (2, "") == (done.returncode, done.stdout)
    assert "nod pending --json" in done.stderr
