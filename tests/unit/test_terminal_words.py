"""What a terminal is told: names that come from a chat bring nothing along that a terminal obeys."""

from __future__ import annotations

import pytest

from adapters.chat.plugin import Finding
from adapters.cli.findings import print_finding
from adapters.cli.test_card import _said as said

NAME = "Ann\x1b[2J\x1b]8;;https://x.example\x07\u202e"
SEEN = "Ann\\u{1B}[2J\\u{1B}]8;;https://x.example\\u{7}\\u{202E}"


def test_a_finding_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A person may call themselves anything in their profile."""
    print_finding(Finding(what=f"Approvers: {NAME}", fix=f"Ask {NAME}."))
    assert f"✗ Approvers: {SEEN}\n  → Ask {SEEN}.\n" == capsys.readouterr().out


def test_what_a_test_card_tells_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The person who pressed is named."""
    said(f"{NAME} approved it in Slack.")
    assert f"{SEEN} approved it in Slack.\n" == capsys.readouterr().out
