"""Handles the frames a client sends after its setup: audio, text, tool responses."""

from fwai.simulator.gemini.endpointing import Endpointer, SpeechEvent, SpeechStarted
from fwai.simulator.gemini.memory import Conversation
from fwai.simulator.gemini.record import SessionRecord
from fwai.simulator.gemini.setup import Setup, read_tools
from fwai.simulator.gemini.turns import Instruction, TurnConductor
from fwai.simulator.gemini.wire import Json, decode_audio, invalid, unknown_name


class Ear:
    """Handles a client's frames after its setup.

    Args:
        record: Where they are noted.
        setup: What the client asked for; contextUpdate changes its tools.
        conversation: What is known of the conversation.
        conductor: Told what wants an answer and what interrupts.
        history_due: The first clientContent is history and starts no turn.
    """

    def __init__(
        self,
        record: SessionRecord,
        setup: Setup,
        conversation: Conversation,
        conductor: TurnConductor,
        *,
        history_due: bool,
    ) -> None:
        self._record = record
        self._setup = setup
        self._conversation = conversation
        self._conductor = conductor
        self._history_due = history_due
        self._endpointer = Endpointer(setup.vad)

    def take(self, kind: str, body: Json) -> None:
        """Act on one frame.

        Raises:
            LiveClose: The service would close the session over it.
        """
        match kind:
            case "realtimeInput":
                self._hear(body)
            case "clientContent":
                self._read_content(body)
            case "toolResponse":
                self._read_responses(body)
            case "contextUpdate":
                self._update(body)
            case _:
                raise invalid("Setup has already been sent.")

    def _hear(self, body: Json) -> None:
        for key, value in body.items():
            match key:
                case "audio":
                    self._hear_audio(value)
                case "mediaChunks" if isinstance(value, list):
                    for blob in value:
                        self._hear_audio(blob)
                case "text" if isinstance(value, str):
                    self._record.keep(self._record.texts, value)
                    self._conductor.offer(Instruction(value))
                case "audioStreamEnd":
                    self._record.stream_ends += 1
                    self._follow(self._endpointer.stop())
                case "activityStart" | "activityEnd":
                    self._mark(start=key == "activityStart")
                case "video":
                    pass
                case _:
                    raise invalid(unknown_name(key, "realtime_input"))

    def _hear_audio(self, blob: object) -> None:
        pcm, sample_rate = decode_audio(blob)
        if len(pcm) % 2:
            self._record.keep(self._record.violations, "audio with half a sample")
            pcm = pcm[:-1]
        length_ms = len(pcm) / 2 * 1000 / sample_rate
        self._record.audio_ms += length_ms
        self._record.rates.add(sample_rate)
        if self._setup.all_input_billed:
            self._conversation.hear(length_ms)
        self._follow(self._endpointer.feed(pcm, sample_rate))

    def _mark(self, *, start: bool) -> None:
        if not self._setup.vad.disabled:
            raise invalid(
                "Explicit activity control is not supported when automatic activity detection "
                "is enabled."
            )
        self._record.keep(self._record.activities, "start" if start else "end")
        self._follow(self._endpointer.start() if start else self._endpointer.stop())

    def _follow(self, events: list[SpeechEvent]) -> None:
        """Act on the caller beginning and ceasing to speak."""
        for event in events:
            if isinstance(event, SpeechStarted):
                self._conductor.caller_began()
            else:
                self._conductor.caller_ended(event)

    def _read_content(self, body: Json) -> None:
        self._record.keep(self._record.contents, body)
        turns = body.get("turns") or []
        text = ""
        for turn in turns:
            if turn.get("role") not in ("user", "model", None):
                raise invalid("Please use a valid role: user, model.")
            parts = turn.get("parts") or []
            if any("functionCall" in part or "functionResponse" in part for part in parts):
                raise invalid("Request contains an invalid argument.")
            text = "".join(str(part.get("text", "")) for part in parts)
            self._conversation.read(text, by_agent=turn.get("role") == "model")
        if not body.get("turnComplete"):
            return
        if self._history_due:
            self._history_due = False
            return
        self._conductor.interrupt()
        self._record.keep(self._record.texts, text)
        self._conductor.offer(Instruction(text))

    def _read_responses(self, body: Json) -> None:
        responses = body.get("functionResponses")
        for response in responses if isinstance(responses, list) else [responses]:
            if not isinstance(response, dict) or not response.get("id"):
                raise invalid("Function response id must be set.")
            self._conductor.tool_calls.answer(response)

    def _update(self, body: Json) -> None:
        self._record.keep(self._record.updates, body)
        tools = (body.get("tools") or {}).get("tools")
        if tools is not None:
            declared, argless = read_tools(self._setup.model, tools)
            self._setup.tools.clear()
            self._setup.tools.update(declared)
            self._setup.argless.clear()
            self._setup.argless.update(argless)
