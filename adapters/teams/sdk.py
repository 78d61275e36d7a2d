"""The one file that knows botbuilder-core: calls of the Connector, in plain values of ours.

It is imported only where Teams is set up. The SDK has no types of its own, so what crosses this edge is checked
here. Nod does not use these parts of botbuilder-core 4.17.1, each for a defect that reached a user:

- its HTTP adapter: it fails with 500 on its own invoke replies, on malformed invokes and on bad tokens;
- its token check: after a rotation it does not know the new keys for up to 24 hours, it takes a token without
  `exp`, and it calls any host that an activity names;
- its credentials: a new token on every turn, bought on the event loop;
- its HTTP driver over `requests`: 100 s of timeout, retries that depend on the version of urllib3;
- `continue_conversation`: it invents an activity id, so a reply loses its thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from botbuilder.schema import (  # type: ignore[import-untyped]
    Activity,
    Attachment,
    ChannelAccount,
    ConversationAccount,
    ConversationParameters,
)
from botframework.connector.aio import ConnectorClient  # type: ignore[import-untyped]
from msrest.exceptions import ClientException
from msrest.pipeline import Request, Response, SansIOHTTPPolicy
from msrest.pipeline.async_abc import AsyncHTTPSender, AsyncPipeline
from msrest.pipeline.universal import RawDeserializer

from adapters.http import Answer, exchange
from adapters.teams.api import Unreadable, meaning
from adapters.teams.conversations import is_service
from adapters.teams.credentials import BotToken
from bot.errors import Forbidden

CARD = "application/vnd.microsoft.card.adaptive"
#: Seconds for one call of the Connector; it takes Teams well below one.
TIMEOUT = 10.0
#: Members of one page of a roster; 500 would be allowed.
PAGE = 200


@dataclass(slots=True)
class _Answered:
    """An answer as msrest wants to see it."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    reason: str = ""
    context: Any = None
    internal_response: Any = None

    def text(self, encoding: str | None = None) -> str:
        """The body as text."""
        return self.content.decode(encoding or "utf-8-sig")

    def body(self) -> bytes:
        """The body."""
        return self.content


class _Sender(AsyncHTTPSender[Any, Any]):
    """In place of the SDK's driver: one pooled client, one kept token, no thread, no retry of its own."""

    def __init__(self, *, client: httpx.AsyncClient, token: BotToken, hosts: tuple[str, ...]) -> None:
        self._client, self._token, self._hosts = client, token, hosts

    async def send(self, request: Request[Any], **config: Any) -> Response[Any, Any]:
        """Send what the SDK made; raises the core's errors for every status but success."""
        http = request.http_request
        answer = await self.call(http.method, http.url, content=http.data, what=_what(http))
        return Response(
            request,
            _Answered(status_code=answer.status, headers=answer.headers, content=answer.body),
        )

    async def call(self, method: str, url: str, *, what: str, content: str | bytes | None = None) -> Answer:
        """One call with the token, and another one with a new token when the first is refused."""
        if not is_service(url.partition("?")[0], self._hosts):
            raise Forbidden(f"{what}: its host is not on the list of service hosts, so Nod sends it no token")
        sent = content.encode() if isinstance(content, str) else content
        answer, token = await self._once(method, url, sent)
        if answer.status == 401 and token is not None:
            self._token.refused(token)
            answer, _ = await self._once(method, url, sent)
        posts = method == "POST"
        error = meaning(answer.status, what, posts=posts, asked=answer.headers.get("retry-after"))
        if error is not None:
            raise error
        return answer

    async def _once(self, method: str, url: str, content: bytes | None) -> tuple[Answer, str | None]:
        token = await self._token.bearer()
        headers = {"Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        made = await exchange(self._client, method, url, headers=headers, content=content, limit=TIMEOUT)
        return made, token

    async def __aexit__(self, *_: object) -> None:
        """Leaves the client open: its opener closes it."""


class Connector:
    """The Connector's five calls, and a team's channels. Raises the core's errors, and Unreadable."""

    def __init__(self, *, client: httpx.AsyncClient, token: BotToken, hosts: tuple[str, ...]) -> None:
        """Nothing is sent to an address that is not of `hosts`."""
        self._sender = _Sender(client=client, token=token, hosts=hosts)
        self._clients: dict[str, Any] = {}

    async def send(self, service_url: str, conversation: str, message: Mapping[str, Any], *, bot: str) -> str:
        """Post a message of the bot; returns its id. A thread is addressed by the conversation's id."""
        with _read():
            activity = _activity(message, conversation, bot)
            return _id(await self._at(service_url).send_to_conversation(conversation, activity))

    async def update(
        self, service_url: str, conversation: str, ref: str, message: Mapping[str, Any], *, bot: str
    ) -> None:
        """Put this message in place of the one that is there."""
        with _read():
            activity = _activity(message, conversation, bot)
            await self._at(service_url).update_activity(conversation, ref, activity)

    async def open_personal(self, service_url: str, *, bot: str, user: str, tenant: str) -> str:
        """The id of the personal chat with a person, opened if it is not open yet."""
        wanted = ConversationParameters(
            is_group=False,
            bot=ChannelAccount(id=bot),
            members=[ChannelAccount(id=user)],
            tenant_id=tenant,
            channel_data={"tenant": {"id": tenant}},
        )
        with _read():
            return _id(await self._at(service_url).create_conversation(wanted))

    async def members(
        self, service_url: str, conversation: str, *, after: str | None = None
    ) -> tuple[list[Any], str | None]:
        """A page of a roster as it came, and where the next one begins."""
        with _read():
            raw = await self._at(service_url).get_conversation_paged_members(
                conversation, page_size=PAGE, continuation_token=after, raw=True
            )
            # The SDK's model of a member has no e-mail, tenant or role, so the answer itself is read.
            page = json.loads(raw.response.content)
            members, more = page["members"], page.get("continuationToken")
            return list(members), more if isinstance(more, str) and more else None

    async def member(self, service_url: str, conversation: str, user: str) -> Any:
        """One member of a conversation as it came, by `29:` id or Entra object id."""
        with _read():
            raw = await self._at(service_url).get_conversation_member(conversation, user, raw=True)
            return json.loads(raw.response.content)

    async def channels(self, service_url: str, team: str) -> list[Any]:
        """The channels of a team as they came (`GET /v3/teams/{id}/conversations`, get-teams-context)."""
        with _read():
            url = f"{service_url.rstrip('/')}/v3/teams/{team}/conversations"
            answer = await self._sender.call("GET", url, what="the list of channels")
            return list(json.loads(answer.body)["conversations"])

    def _at(self, service_url: str) -> Any:
        if service_url not in self._clients:
            self._clients[service_url] = ConnectorClient(
                # Credentials are the sender's business; the SDK insists on some.
                SansIOHTTPPolicy(),
                base_url=service_url,
                pipeline_type=lambda config: AsyncPipeline(
                    [config.user_agent_policy, _Raw(), config.http_logger_policy], self._sender
                ),
            )
        return self._clients[service_url].conversations


class _Raw(RawDeserializer):
    """An update may be answered with an empty body or with none of JSON; neither is a failure."""

    def on_response(self, request: Any, response: Any, **kwargs: Any) -> None:
        answered = response.http_response
        answered.internal_response = answered
        if request.http_request.method == "PUT":
            response.context[self.CONTEXT_NAME] = None
        else:
            super().on_response(request, response, **kwargs)


def _activity(message: Mapping[str, Any], conversation: str, bot: str) -> Any:
    return Activity(
        type="message",
        from_property=ChannelAccount(id=bot),
        conversation=ConversationAccount(id=conversation),
        summary=message["summary"],
        attachments=[Attachment(content_type=CARD, content=message["content"])],
    )


def _id(made: Any) -> str:
    found = getattr(made, "id", None)
    if not isinstance(found, str) or not found:
        raise Unreadable("the message in the answer has no id")
    return found


def _what(http: Any) -> str:
    """A call in words without its address, which names people and places."""
    method, url = str(http.method), str(http.url)
    if method == "POST":
        return "a message" if url.rstrip("/").endswith("activities") else "opening a conversation"
    return {"PUT": "an update", "DELETE": "a deletion"}.get(method, "a question about members")


@contextmanager
def _read() -> Iterator[None]:
    try:
        yield
    except (ClientException, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from error
