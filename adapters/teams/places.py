"""Where the policy's names lead: the known conversations, in memory, each change written through."""

from __future__ import annotations

import structlog

from adapters.teams.conversations import ConversationRef, Conversations, Scope, base_of, named, split_ref
from adapters.teams.identity import account_of, split_account
from bot.errors import Forbidden, Unavailable

#: Seconds after which a name that leads nowhere is tried again.
REFUSED_WAIT = 15.0

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

    def of_ref(self, ref: str, channel: str) -> tuple[ConversationRef, str]:
        """Where a message of ours stands, and its id there; what the place is called now does not matter.

        Raises Forbidden when the bot is not there any more, and Unavailable when the ref names no conversation
        and the name does not lead to one now: the message is up, and the name may lead there again.
        """
        conversation_id, message_id = split_ref(ref)
        if conversation_id is None:
            try:
                return self.resolve(channel), message_id
            except Forbidden as error:
                raise Unavailable(str(error), retry_after=REFUSED_WAIT) from error
        found = self._refs.get(conversation_id)
        if found is None:
            raise Forbidden(f"Nod is not in {channel} of Teams any more. Add the app there again")
        return found, message_id

    def named_by(self, channel: str, conversation_id: str) -> bool:
        """Whether the policy means this conversation, or one of several of that name: for cards that are up."""
        found = self._refs.get(base_of(conversation_id))
        if found is None or base_of(channel) in self._refs:
            return found is not None and base_of(channel) == found.id
        return found.scope is not Scope.PERSONAL and found.name == named(channel)

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
