"""The shape of nod.yaml: which settings there are, and what each may hold. Unknown ones are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from adapters.chat.words import CHATS
from adapters.settings.lines import ASIDE
from adapters.settings.variables import LONGEST_ADDRESS
from adapters.settings.words import (
    Day,
    Do,
    Duration,
    Instant,
    Moment,
    RungTime,
    Shape,
    Share,
    TimeOfDay,
    Weekday,
    Where,
    Zone,
    between,
)
from bot.protocol import GLAIP, SOURCE_NAME, HITLDecision
from bot.routing import ReasonRule, RejectionRule

#: More distinct people than this for one call is a mistake.
LARGEST_QUORUM = 20
#: Reasons to pick from, and the characters of each: Slack's options take 100 and 75
#: (docs.slack.dev/reference/block-kit/composition-objects/option-object).
MOST_PRESETS, LONGEST_PRESET = 20, 75
#: Characters of a name in the file: cards and the audit log show it.
LONGEST_NAME = 80
#: Characters of one entry under `alerts`.
LONGEST_ALERT = 2100
#: Rungs of one ladder: so many messages about one request nobody reads (see `bot.records.UNWRITTEN`, too).
MOST_RUNGS = 20
#: Workflows webhooks in one file, and the characters of a variable's name with its mark.
MOST_WORKFLOWS, LONGEST_VARIABLE = 50, 200
#: Platforms beside the one of the environment, and the characters of the name of one: cards show it.
MOST_SOURCES, LONGEST_SOURCE = 50, 40
#: Open requests of one agent that may have cards of their own, at most.
MOST_OF_ONE_AGENT = 1000
#: People, and overrides, of one rotation.
MOST_SHIFTS = 100
#: A poll that comes sooner is a burden on the platform, one that comes later finds what is over.
FASTEST_POLL, SLOWEST_POLL = "100ms", "1h"
#: Nobody answers within less; the longest is that of `bot.ladder`.
SHORTEST_WINDOW, LONGEST_WINDOW = "1s", "366d"
#: Names and shapes that the operator may add to what is redacted.
MOST_SECRETS = 100
#: Agents with a name of their own on cards.
MOST_AGENTS = 1000

#: A person, group, route or rule. No colon: that would read as an external group.
Name = Annotated[str, Field(pattern=r"^[^\s:,](?:[^\r\n\t:,]*[^\s:,])?$", max_length=LONGEST_NAME)]
SourceName = Annotated[str, Field(pattern=rf"^{SOURCE_NAME}$", max_length=LONGEST_SOURCE)]
Function = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", max_length=200)]
Note = Annotated[str, Field(max_length=300)]
#: Checked and converted by `adapters.settings.destinations`, which replaces its variables.
AlertText = Annotated[str, Field(max_length=LONGEST_ALERT)]
#: Checked and converted by `adapters.settings.destinations`, which replaces its variable.
WorkflowText = Annotated[str, Field(max_length=LONGEST_VARIABLE)]
#: A glob, a comparison or a plain value.
_CONDITION = {"type": ["string", "number", "boolean", "null"]}
#: Checked and converted by `adapters.settings.conversion`, which knows the line of each condition.
MatchText = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                **dict.fromkeys(("tool", "agent", "source", "platform"), _CONDITION),
                "not": {"type": "object", "minProperties": 1},
            },
            "patternProperties": {r"^arguments\.": _CONDITION},
            "additionalProperties": False,
        }
    ),
]
#: An address that a card or a refusal links to.
Link = Annotated[str, Field(pattern=r"^https?://[^\s<>|{}\\]+$", max_length=1000)]
#: The same with the run's id in it, behind the host.
RunLink = Annotated[
    str, Field(pattern=r"^https?://[^\s<>|{}\\/]+/[^\s<>|{}\\]*\{run_id\}[^\s<>|{}\\]*$", max_length=1000)
]
#: A host as it is written in a URL; checked against the calendars' by `adapters.settings.escalation`.
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$", max_length=253)]


class Strict(BaseModel):
    """No unknown settings, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Individual(Strict):
    """A person, found in each chat by e-mail or by id."""

    name: str | None = Field(default=None, min_length=1, max_length=LONGEST_NAME)
    email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)


if TYPE_CHECKING:
    PersonText = Individual
else:
    #: With the id of each chat.
    PersonText = create_model(
        "PersonText",
        __base__=Individual,
        __doc__=Individual.__doc__,
        **{
            chat: (str | None, Field(default=None, pattern=f"^{words.account}$"))
            for chat, words in CHATS.items()
        },
    )


class RungText(Strict):
    """One escalation step: when, and what to do."""

    at: RungTime
    do: Do
    who: list[str] = []
    cards: list[Where] = []
    during: str | None = None
    outside: str | None = None


class HoursText(Strict):
    """Weekly hours in a time zone."""

    zone: Zone
    days: list[Weekday] = Field(default=list(range(7)), min_length=1)
    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")


class OverrideText(Strict):
    """One person takes over for a while."""

    who: str
    start: Instant = Field(alias="from")
    end: Instant = Field(alias="until")


class OnCallText(Strict):
    """Who is on call: people in turn, or a calendar, PagerDuty or Opsgenie schedule."""

    people: list[str] | None = Field(default=None, min_length=1, max_length=MOST_SHIFTS)
    every: Literal["day", "week"] | None = None
    on: Weekday | None = None
    at: TimeOfDay | None = None
    zone: Zone | None = None
    begins: Day | None = None
    overrides: list[OverrideText] = Field(default=[], max_length=MOST_SHIFTS)
    ical: str | None = Field(default=None, min_length=1, max_length=LONGEST_ADDRESS)
    pagerduty: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{2,40}$")
    opsgenie: str | None = Field(default=None, pattern=r"^\S(?:[^\r\n\t]*\S)?$", max_length=100)
    otherwise: str | None = None


class RouteText(Strict):
    """Where a request is shown, who can decide it, and how it escalates."""

    name: Name
    match: MatchText
    cards: list[Where] = Field(min_length=1)
    approvers: list[str]
    quorum: int = Field(default=1, ge=1, le=LARGEST_QUORUM, strict=True)
    rejection: RejectionRule = RejectionRule.ANY
    self_approval: bool = Field(default=False, strict=True)
    requester: str | None = Field(default=None, pattern=r"^(run_id|arguments(\.[^.\s]+)+)$")
    outsiders: list[str] = []
    ladder: list[RungText] = Field(default=[], max_length=MOST_RUNGS)
    claim: Share = 0.2
    reason: dict[HITLDecision, ReasonRule] = {}
    presets: list[Annotated[str, Field(min_length=1, max_length=LONGEST_PRESET)]] = Field(
        default=[], max_length=MOST_PRESETS
    )
    why: str | None = Field(default=None, max_length=300)
    mention: Literal["nobody", "approvers"] = "nobody"


class LinksText(Strict):
    """Your own pages that cards link to."""

    run: RunLink | None = None


class DenyText(Strict):
    """What is always rejected."""

    name: Name | None = None
    match: MatchText
    note: Note | None = None


class AutomaticText(Strict):
    """What is answered automatically: by a fixed decision or by a function."""

    name: Name | None = None
    match: MatchText
    decide: HITLDecision | None = None
    callback: Function | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _one_answer(self) -> AutomaticText:
        if (self.decide is None) == (self.callback is None):
            raise ValueError("needs either `decide` or `callback`")
        if self.callback is not None and self.note is not None:
            raise ValueError("`note` cannot be used with a callback, which gives its own")
        return self


class RedactText(Strict):
    """What to redact besides what Nod redacts anyway."""

    names: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default=[], max_length=MOST_SECRETS
    )
    shapes: list[Shape] = Field(default=[], max_length=MOST_SECRETS)


class DelegationText(Strict):
    """One person decides in place of another until a date."""

    giver: str = Field(alias="from")
    taker: str = Field(alias="to")
    until: Moment


class SourceText(Strict):
    """Another platform that Nod reads and answers."""

    url: str = Field(min_length=1, max_length=LONGEST_ADDRESS)
    key: str | None = Field(default=None, max_length=LONGEST_VARIABLE)
    key_file: str | None = Field(default=None, min_length=1, max_length=1000)
    kind: str = Field(default=GLAIP, pattern=rf"^{SOURCE_NAME}$", max_length=LONGEST_SOURCE)
    poll_every: Annotated[Duration, between(FASTEST_POLL, SLOWEST_POLL)] | None = None


class SourcesText(Strict):
    """What the terminal reads: a mistake in a route keeps nobody from an answer there."""

    sources: dict[SourceName, SourceText] = Field(default={}, max_length=MOST_SOURCES)


class FileText(SourcesText):
    """The approval policy of Nod."""

    poll_every: Annotated[Duration, between(FASTEST_POLL, SLOWEST_POLL)] = timedelta(seconds=1)
    default_window: Annotated[Duration, between(SHORTEST_WINDOW, LONGEST_WINDOW)] = timedelta(minutes=3)
    retention: Annotated[Duration, between("1d")] | None = None
    people: dict[Name, PersonText]
    groups: dict[Name, list[str]] = {}
    oncall: dict[Name, OnCallText] = {}
    calendar_hosts: list[Host] = []
    hours: dict[Name, HoursText] = {}
    routes: list[RouteText] = Field(min_length=1)
    deny: list[DenyText] = []
    automatic: list[AutomaticText] = []
    log_only: bool = Field(default=False, strict=True)
    agents: dict[Annotated[str, Field(min_length=1, max_length=200)], Name] = Field(
        default={}, max_length=MOST_AGENTS
    )
    links: LinksText = LinksText()
    docs_url: Link | None = None
    flood: int = Field(default=30, ge=1, le=MOST_OF_ONE_AGENT, strict=True)
    redact: RedactText = RedactText()
    delegations: list[DelegationText] = []
    workflows: dict[Name, WorkflowText] = Field(default={}, max_length=MOST_WORKFLOWS)
    alerts: list[AlertText] = []
    on_unrecoverable_error: list[Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]] = []


class _EditorSchema(GenerateJsonSchema):
    """Without Python's names, and without defaults, which are written otherwise in the file."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """No field has a title besides its name."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A section's description, without the name of its class."""
        found = super().model_schema(schema)
        return {key: value for key, value in found.items() if key != "title"}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """The words alone."""
        return {"enum": [member.value for member in schema["members"]]}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """What it may hold; a default is seldom written as Python has it."""
        return self.generate_inner(schema["schema"])


def schema_text() -> str:
    """The same as a file: `nod.schema.json` beside this one is a copy, for editors."""
    return json.dumps(json_schema(), indent=2) + "\n"


@cache
def json_schema() -> Mapping[str, Any]:
    """The JSON Schema of nod.yaml: what it refuses, Nod refuses, too."""
    schema = FileText.model_json_schema(schema_generator=_EditorSchema)
    for name, inner in schema["$defs"].items():
        if "enum" in inner:  # the words say it; the rest is for who reads the code
            schema["$defs"][name] = {"enum": inner["enum"]}
    # Draft 7, which editors know best.
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "nod.yaml"}
    return {**head, **schema, "patternProperties": {f"^{ASIDE}": {}}}
