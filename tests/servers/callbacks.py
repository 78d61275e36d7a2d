"""Callbacks of an operator, good and bad, for the stories about automatic decisions."""

import asyncio
import threading

from bot.protocol import HITLDecision, HITLRequest, HITLResponse


def careful(request: HITLRequest) -> HITLResponse:
    """Approves small amounts."""
    amount = request.arguments.get("amount") if isinstance(request.arguments, dict) else None
    small = isinstance(amount, int) and amount < 100
    verdict = HITLDecision.APPROVED if small else HITLDecision.REJECTED
    return HITLResponse(decision=verdict, operator_input="by amount")


async def careful_later(request: HITLRequest) -> HITLResponse:
    await asyncio.sleep(0.01)
    return careful(request)


def raises(request: HITLRequest) -> HITLResponse:
    raise RuntimeError("the ledger is closed")


def hangs(request: HITLRequest) -> HITLResponse:
    threading.Event().wait(60)
    return careful(request)


def rubbish(request: HITLRequest) -> str:
    return "approved"
