"""Which steps of the flow get work from which move of the record: one table, read after each commit."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bot.records import Step


class Move(StrEnum):
    """Each way the store changes."""

    ADMIT = "admit"
    ADMIT_BY_RULE = "admit_by_rule"
    CONFIRM = "confirm"
    MISS = "miss"
    REVISE = "revise"
    VOID = "void"
    VOTE = "vote"
    DECIDE = "decide"
    ASK_PEOPLE = "ask_people"
    BEGIN_DELIVERY = "begin_delivery"
    RESUME = "resume"
    POSTPONE_DELIVERY = "postpone_delivery"
    SETTLE = "settle"
    CLOSE = "close"
    ATTEMPT_CARD = "attempt_card"
    SHOWN = "shown"
    POSTPONE_CARD = "postpone_card"
    LOST = "lost"
    GIVE_UP = "give_up"
    ATTEMPT_RUNG = "attempt_rung"
    FIRED = "fired"
    RAISE = "raise"
    MEND = "mend"
    ATTEMPT_PAGE = "attempt_page"
    TAKEN = "taken"
    POSTPONE_PAGE = "postpone_page"
    NOTE = "note"
    RETIRE = "retire"


#: A move that is not here is made by the very step that would be woken.
WAKES: Mapping[Move, tuple[Step, ...]] = {
    Move.ADMIT: (Step.SHOW, Step.ESCALATE, Step.EXPIRE),
    Move.ADMIT_BY_RULE: (Step.SHOW, Step.ANSWER, Step.ESCALATE, Step.EXPIRE),
    Move.REVISE: (Step.SHOW, Step.ESCALATE, Step.EXPIRE),
    Move.VOID: (Step.SHOW, Step.ESCALATE, Step.EXPIRE),
    Move.CONFIRM: (Step.DELIVER,),
    Move.MISS: (Step.RECONCILE,),
    Move.VOTE: (Step.SHOW,),
    # An Approve waits for a fresh read of the platform, hence ADMIT (reliability.md G2).
    Move.DECIDE: (Step.SHOW, Step.DELIVER, Step.ADMIT),
    Move.ASK_PEOPLE: (Step.SHOW,),
    Move.RESUME: (Step.DELIVER,),
    Move.POSTPONE_DELIVERY: (Step.SHOW, Step.DELIVER),
    Move.SETTLE: (Step.SHOW, Step.CLOSE),
    Move.SHOWN: (Step.CLOSE, Step.ESCALATE, Step.SHOW),
    # A card lost after the end need not come back, so its approval may close.
    Move.LOST: (Step.SHOW, Step.CLOSE),
    Move.GIVE_UP: (Step.CLOSE,),
    Move.FIRED: (Step.SHOW,),
    Move.RAISE: (Step.ALERT,),
    Move.MEND: (Step.ALERT,),
}
