"""The trigger by which a card's row knows what there is to show, spelled for each database (migration 0011).

Whatever changes an approval changes its cards' rows in the same statement, so that no move can forget it: what
is out of date, and whose turn it is, is found in an index on these rows alone. `adapters.store.placements` has
the portion of the self-check that proves it.
"""

from __future__ import annotations

#: What a card's row has of its approval, by the approval's row (`NEW`, or another name of it).
_KEPT = {
    "revision": "{0}.revision",
    "deadline": "{0}.deadline",
    # A first post is of use while there is something to ask, and always for what a rule answers: only its card
    # tells people of it.
    "asked": "({0}.stage IN ('open', 'decided') OR {0}.rule IS NOT NULL)",
    "for_people": "({0}.stage = 'open' AND {0}.rule IS NULL)",
}


def kept_of(approval: str) -> str:
    """The assignments that bring a card's row up to date with the row of this name in `approvals`."""
    return ", ".join(f"{column} = {value}" for column, value in _KEPT.items()).format(approval)


#: Another deadline, or waiting for people again, makes another moment by which the card has to be up.
_MET = (
    "up_by = CASE WHEN deadline = NEW.deadline AND for_people = (NEW.stage = 'open' AND NEW.rule IS NULL)"
    " THEN up_by END"
)
_WHEN = " OR ".join(f"({value.format('OLD')}) <> ({value.format('NEW')})" for value in _KEPT.values())
_ON = "AFTER UPDATE OF revision, deadline, stage, rule ON approvals FOR EACH ROW"
_FOLLOW = f"UPDATE placements SET {kept_of('NEW')}, {_MET} WHERE approval_id = NEW.id"  # noqa: S608 - our own words

SQLITE = (f"CREATE TRIGGER placements_follow {_ON} WHEN {_WHEN} BEGIN {_FOLLOW}; END",)

POSTGRESQL = (
    f"""
    CREATE FUNCTION placements_follow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {_FOLLOW};
        RETURN NULL;
    END
    $$
    """,
    f"CREATE TRIGGER placements_follow {_ON} WHEN ({_WHEN}) EXECUTE FUNCTION placements_follow()",
)
