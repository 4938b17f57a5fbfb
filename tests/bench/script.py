"""What is said in the bench's calls, made once: the same for every call and every target.

A cycle lasts 10 s: the caller speaks for 5 s, then the model's reply of 5 s is sent in bursts, 3.5
times faster than real time, with its words. Every fourth reply is interrupted: by turns while it is
still being sent, and while its tail is playing.
"""

import base64
import json
from dataclasses import dataclass
from itertools import chain, cycle, islice
from typing import Any, Final

from fwai.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from fwai.simulator.common.clips import ClipLibrary, Role

FRAME_S: Final = 0.020
CYCLE_S: Final = 10.0
SPEECH_S: Final = 5.0
ULAW_FRAME: Final = 160
SPEED: Final = 3.5
INTERRUPT_EVERY: Final = 4
_SENDING_S, _PLAYING_S = 0.8, 2.5  # when in a reply it is interrupted

AUDIO, WORDS, INTERRUPTED = range(3)


@dataclass(frozen=True, slots=True)
class Step:
    """One message of the model.

    Attributes:
        at_s: When, after the start of the caller's cycle.
        kind: `AUDIO`, `WORDS` or `INTERRUPTED`.
        pcm_bytes: How much sound it carries.
        first: It is the first sound of a reply.
    """

    at_s: float
    kind: int
    message: bytes
    pcm_bytes: int = 0
    first: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """All sounds and messages.

    Attributes:
        frames: Base64 of one cycle of the caller's voice, as much in each as in a message.
        turns: The model's side of one cycle: whole, interrupted early, interrupted late.
    """

    frames: tuple[bytes, ...]
    turns: tuple[tuple[Step, ...], ...]

    def turn(self, call: int, number: int) -> tuple[Step, ...]:
        """Return what the model says in a cycle of a call."""
        place = call + number
        if place % INTERRUPT_EVERY:
            return self.turns[0]
        return self.turns[1 + place // INTERRUPT_EVERY % 2]


def build(*, linear: bool = False, per_message: int = 1) -> Script:
    """Make the script from the clips that the simulator ships.

    Args:
        linear: The caller's voice as samples, not as mu-law; it sounds the same.
        per_message: How many frames of 20 ms one message of the carrier holds.
    """
    clips = ClipLibrary.load()
    speech = pcm_to_ulaw(spoken(clips, "caller", 8_000))
    hush = bytes((0xFF, 0xFE, 0x7F, 0xFF)) * (len(speech) // 4)  # a quiet line, not a dead one
    voice, size = speech + hush, ULAW_FRAME * per_message
    if linear:
        voice, size = ulaw_to_pcm(voice), 2 * size
    frames = tuple(base64.b64encode(voice[at : at + size]) for at in range(0, len(voice), size))
    reply = _reply(spoken(clips, "agent", 24_000), _words(clips))
    heard = [_words_step(0.6 + 0.45 * i, "inputTranscription", f" word{i}") for i in range(9)]
    end = _end(SPEECH_S + 4.9)
    complete = _step(SPEECH_S + 5.0 / SPEED + 0.02, {"serverContent": {"generationComplete": True}})
    whole = [*heard, *reply, *complete, *end]
    early = SPEECH_S + _SENDING_S
    late = SPEECH_S + _PLAYING_S
    return Script(
        frames,
        (
            _ordered(whole),
            _ordered([s for s in whole if s.at_s < early] + _interruption(early)),
            _ordered([s for s in whole if s.at_s < late] + _interruption(late)),
        ),
    )


def spoken(clips: ClipLibrary, role: Role, rate_hz: int) -> bytes:
    """Return as much of what callers or agents say as one of them speaks in a cycle."""
    size = round(SPEECH_S * rate_hz) * 2
    sound = b"".join(islice((c.pcm(rate_hz) for c in cycle(clips.by_role(role))), 6))
    return sound[:size].ljust(size, b"\0")


def _words(clips: ClipLibrary) -> list[str]:
    return [f" {word.strip()}" for clip in clips.by_role("agent") for word in clip.words]


def _reply(pcm: bytes, words: list[str]) -> list[Step]:
    """Cut a reply as the service does: short pieces first, then long ones, words along with it."""
    steps: list[Step] = []
    at, sent_ms = 0, 0.0
    for number, ms in enumerate(chain([40] * 5, cycle([200]))):
        piece = pcm[at : at + ms * 48]
        if not piece:
            return steps
        audio = base64.b64encode(piece).decode()
        blob = {"mimeType": "audio/pcm;rate=24000", "data": audio}
        content: dict[str, Any] = {
            "modelTurn": {"role": "model", "parts": [{"inlineData": blob}]},
        }
        when = SPEECH_S + sent_ms / 1000 / SPEED
        if number > 4 and number % 4 == 1:
            content["outputTranscription"] = {"text": "".join(words[number * 2 : number * 2 + 2])}
        elif number > 4 and number % 2 == 1:
            text = "".join(words[number * 2 : number * 2 + 2])
            steps.append(_words_step(when, "outputTranscription", text))
        steps.append(Step(when, AUDIO, _dump({"serverContent": content}), len(piece), at == 0))
        at += len(piece)
        sent_ms += ms
    return steps


def _interruption(at_s: float) -> list[Step]:
    interrupted = _dump({"serverContent": {"interrupted": True}})
    return [Step(at_s, INTERRUPTED, interrupted), *_end(at_s + 0.05)]


def _end(at_s: float) -> list[Step]:
    usage = {
        "promptTokenCount": 850,
        "responseTokenCount": 125,
        "totalTokenCount": 975,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 850}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 125}],
    }
    handle = {"newHandle": "bench-" + "h" * 60, "resumable": True}
    return [
        *_step(at_s, {"serverContent": {"turnComplete": True}, "usageMetadata": usage}),
        *_step(at_s + 0.03, {"sessionResumptionUpdate": handle}),
    ]


def _words_step(at_s: float, kind: str, text: str) -> Step:
    return Step(at_s, WORDS, _dump({"serverContent": {kind: {"text": text}}}))


def _step(at_s: float, body: dict[str, Any]) -> list[Step]:
    return [Step(at_s, WORDS, _dump(body))]


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _ordered(steps: list[Step]) -> tuple[Step, ...]:
    return tuple(sorted(steps, key=lambda step: step.at_s))
