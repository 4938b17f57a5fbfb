"""Request and response models of the API, for validation and for the OpenAPI document.

Responses are built by hand as JSON values, which is much faster than by these models; tests
validate them against the document. Those of calls are in `call_models`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fwai.domain.booking import BookingState
from fwai.domain.callback import MAX_NOTE, CallbackState
from fwai.domain.job import JobState
from fwai.web.body import MAX_REASON, DateTimeString, NextCursor, RequestBody
from fwai.web.call_models import CallSummary
from fwai.web.values import JsonObject, Text, Timestamp


class ToolRequestBody(RequestBody):
    """A tool to be run for a person, named by ``to`` or by a call with them."""

    arguments: Annotated[JsonObject, Field(default_factory=dict)]
    to: Annotated[Text | None, Field(max_length=40)] = None
    call_id: Annotated[Text | None, Field(max_length=64)] = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"arguments": {"text": "Your demo is at 5 PM."}, "to": "+919999900000"},
                {
                    "arguments": {
                        "template": "course_details",
                        "variables": ["Asha", "Foundations of AI"],
                    },
                    "to": "+919999900000",
                },
                {
                    "arguments": {"when": "tomorrow 5 pm", "note": "fees"},
                    "call_id": "20261123-0f8e2a6b4c1d9e37",
                },
            ]
        }
    )


class ToolAnswer(BaseModel):
    """The result of a tool."""

    status: Literal["ok", "failed", "pending", "unknown"] = Field(
        description="`pending`: it will be done; `unknown`: it cannot be known, do not repeat it."
    )
    message: str
    result: dict[str, Any]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "ok", "message": "The text message was sent.", "result": {"id": "m-1"}}
            ]
        }
    )


class ToolBody(BaseModel):
    """A tool."""

    name: str
    description: str
    parameters: dict[str, Any] = Field(description="JSON Schema of its arguments.")
    configured: bool
    missing: str | None = Field(description="Settings that it lacks.")
    agent: str | None = Field(description="Of this agent alone: it runs only in its calls.")


class ToolList(BaseModel):
    """All tools."""

    tools: list[ToolBody]


class CallbackRequest(RequestBody):
    """A callback to schedule."""

    to: Annotated[Text, Field(max_length=40, description="With its country code.")]
    when: Annotated[
        Text, Field(max_length=200, description="ISO 8601, or words such as `tomorrow 5 pm`.")
    ]
    note: Annotated[Text, Field(max_length=MAX_NOTE)] = ""
    agent: Annotated[Text, Field(max_length=100)] = ""
    provider: Annotated[Text, Field(max_length=40)] = ""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"to": "+919999900000", "when": "tomorrow 5 pm", "note": "about the fees"}]
        }
    )


class CallbackBody(BaseModel):
    """A scheduled callback."""

    callback_id: str
    to: str
    when: DateTimeString
    note: str
    status: CallbackState
    agent: str
    provider: str | None = Field(description="Null takes the default one.")
    attempts: int
    source_call_id: str | None
    last_call_id: str | None
    created_at: DateTimeString


class CallbackPage(BaseModel):
    """Callbacks, the soonest first."""

    callbacks: list[CallbackBody]
    next_cursor: NextCursor


class BookingBody(BaseModel):
    """A booked demo."""

    booking_id: str
    phone: str | None
    name: str
    interest: str
    email: str | None
    starts_at: DateTimeString
    minutes: int
    call_id: str | None
    status: BookingState
    created_at: DateTimeString


class BookingPage(BaseModel):
    """Booked demos, the earliest first."""

    bookings: list[BookingBody]
    next_cursor: NextCursor


class AgentBody(BaseModel):
    """An agent of prompts.json."""

    id: str
    name: str
    description: str
    voice: str | None
    language: str | None
    tools: list[str]
    numbers: list[str] = Field(description="Our lines that it answers.")
    default: bool


class AgentList(BaseModel):
    """All agents."""

    agents: list[AgentBody]


class Remembered(BaseModel):
    """Memory of an earlier call."""

    at: DateTimeString
    call_id: str
    agent: str
    text: str


class ContactBody(BaseModel):
    """A contact: memory of earlier calls, and what is scheduled."""

    phone: str
    do_not_call: bool
    reason: str
    memory: list[Remembered]
    callbacks: list[CallbackBody] = Field(description="Those that are not over.")
    bookings: list[BookingBody] = Field(description="Those that are not over.")
    calls: list[CallSummary] = Field(description="The newest.")


class ContactUpdate(RequestBody):
    """Change of the do-not-call flag."""

    do_not_call: bool
    reason: Annotated[Text, Field(max_length=MAX_REASON)] = ""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"do_not_call": True, "reason": "asked by mail"}]}
    )


class DoNotCallEntry(BaseModel):
    """An entry of the do-not-call list."""

    phone: str
    do_not_call: bool
    reason: str


class DoNotCallPage(BaseModel):
    """The do-not-call list, ordered by number."""

    contacts: list[DoNotCallEntry]
    next_cursor: NextCursor


class RemainderBody(BaseModel):
    """Something of a person that stays, and why."""

    what: str
    why: str


class ErasureBody(BaseModel):
    """How many records the erasure removed."""

    calls: int
    callbacks: int
    bookings: int
    jobs: int
    files: int
    contact: bool
    masked: int = Field(description="Records of other people that named the person.")
    left: list[RemainderBody]


class JobBody(BaseModel):
    """A background job; its payload is not shown."""

    job_id: str
    kind: str
    status: JobState
    run_at: DateTimeString
    attempts: int
    error: str | None
    result: dict[str, Any] | None = Field(description="Of housekeeping: how much it removed.")
    call_id: str | None
    event_type: str | None = Field(description="Of an event that is to be delivered.")
    created_at: DateTimeString


class JobPage(BaseModel):
    """Background jobs, the newest first."""

    jobs: list[JobBody]
    next_cursor: NextCursor


class AuditEntryBody(BaseModel):
    """A request that changed something, or tried to."""

    id: str
    at: DateTimeString
    key: str = Field(description="Name of the key.")
    role: str
    address: str | None = Field(description="Where the request came from.")
    action: str = Field(description="What was asked, such as `hang_up`.")
    object: str | None = Field(
        description="An id, a tool's name, or a number's last digits; `erased` when it was "
        "somebody's who was erased."
    )
    status: int = Field(description="Of the answer; from 400 on nothing was done.")


class AuditPage(BaseModel):
    """What was done, the newest first."""

    entries: list[AuditEntryBody]
    next_cursor: NextCursor


class ReplayRequest(RequestBody):
    """Which dead events to deliver again."""

    since: Annotated[Timestamp | None, Field(description="Those that happened then or later.")] = (
        None
    )

    model_config = ConfigDict(
        json_schema_extra={"examples": [{}, {"since": "2026-11-23T00:00:00+05:30"}]}
    )


class Replayed(BaseModel):
    """How many events will be delivered again."""

    replayed: int
    more: bool = Field(description="There were more than one request may take; ask again.")
