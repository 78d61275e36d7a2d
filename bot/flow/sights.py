"""Prepares calls for display: once for each state, off the loop unless they are short, a few at a time.

A call of 300 kB takes half a second of processor time, a short one about as long as the way to a thread and
back. Cards, forms, pages and presses of one call share one sight, which is made again only when the call
changes or the policy covers other secrets.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from bot.call import Sight, sight_of
from bot.protocol import HITLRequest, Json
from bot.redaction import Redaction

#: Sights that are kept, and the characters of all of them together: some 30 MB at most.
MOST, MOST_CHARACTERS = 500, 8_000_000
#: A call of more characters is long: long calls are made one at a time, so that clicks get processor time.
LONG = 20_000
#: A call of up to so many is made at once: it takes about a millisecond. Not with the operator's own shapes,
#: which can take longer.
SHORT = 1_000

Key = tuple[str, Redaction]  #: the digest of a call, and what is redacted in it


class Sights:
    """The display form of calls."""

    def __init__(self, *, most: int = MOST, most_characters: int = MOST_CHARACTERS) -> None:
        self._most, self._most_characters = most, most_characters
        self._made: OrderedDict[Key, Sight] = OrderedDict()
        self._characters = 0
        self._making: dict[Key, asyncio.Task[Sight]] = {}
        self._one_long = asyncio.Semaphore(1)

    async def of(self, request: HITLRequest, *, redaction: Redaction) -> Sight:
        """The sight of a call as `redaction` covers it."""
        key = (request.digest, redaction)
        made = self._made.get(key)
        if made is not None:
            self._made.move_to_end(key)
            return made
        if not redaction.shapes and not _is_longer(request.arguments, SHORT):
            sight = sight_of(request, redaction=redaction)
            self._keep(key, sight)
            return sight
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.create_task(self._make(key, request))
            making.add_done_callback(lambda _: self._making.pop(key, None))
        # A caller that stops waiting does not take it from the others.
        return await asyncio.shield(making)

    async def _make(self, key: Key, request: HITLRequest) -> Sight:
        if _is_longer(request.arguments, LONG):
            async with self._one_long:
                made = await asyncio.to_thread(sight_of, request, redaction=key[1])
        else:
            made = await asyncio.to_thread(sight_of, request, redaction=key[1])
        self._keep(key, made)
        return made

    def _keep(self, key: Key, made: Sight) -> None:
        self._made[key] = made
        self._characters += len(made.text)
        while len(self._made) > self._most or self._characters > self._most_characters:
            _, dropped = self._made.popitem(last=False)
            self._characters -= len(dropped.text)


def _is_longer(arguments: Json, most: int) -> bool:
    size, waiting = 0, [arguments]
    while waiting and size <= most:
        value = waiting.pop()
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict):
            size += sum(map(len, value)) + len(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            size += len(value)
            waiting.extend(value)
    return size > most
