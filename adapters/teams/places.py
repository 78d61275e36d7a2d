"""Where the policy's names lead: the known conversations, in memory, each change written through."""

from __future__ import annotations

import structlog

from adapters.teams.conversations import ConversationRef, Conversations, Scope, base_of, named
from adapters.teams.identity import account_of, split_account
from bot.errors import Forbidden

log = structlog.get_logger(__name__)


class Places:
    """The conversations that are known now. `load` first; all else but the writes is memory."""

    def __init__(self, *, kept: Conversations) -> None:
        self._kept = kept
        self._refs: dict[str, ConversationRef] = {}
        self._unsaved: set[str] = set()  #: what the store did not take yet

    async def load(self) -> None:
        """Read what was kept. Raises Unavailable."""
        self._refs = {ref.id: ref for ref in await self._kept.all()}

    def resolve(self, channel: str) -> ConversationRef:
        """The conversation that the policy means, by id or by name.

        Raises Forbidden when there is none of that name, or more than one: a card must not go up in the other.
        """
        found = self._refs.get(base_of(channel))
        if found is not None:
            return found
        wanted = named(channel)
        refs = [ref for ref in self._refs.values() if ref.name == wanted and ref.scope is not Scope.PERSONAL]
        if len(refs) > 1:
            ids = ", ".join(sorted(ref.id for ref in refs))
            raise Forbidden(f"Teams has {len(refs)} conversations called {wanted}: name one by its id ({ids})")
        if not refs:
            raise Forbidden(f"Nod is in no conversation of Teams called {channel}. Add the app there first")
        return refs[0]

    def named_by(self, channel: str, conversation_id: str) -> bool:
        """Whether the policy's name leads to this conversation."""
        try:
            return self.resolve(channel).id == base_of(conversation_id)
        except Forbidden:
            return False

    def known(self, conversation_id: str) -> ConversationRef | None:
        """The conversation with this id."""
        return self._refs.get(base_of(conversation_id))

    def every(self) -> tuple[ConversationRef, ...]:
        """All of them."""
        return tuple(self._refs.values())

    def of_person(self, account: str) -> ConversationRef | None:
        """The personal chat with somebody, by account or by Entra object id alone."""
        tenant, aad = split_account(account)
        for ref in self._refs.values():
            if ref.scope is Scope.PERSONAL and ref.person == aad and tenant in (None, ref.tenant):
                return ref
        return None

    async def of_person_kept(self, account: str) -> ConversationRef | None:
        """The same, also when it was stored by somebody else since the start. Raises Unavailable."""
        found = self.of_person(account) or await self._kept.of_person(account)
        if found is not None:
            self._refs.setdefault(found.id, found)
        return found

    async def remember(self, ref: ConversationRef) -> None:
        """Keep it where it is new or changed. Raises Unavailable; then it is known while Nod runs."""
        if self._refs.get(ref.id) == ref and ref.id not in self._unsaved:
            return
        self._refs[ref.id] = ref
        self._unsaved.add(ref.id)
        await self._kept.put(ref)
        self._unsaved.discard(ref.id)
        whose = account_of(ref.tenant, ref.person) if ref.person else None
        log.info("conversation_known", conversation=ref.id, scope=ref.scope.value, name=ref.name, account=whose)

    async def forget(self, conversation_id: str) -> None:
        """The bot is not there any more. Raises Unavailable."""
        if self._refs.pop(base_of(conversation_id), None) is not None:
            log.info("conversation_forgotten", conversation=base_of(conversation_id))
        await self._kept.drop(base_of(conversation_id))
