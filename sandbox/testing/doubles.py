"""What a test sees of the sandbox: a platform, a Slack and a Teams beside it, and a clock that it moves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.servers import API_KEY, Sandbox
from sandbox.testing.backstage import Backstage

if TYPE_CHECKING:
    from sandbox.faults import Rule
    from sandbox.platform import DecisionPost
    from sandbox.platform.journal import Line
    from sandbox.slack.delivery import DeliveryResult
    from sandbox.slack.messages import Message, View
    from sandbox.teams.delivery import DeliveryResult as TeamsDelivery
    from sandbox.teams.messages import Message as TeamsMessage
    from sandbox.teams.tenant import Teams


class TestPlatform:
    """A GL AIP platform in memory, over HTTP: what agents ask, what was decided, and faults on request."""

    __test__ = False  # a fixture's value, no class of tests

    def __init__(self, stage: Backstage, sandbox: Sandbox) -> None:
        """Of this sandbox."""
        self._stage, self._sandbox = stage, sandbox
        self.url, self.api_key = sandbox.url, API_KEY

    @property
    def environment(self) -> dict[str, str]:
        """What a client of the platform reads: AIP_API_URL and AIP_API_KEY."""
        return {"AIP_API_URL": self.url, "AIP_API_KEY": self.api_key}

    @property
    def decisions(self) -> tuple[DecisionPost, ...]:
        """Every decision that was posted, oldest first, with the status that it was answered with."""
        return self._stage.call(lambda: tuple(self._sandbox.platform.decisions))

    @property
    def executed(self) -> tuple[str, ...]:
        """The requests whose tools really ran, in that order."""
        return self._stage.call(lambda: tuple(self._sandbox.platform.executed))

    def ask(self, **request: Any) -> str:
        """An agent waits; returns the request's id. Fields as `sandbox.platform.Platform.ask` has them."""
        request.setdefault("arguments", {})
        return self._stage.call(lambda: self._sandbox.platform.ask(**request))

    def decide(self, request_id: str, decision: str, operator_input: str | None = None) -> int:
        """Someone decides on the platform itself; the HTTP status that it earns: 200, 404 or 409."""
        return self._stage.call(lambda: self._sandbox.platform.decide(request_id, decision, operator_input))

    def agent(self, **details: Any) -> str:
        """Create an agent as over REST, where none of that name is there; returns its UUID, to be run by."""
        return self._stage.call(lambda: self._sandbox.platform.create_agent(details).id)

    def run(self, agent_name: str, text: str = "", *, timeout_seconds: float | None = None) -> str:
        """An agent works in the background; returns the run's id. `text` is its input, as over REST."""
        return self._stage.call(
            lambda: self._sandbox.platform.start(agent_name, text=text, timeout_seconds=timeout_seconds)
        )

    @property
    def transcript(self) -> tuple[Line, ...]:
        """What the agents did so far, line by line."""
        return self._stage.call(self._sandbox.platform.transcript)

    def behaves(self, **quirks: Any) -> None:
        """From now on it departs from its documents so: the fields of `sandbox.platform.Quirks`."""

        def change() -> None:
            platform = self._sandbox.platform
            platform.quirks = replace(platform.quirks, **quirks)

        self._stage.call(change)

    def fault(self, **rule: Any) -> Rule:
        """Something goes wrong from now on: the fields of `sandbox.faults.Rule`."""
        return self._stage.call(lambda: self._sandbox.faults.add(**rule))

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self._stage.call(self._sandbox.faults.clear)


class TestSlack:
    """A local Slack beside the platform: the messages in its channels, and people who click there."""

    __test__ = False  # a fixture's value, no class of tests

    def __init__(self, stage: Backstage, sandbox: Sandbox) -> None:
        """Of this sandbox."""
        self._stage, self._sandbox = stage, sandbox

    @property
    def environment(self) -> dict[str, str]:
        """What a Slack app reads here: address, token and signing secret; those of the platform too."""
        return self._sandbox.environment()

    def messages(self, channel: str) -> list[Message]:
        """All messages of a channel, oldest first."""
        return self._stage.call(lambda: self._sandbox.workspace.messages(channel))

    def click(self, **press: Any) -> DeliveryResult:
        """A person presses a button: the arguments of `sandbox.slack.workspace.Workspace.click`."""
        return self._stage.wait(self._sandbox.workspace.click(**press))

    def whispers(self, user: str) -> list[Message]:
        """What only this person sees, oldest first: refusals, for example."""
        return self._stage.call(lambda: self._sandbox.workspace.ephemerals(user))

    def forms(self, user: str) -> list[View]:
        """The forms (modals) in front of a person, the visible one last."""
        return self._stage.call(lambda: self._sandbox.workspace.views(user))

    def press_in_form(self, **press: Any) -> DeliveryResult:
        """A person presses a button in a form: the arguments of `Workspace.click_in_view`."""
        return self._stage.wait(self._sandbox.workspace.click_in_view(**press))

    def submit(self, user: str, view: View, **values: str) -> DeliveryResult:
        """A person fills in a form and submits it: what it is, by block or action id, such as `nod_note`.

        `errors` of the result are what the form says in red; then it stays open.
        """
        return self._stage.wait(self._sandbox.workspace.submit(user=user, view_id=view.id, values=dict(values)))

    def sends_clicks_to(self, url: str) -> None:
        """Where the app under test takes them, as in a Slack app's settings."""
        self._sandbox.workspace.request_url = url


class TestTeams:
    """A local Teams beside the platform: the messages in its conversations, and people who press there."""

    __test__ = False  # a fixture's value, no class of tests

    def __init__(self, stage: Backstage, teams: Teams) -> None:
        """Of this tenant."""
        self._stage, self._teams = stage, teams

    def cards(self, conversation: str) -> list[TeamsMessage]:
        """The cards of a conversation by its id, oldest first."""
        return self._stage.call(lambda: self._teams.cards_in(conversation))

    def press(self, person: str, card: TeamsMessage, verb: str, **inputs: str) -> TeamsDelivery:
        """A person presses a button of a card by its verb, such as `nod_approve`, with what was filled in."""
        return self._stage.wait(self._teams.press(person, card, verb, inputs or None))

    def meets(self, url: str) -> None:
        """The app under test takes activities at this address, and is told where it is installed."""
        self._teams.request_url = url
        self._stage.wait(self._teams.events.announce())


class TestClock:
    """A clock that a test moves: `HITLHandler(…, clock=nod_clock, pause=nod_clock.pause)`.

    It drives what it is given to, and nothing else: platform, chats and bot live in real time, where a window
    of a second or two is short enough.
    """

    __test__ = False  # a fixture's value, no class of tests

    def __init__(self) -> None:
        """At a Monday's noon."""
        self.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.pauses: list[float] = []  #: in seconds, as they were asked for

    def __call__(self) -> datetime:
        """The time, aware, in UTC."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so many seconds go by."""
        self.now += timedelta(seconds=seconds)

    async def pause(self, seconds: float) -> None:
        """What a sleep is under this clock: the time goes by at once."""
        self.pauses.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)
