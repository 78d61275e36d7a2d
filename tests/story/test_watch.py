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
from tests.servers.terminal_rig import KEY, NOD, at_a_terminal, settled, write

LONG = {"body": "\n".join(f"line {number}" for number in range(50)), "end": "of it"}


ANSWERS = [("y", "approved"), ("n", "rejected"), ("s", "skipped")]


async def test_what_waits_is_live() -> None:
    """It comes and goes on the screen with its countdown; q ends it with 0, and the terminal is as before."""
    async with at_a_terminal(installed=True) as rig:
        before = rig.terminal.settings
        begun = least(await rig.terminal.shows("pay", "amount", "2 min", "q quit"))
        assert before != rig.terminal.settings
        second = rig.platform.ask(tool="send_email", arguments={}, timeout_seconds=30)
        await rig.terminal.shows("send_email", " s left")
        rig.platform.decide(second, "rejected")
        rig.terminal.press("y")
        async with asyncio.timeout(15):
            while "send_email" in (shown := await rig.terminal.shows("2 min")) or least(shown) >= begun:
                pass
        rig.terminal.press("q")

        assert 0 == await rig.terminal.ends()
        assert before == rig.terminal.settings
        assert [(second, "rejected")] == rig.posts


def least(shown: str) -> int:
    """The seconds of the shortest time that is left, of those above two minutes."""
    return min(int(seconds or 0) for seconds in re.findall(r"2 min(?: (\d+) s)? left", shown))


@pytest.mark.parametrize(("key", "word"), sampled(ANSWERS, quick=(0, 2)))
async def test_an_answer_at_the_terminal(key: str, word: str) -> None:
    """One key, one decision, with who gave it; then nothing waits."""
    async with at_a_terminal("--interactive") as rig:
        await rig.terminal.shows("pay for bare_agent", "amount  12", "100 % shown", "y approve")
        await settled()
        rig.terminal.press(key)
        await rig.terminal.shows(f"{word}: pay", "No pending requests.")
        rig.terminal.press("q")

        assert 0 == await rig.terminal.ends()
    (post,) = rig.platform.decisions
    assert (word, 200) == (post.decision, post.status)
    assert f"{word} by " in (post.operator_input or "")


async def test_a_long_call_is_read_before_it_is_approved() -> None:
    """Approve works after the last page, also when the window changes its size meanwhile."""
    async with at_a_terminal("--interactive", arguments=LONG) as rig:
        await rig.terminal.shows("line 0", "% shown")
        await settled()
        rig.terminal.press("y")
        await rig.terminal.shows(NOT_YET)
        rig.terminal.resize(16, 60)
        rig.terminal.press(" ")
        await rig.terminal.shows("line 20")
        rig.terminal.resize(80, 90)
        await rig.terminal.shows("line 49", "of it", "100 % shown")
        rig.terminal.press("y")
        await rig.terminal.shows("approved: pay")
    assert ["approved"] == [word for _, word in rig.posts]


async def test_ctrl_c_decides_nothing() -> None:
    """It ends with 130, the terminal is as before, and nothing was sent."""
    async with at_a_terminal("--interactive") as rig:
        before = rig.terminal.settings
        await rig.terminal.shows("100 % shown")
        await settled()
        rig.terminal.press("\x03")

        assert 130 == await rig.terminal.ends()
        assert before == rig.terminal.settings
    assert [] == rig.posts


async def test_a_paste_answers_nothing() -> None:
    """Text that lands in the window by mistake is not a key."""
    async with at_a_terminal("--interactive") as rig:
        await rig.terminal.shows("100 % shown")
        await settled()
        rig.terminal.press("yes, please\n")
        await settled()
        rig.terminal.press("q")
        assert 0 == await rig.terminal.ends()
    assert [] == rig.posts


@pytest.mark.parametrize("pressed", [True, False], ids=["as it is approved", "as it is read"])
async def test_a_call_that_changes_is_shown_anew(pressed: bool) -> None:
    """An Approve is sent only for what the platform still lists, as it was shown."""
    async with at_a_terminal("--interactive", ask=False) as rig:
        await rig.terminal.shows("No pending requests.")
        request_id = rig.platform.ask(tool="pay", arguments={"amount": 12})
        await rig.terminal.shows("amount  12")
        await settled()
        rig.platform.change(request_id, {"amount": 9000})
        if pressed:
            rig.terminal.press("y")
        await rig.terminal.shows(CHANGED, "amount  9000")
        assert [] == rig.posts
        await settled()
        rig.terminal.press("y")
        await rig.terminal.shows("approved: pay")
    assert [(request_id, "approved")] == rig.posts


async def test_trouble_is_told_and_passes() -> None:
    """While the platform cannot be asked the screen says so; a wrong key ends it with 1."""
    async with at_a_terminal("--interactive") as rig:
        await rig.terminal.shows("amount  12")
        rig.faults.add(path="/agents/hitl/pending", status=503, times=2)
        await rig.terminal.shows("503")
        await settled()
        rig.terminal.press("n")
        await rig.terminal.shows("rejected: pay")
        rig.faults.add(path="/agents/hitl/pending", status=401)
        assert 1 == await rig.terminal.ends()
        await rig.terminal.shows("nod: the platform answered 401")


async def test_another_request_by_tab() -> None:
    """Tab goes on to the next one, and the answer is for the one that is shown."""
    async with at_a_terminal("--interactive", timeout_seconds=60) as rig:
        await rig.terminal.shows("pay for bare_agent")
        later = rig.platform.ask(tool="send_email", arguments={})
        await rig.terminal.shows("1 more pending")
        rig.terminal.press("\t")
        await rig.terminal.shows("send_email for bare_agent")
        await settled()
        rig.terminal.press("s")
        await rig.terminal.shows("skipped: send_email", "pay for bare_agent")
    assert [(later, "skipped")] == rig.posts


@pytest.mark.parametrize(("key", "word"), sampled(ANSWERS, quick=(1,)))
async def test_an_answer_with_a_note(key: str, word: str) -> None:
    """It is written while the time runs, corrected, and sent along; y, n, s and q are letters in it."""
    async with at_a_terminal("--interactive") as rig:
        await rig.terminal.shows("100 % shown", "e note")
        await settled()
        await write(rig, "eyes, no quick sums日本x\x7f")
        await rig.terminal.shows("note 20/1000: yes, no quick sums日本▏", "enter saves")
        await rig.terminal.shows("2 min ")
        rig.terminal.resize(20, 70)
        await rig.terminal.shows("note 20/1000: yes, no quick sums日本▏")
        rig.terminal.press("\r")
        await rig.terminal.shows("note 20/1000: yes, no quick sums日本", "y approve")
        assert [] == rig.posts
        await settled()
        rig.terminal.press(key)
        await rig.terminal.shows(f"{word}: pay", "No pending requests.")
    (post,) = rig.platform.decisions
    said, _, note = (post.operator_input or "").partition(". Note from the approver: ")
    assert said.startswith(f"{word} by ")
    assert '"yes, no quick sums日本"' == note


async def test_a_note_that_is_dropped_is_not_sent() -> None:
    """Esc leaves the call as it was, without a note."""
    async with at_a_terminal("--interactive") as rig:
        await rig.terminal.shows("100 % shown")
        await settled()
        await write(rig, "esecret")
        await rig.terminal.shows("note 6/1000: secret")
        rig.terminal.press("\x1b")
        await rig.terminal.shows("y approve")
        await settled()
        rig.terminal.press("n")
        await rig.terminal.shows("rejected: pay")
    (post,) = rig.platform.decisions
    assert "secret" not in (post.operator_input or "")


@pytest.mark.parametrize(
    ("writing", "marked"), sampled([(w, m) for w in (True, False) for m in (True, False)], quick=(1, 2))
)
async def test_a_paste_of_lines_decides_nothing(writing: bool, marked: bool) -> None:
    """In a note it is text on one line; outside it is nothing, also a single letter that is marked as one."""
    async with at_a_terminal("--interactive") as rig:
        await rig.terminal.shows("100 % shown")
        await settled()
        if writing:
            rig.terminal.press("e")
            await rig.terminal.shows("note 0/1000")
        for text in ("fine\ny\nn\n", "y" if marked or writing else "yy"):
            rig.terminal.press(f"\x1b[200~{text}\x1b[201~" if marked else text)
            await settled()
        if writing:
            await rig.terminal.shows("note 10/1000: fine y n y")
        rig.terminal.press("\x03")
        assert 130 == await rig.terminal.ends()
    assert [] == rig.posts


@pytest.mark.parametrize("how", ["changes", "is answered"])
async def test_a_note_ends_with_its_call(how: str) -> None:
    """Who goes on typing when another call comes up answers nothing with it, and the note is gone."""
    async with at_a_terminal("--interactive", ask=False) as rig:
        first = rig.platform.ask(tool="pay", arguments={"amount": 12}, timeout_seconds=60)
        second = rig.platform.ask(tool="send_email", arguments={}, timeout_seconds=90)
        await rig.terminal.shows("amount  12", "1 more pending")
        await settled()
        await write(rig, "eold")
        await rig.terminal.shows("note 3/1000: old")
        if how == "changes":
            rig.platform.change(first, {"amount": 9000})
        else:
            rig.platform.decide(first, "skipped")
        shown = second if how == "is answered" else first
        await rig.terminal.shows(INTERRUPTED, "enter continues")
        await settled()
        posted = len(rig.posts)
        await write(rig, "yes no sqn")
        await settled()
        assert posted == len(rig.posts)
        rig.terminal.press("\r")
        await rig.terminal.shows("y approve")
        await settled()
        rig.terminal.press("n")
        await rig.terminal.shows("rejected:")
    post = rig.platform.decisions[-1]
    assert (shown, "rejected") == (post.request_id, post.decision)
    assert "Note" not in (post.operator_input or "")


async def test_a_note_stays_with_its_request() -> None:
    """By Tab to another request and back, it is gone: nothing goes along that is not on the screen."""
    async with at_a_terminal("--interactive", timeout_seconds=60) as rig:
        rig.platform.ask(tool="send_email", arguments={})
        await rig.terminal.shows("pay for bare_agent", "1 more pending")
        await write(rig, "ef\tirst\r")
        await rig.terminal.shows("note 5/1000: first", "y approve")
        rig.terminal.press("\t")
        await rig.terminal.shows("send_email for bare_agent")
        await settled()
        rig.terminal.press("s")
        await rig.terminal.shows("skipped: send_email", "pay for bare_agent")
        await settled()
        rig.terminal.press("s")
        await rig.terminal.shows("skipped: pay")
    assert [False, False] == ["first" in (post.operator_input or "") for post in rig.platform.decisions]


async def test_ctrl_c_in_a_note_decides_nothing() -> None:
    """It ends as it does elsewhere, with the terminal as before."""
    async with at_a_terminal("--interactive") as rig:
        before = rig.terminal.settings
        await rig.terminal.shows("100 % shown")
        await write(rig, "eyes")
        rig.terminal.press("\x03")

        assert 130 == await rig.terminal.ends()
        assert before == rig.terminal.settings
        asked, _, rest = rig.terminal.raw.partition("\x1b[?2004h")
        assert "\x1b[?2004l" not in asked
        assert rest.count("\x1b[?2004l") == 1  # pastes are marked while it runs, and not after it
    assert [] == rig.posts


def test_without_a_terminal() -> None:
    """It says what there is for scripts, and ends with 2."""
    env = {"PATH": os.environ["PATH"], "AIP_API_URL": "http://127.0.0.1:1", "AIP_API_KEY": KEY}

    done = subprocess.run(
        [NOD, "watch"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert (2, "") == (done.returncode, done.stdout)
    assert "nod pending --json" in done.stderr
