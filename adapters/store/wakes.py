"""Which steps of the flow get work from which move of the record: one table, read after each commit."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bot.records import Step


class Move(StrEnum):
    """Each way the store changes."""

    ADMIT = "admit"
    ADMIT_BY_RULE = "admit_by_rule"  #: at least one of them is for a rule to answer
    CONFIRM = "confirm"
    MISS = "miss"
    REVISE = "revise"
    VOID = "void"
    VOTE = "vote"
    DECIDE = "decide"
    ASK_PEOPLE = "ask_people"
    BEGIN_DELIVERY = "begin_delivery"
    CALLED_RESOLVED = "called_resolved"
    RESUME = "resume"
    POSTPONE_DELIVERY = "postpone_delivery"
    SETTLE = "settle"
    CLOSE = "close"
    ATTEMPT_CARD = "attempt_card"
    SHOWN = "shown"
    POSTPONE_CARD = "postpone_card"
    LOST = "lost"
    GIVE_UP = "give_up"
    FIRE = "fire"
    HASTEN = "hasten"
    CLAIM = "claim"
    RETIME = "retime"
    REVIVE = "revive"
    TOLD = "told"
    ATTEMPT_NOTICE = "attempt_notice"
    SENT = "sent"
    POSTPONE_NOTICE = "postpone_notice"
    DROPPED = "dropped"
    GATHER = "gather"
    RELEASE = "release"
    ATTEMPT_DIGEST = "attempt_digest"
    SHOW_DIGEST = "show_digest"
    POSTPONE_DIGEST = "postpone_digest"
    LOSE_DIGEST = "lose_digest"
    RAISE = "raise"
    MEND = "mend"
    ATTEMPT_PAGE = "attempt_page"
    TAKEN = "taken"
    POSTPONE_PAGE = "postpone_page"
    NOTE = "note"
    PROBE = "probe"
    RETIRE = "retire"
    KEEP_CONVERSATION = "keep_conversation"
    DROP_CONVERSATION = "drop_conversation"


#: Whatever brings cards to post, or changes how many wait, changes the digests (GATHER).
_ASKED = (Step.SHOW, Step.GATHER, Step.ESCALATE, Step.EXPIRE)

#: A move that is not here is made by the very step that would be woken.
WAKES: Mapping[Move, tuple[Step, ...]] = {
    Move.ADMIT: _ASKED,
    Move.ADMIT_BY_RULE: (*_ASKED, Step.ANSWER),
    # A rung that is taken back takes its page with it.
    Move.REVISE: (*_ASKED, Step.ALERT),
    Move.VOID: _ASKED,
    Move.RETIME: (*_ASKED, Step.ALERT),
    # It may have been a rule's to answer, before it vanished.
    Move.REVIVE: (*_ASKED, Step.ANSWER, Step.ALERT),
    Move.CONFIRM: (Step.DELIVER,),
    Move.MISS: (Step.RECONCILE,),
    # Who votes is on it no more, so the ladder goes on.
    Move.VOTE: (Step.SHOW, Step.ESCALATE),
    Move.CLAIM: (Step.SHOW, Step.ESCALATE),
    # An Approve waits for a fresh read of the platform, hence ADMIT.
    Move.DECIDE: (Step.SHOW, Step.DELIVER, Step.ADMIT, Step.GATHER),
    Move.ASK_PEOPLE: (Step.SHOW, Step.GATHER, Step.ESCALATE),
    # A poll that begins afterwards tells whether it is.
    Move.CALLED_RESOLVED: (Step.ADMIT,),
    Move.RESUME: (Step.DELIVER,),
    Move.POSTPONE_DELIVERY: (Step.SHOW, Step.DELIVER),
    Move.SETTLE: (Step.SHOW, Step.TELL, Step.CLOSE, Step.GATHER),
    Move.TOLD: (Step.SAY, Step.CLOSE),
    # What is said in a card's thread waits for the card.
    Move.SHOWN: (Step.CLOSE, Step.SAY, Step.SHOW),
    # A card lost after the end need not come back, so its approval may close.
    Move.LOST: (Step.SHOW, Step.CLOSE),
    Move.GIVE_UP: (Step.CLOSE, Step.SAY),
    Move.FIRE: (Step.SHOW, Step.GATHER, Step.SAY, Step.ALERT),
    Move.HASTEN: (Step.ESCALATE,),
    Move.SENT: (Step.CLOSE,),
    Move.DROPPED: (Step.CLOSE,),
    Move.GATHER: (Step.SHOW,),
    Move.RELEASE: (Step.SHOW,),
    Move.SHOW_DIGEST: (Step.SAY,),
    Move.LOSE_DIGEST: (Step.GATHER,),
    Move.RAISE: (Step.ALERT,),
    Move.MEND: (Step.ALERT,),
}
