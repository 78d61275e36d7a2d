"""What the page sends, checked at the border."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    viewer: str


class ClickBody(_Body):
    """A button of a message was pressed."""

    channel: str
    ts: str
    action_id: str
    block_id: str
    option: str | None = None
    version: Annotated[int, Field(ge=0)] | None = None  #: which look of the message the page showed


class ViewClickBody(_Body):
    """A button inside a modal was pressed."""

    view_id: str
    action_id: str
    block_id: str
    option: str | None = None
    values: dict[str, str | list[str]] = {}


class SubmitBody(_Body):
    """A modal was submitted."""

    view_id: str
    values: dict[str, str | list[str]] = {}


class CloseBody(_Body):
    """A modal was dismissed."""

    view_id: str


class SayBody(_Body):
    """Someone wrote a message."""

    channel: str
    text: Annotated[str, Field(min_length=1, max_length=4000)]
    thread_ts: str | None = None


class StartBody(BaseModel):
    """An agent shall start, with so many seconds for each of its approvals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: str
    seconds: Annotated[float, Field(gt=0, le=86_400)]
