"""Plain text that chats, pagers and mail clients show: names in it neither format, link nor ping."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.pagers.services import _alert_of, _payload_of
from adapters.slack.elements import spoken as spoken_in_slack
from adapters.slack.notices import explanation_of, page_of, refusal_of, whisper_of
from adapters.teams.elements import spoken as spoken_in_teams
from bot.errors import Refusal
from bot.records import Alert
from bot.visible import inert, visible
from tests.render.cards import NOW, explanation, not_counted

#: Names that an agent could choose, each of which acts somewhere.
NAMES = (
    "pay_*x*", "_pay_", "~pay~", "`pay`", "http://evil", "https://evil.example/x", "evil.com", "www.evil.co.uk",
    "pay.evil.com:8080", "<!channel>", "<@U0ANN>", "<https://evil|Approve>", "@here", "@channel", "#general",
    "[Approve](http://evil)", "[a](b)", "![a](b)", "ann@evil.example", "mailto:ann", "tel:911", ":tada:",
    "a:x:", "> quoted", "a|b", "&lt;!here&gt;", "evil。com", "evil．com", "пример.рф",
    "例え.テスト", "**bold**", "__x__",
)  # fmt: skip
#: What at least one reader acts upon.
ACTS = re.compile(
    r"[*~`<>&@#|]|\]\(|(?:^|\W)_|_(?:\W|$)|://|mailto:|tel:|(?<!\d):[^\s:\d][^\s:]*:|[^\W\d][.．。｡․]\w|\w\.[^\W\d]"
)
SIGNS = st.text(alphabet="ab1 *_~`[]()<>&@#|:/.\\!-∗＿［］＠．。꞉u{}5C", max_size=24)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_acts(name: str) -> None:
    """In the texts of notifications, whispers, explanations and pages, in Slack, Teams and the pagers."""
    alert = Alert(approval_id="r1", cause="undelivered", text=f"{name}: not delivered", raised_at=NOW)
    pager = _payload_of(alert), _alert_of(alert, "alias")
    said = [
        spoken_in_slack((f"Approve {name}?",), 600),
        spoken_in_teams((f"Approve {name}?",)),
        whisper_of(name)["text"],
        refusal_of(not_counted(Refusal.EXPIRED, name))["text"],
        explanation_of(explanation(name))["text"],
        page_of(alert)["text"],
        str(pager[0]["summary"]),
        str(pager[1]["message"]),
        str(pager[1]["description"]),
    ]
    assert [] == [text for text in said if ACTS.search(text)]


@given(SIGNS | st.text(max_size=24))
@example("")
@example("`。1")
@example("`.1 a。` 1.`")
def test_nothing_that_acts_is_left(text: str) -> None:
    """Whatever is written, once it is made visible."""
    assert not ACTS.search(inert(visible(text)))


@given(SIGNS, SIGNS)
@example("[.]", ".a")
@example("*", "∗")
def test_two_texts_never_become_one(one: str, two: str) -> None:
    """Whatever looks like a sign that was tamed is spelled out itself."""
    assert (inert(visible(one)) == inert(visible(two))) is (one == two)


@pytest.mark.parametrize("plain", ["send_email", "Decide by 12:29:40 PM.", "12.50 EUR", "slack:C0OPS", "v 1.2"])
def test_what_does_not_act_stays(plain: str) -> None:
    """Ordinary names, amounts and times are as they were."""
    assert plain == inert(plain)
