"""Request and response models of calls; `models` has the others."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fwai.domain.call import CallState, Direction
from fwai.web.body import MAX_REASON, DateTimeString, NextCursor, RequestBody
from fwai.web.values import PlaceholderValue, Text, Timestamp

MAX_SAID = 500

Context = dict[Text, PlaceholderValue]


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
