"""The structure of a rich_text block (docs.slack.dev/reference/block-kit/blocks/rich-text-block).

Cards use it for what an agent wrote, because Slack does not parse its text.
"""

from collections.abc import Iterator
from typing import Any

from sandbox.slack.rules import Rule, by_type, flag, items, one_of, shape, string, typed, whole

#: No limit of its own is documented for text in rich_text; the message's own ceiling holds.
_LONG = string(40_000)
_MANY = 1000

_STYLE = shape(required={}, optional={"bold": flag, "italic": flag, "strike": flag, "code": flag})
_STYLED = {"style": _STYLE}

_PREFORMATTED_INLINE = {
    "text": typed("text", required={"text": _LONG}, optional=_STYLED),
    "link": typed("link", required={"url": string(3000)}, optional={"text": _LONG, "unsafe": flag, **_STYLED}),
}
_INLINE: Rule = by_type(
    {
        **_PREFORMATTED_INLINE,
        "emoji": typed("emoji", required={"name": string(255)}, optional={"unicode": string(255), **_STYLED}),
        "user": typed("user", required={"user_id": string(255)}, optional=_STYLED),
        "usergroup": typed("usergroup", required={"usergroup_id": string(255)}, optional=_STYLED),
        "channel": typed("channel", required={"channel_id": string(255)}, optional=_STYLED),
        "broadcast": typed("broadcast", required={"range": one_of("here", "channel", "everyone")}),
        "date": typed(
            "date",
            required={"timestamp": whole(0, 2**40), "format": string(255)},
            optional={"url": string(3000), "fallback": string(3000), **_STYLED},
        ),
        "color": typed("color", required={"value": string(255)}),
    }
)

_SECTION = typed("rich_text_section", required={"elements": items(_INLINE, least=0, most=_MANY)})
_BORDER = {"border": whole(0, 1)}


def _list(value: Any, pointer: str) -> Iterator[str]:
    rule = typed(
        "rich_text_list",
        required={
            "style": one_of("bullet", "ordered"),
            "elements": items(by_type({"rich_text_section": _SECTION}), most=_MANY),
        },
        optional={"indent": whole(0, 8), "offset": whole(0, _MANY), **_BORDER},
    )
    yield from rule(value, pointer)


RICH_TEXT: Rule = items(
    by_type(
        {
            "rich_text_section": _SECTION,
            "rich_text_list": _list,
            "rich_text_preformatted": typed(
                "rich_text_preformatted",
                required={"elements": items(by_type(_PREFORMATTED_INLINE), least=0, most=_MANY)},
                optional={**_BORDER, "language": string(255)},
            ),
            "rich_text_quote": typed(
                "rich_text_quote",
                required={"elements": items(_INLINE, least=0, most=_MANY)},
                optional=_BORDER,
            ),
        }
    ),
    most=_MANY,
)
