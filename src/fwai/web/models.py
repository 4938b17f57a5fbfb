"""Request and response models of the API, for validation and for the OpenAPI document.

Responses are built by hand as JSON values, which is much faster than by these models; tests
validate them against the document.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fwai.domain.booking import BookingState
from fwai.domain.call import CallState, Direction
from fwai.domain.callback import MAX_NOTE, CallbackState
from fwai.domain.job import JobState
from fwai.web.values import JsonObject, PlaceholderValue, Text, Timestamp

MAX_SAID = 500
MAX_REASON = 200

DateTimeString = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Context = dict[Text, PlaceholderValue]
NextCursor = Annotated[
    str | None, Field(description="Send it as `cursor` for what follows; null at the end.")
]


class RequestBody(BaseModel):
    """Base of request bodies; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class NewCall(RequestBody):
    """A call to place; only ``to`` is required."""

    to: Annotated[Text, Field(max_length=40, description="With its country code.")]
    provider: Annotated[
        Text, Field(max_length=40, description="Default: the first of `CALL_PROVIDER`.")
    ] = ""
    agent: Annotated[
        Text, Field(max_length=100, description="Default: the first of prompts.json.")
    ] = ""
    context: Annotated[
        Context, Field(default_factory=dict, description="For the prompt's `{{placeholders}}`.")
    ]
    webhook_url: Annotated[
        Text, Field(max_length=2_000, description="Where this call's events go besides.")
    ] = ""
    not_before: Annotated[
        Timestamp | None, Field(description="When it may be dialled at the earliest.")
    ] = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"to": "+919999900000"},
                {
                    "to": "+919999900000",
                    "provider": "plivo",
                    "agent": "FWAI_Core",
                    "context": {"customer_name": "Asha", "note": "asked for the Hindi course"},
                    "webhook_url": "https://n8n.example.com/webhook/call-ended",
                    "not_before": "2026-11-23T10:00:00+05:30",
                },
            ]
        }
    )


class CallAccepted(BaseModel):
    """A call that was accepted and will be dialled."""

    call_id: str
    status: CallState
    provider: str
    due_at: DateTimeString = Field(description="When it will be dialled.")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "call_id": "20261123-0f8e2a6b4c1d9e37",
                    "status": "queued",
                    "provider": "plivo",
                    "due_at": "2026-11-23T04:30:00.000Z",
                }
            ]
        }
    )


class Usage(BaseModel):
    """What a call used; null when it was not measured."""

    audio_in_s: float | None
    audio_out_s: float | None
    tokens: dict[str, int] | None


class Latency(BaseModel):
    """Reply latency, from the end of the caller's speech to the agent's, in milliseconds."""

    p50: float | None
    p95: float | None


class CallSummary(BaseModel):
    """A call without its transcript; null is what was not measured or has not happened."""

    model_config = ConfigDict(populate_by_name=True)

    call_id: str
    provider: str
    provider_call_id: str | None
    direction: Direction
    from_: str | None = Field(alias="from")
    to: str | None
    agent: str
    status: CallState
    end_reason: str | None
    cause: str | None = Field(
        description="Why it ended so, in words to act on (docs/FAILURES.md), or the provider's own "
        "word for it."
    )
    created_at: DateTimeString
    not_before: DateTimeString | None
    started_at: DateTimeString | None
    answered_at: DateTimeString | None
    ended_at: DateTimeString | None
    duration_s: float | None
    callback_id: str | None
    summary: str | None
    extracted: dict[str, Any] | None
    usage: Usage
    latency_ms: Latency
    context: dict[str, str]


class Said(BaseModel):
    """One utterance of a transcript."""

    role: str
    text: str
    at: DateTimeString


class ToolUsed(BaseModel):
    """A tool that ran in a call."""

    name: str
    status: Literal["ok", "failed"]
    at: DateTimeString


class CallData(CallSummary):
    """A call with its transcript and tool calls."""

    transcript: list[Said]
    tools: list[ToolUsed]


class CallPage(BaseModel):
    """Calls, the newest first."""

    calls: list[CallSummary]
    next_cursor: NextCursor


class Transcript(BaseModel):
    """The transcript of a call."""

    call_id: str
    status: CallState
    transcript: list[Said]


class SayRequest(RequestBody):
    """What the agent is to say, in its own voice."""

    text: Annotated[Text, Field(min_length=1, max_length=MAX_SAID)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "The course begins on Monday."}]}
    )


class TransferRequest(RequestBody):
    """Why a human is needed."""

    reason: Annotated[Text, Field(max_length=MAX_REASON)] = ""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "asked for a person"}]})


class CallActionAccepted(BaseModel):
    """The action on a call was accepted."""

    call_id: str
    status: CallState


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
