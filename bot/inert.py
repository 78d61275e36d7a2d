"""Plain text for where a chat, a pager or a mail client still finds markup and links: nothing of it acts. Pure.

Fallback texts, notifications and page summaries are no cards: they have no element that shows a text as it is.
Slack reads mrkdwn and makes links of bare host names there, other readers Markdown. So each sign that could act
becomes one that looks like it, `evil.com` becomes `evil[.]com` (as incident reports write it), and what already
is such a look-alike is spelled as its code point: two texts never become one.
"""

from __future__ import annotations

import re

_ALIKE = {
    "*": "∗",
    "_": "＿",
    "~": "∼",
    "`": "ˋ",
    "[": "［",
    "]": "］",
    "<": "‹",
    ">": "›",
    "&": "＆",
    "@": "＠",
    "#": "＃",
    "|": "｜",
    ":": "꞉",
}
#: Further dots of host names (UTS #46).
_DOTS = "\u2024\u3002\uff0e\uff61"
_SPELLED = "".join(_ALIKE.values())

_ACTS = re.compile(
    r"[*~`\[\]<>&@#|]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # between two letters it is part of a name, in every dialect
    r"|:(?=//)|(?i:(?<=mailto)|(?<=tel)|(?<=sms)):(?=\S)"
    r"|(?<!\d):(?=[^\s:]+:)|:(?=(?!\d)[^\s:]+:)"  # `:tada:`, and no time of day
    r"|(?<=\S)\.(?=[^\W\d])|(?<=[^\W\d])\.(?=\w)"  # a host name, and no decimal point
    rf"|(?<=\w)[{_DOTS}](?=\w)|[{_SPELLED}]"
)


def inert(text: str) -> str:
    """The text with nothing in it that a reader could act upon. Different texts stay different."""
    return _ACTS.sub(lambda found: _tamed(found[0]), text)


def _tamed(sign: str) -> str:
    if sign == ".":
        return "[.]"
    return _ALIKE.get(sign) or f"\\u{{{ord(sign):X}}}"
