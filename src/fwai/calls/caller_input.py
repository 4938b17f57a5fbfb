"""The caller's audio on its way to the model: measured, converted, recorded."""

from fwai.audio.pcm import duration_ms, silence
from fwai.audio.resample import Resampler
from fwai.audio.speech import SpeechDetector
from fwai.interfaces.media import AgentLeg, CallerLeg, Recorder

MODEL_IN_HZ = 16_000
FILL_FROM_S = 0.9
FILL_AT_MOST_S = 2.0


class CallerInput:
    """Passes caller audio on and knows when the caller spoke; ``now`` is the session clock's time.

    Attributes:
        audio_at: When audio last came, in seconds.
        total_ms: Audio that came in, in milliseconds.
        stopped_at: The end of the caller's speech since the agent's last reply began, or None.
    """

    def __init__(
        self, leg: CallerLeg, agent: AgentLeg, recorder: Recorder | None, now: float
    ) -> None:
        self._agent = agent
        self._recorder = recorder
        self._rate = leg.sample_rate
        self._resampler = Resampler(leg.sample_rate, MODEL_IN_HZ)
        self._detector = SpeechDetector(leg.sample_rate)
        self._filled_to = now
        self.audio_at = now
        self.total_ms = 0.0
        self.stopped_at: float | None = None

    def hear(self, pcm: bytes, now: float) -> bool:
        """Pass s16le at the leg's rate on to the model; return whether it is audible speech."""
        self.audio_at = now
        ms = duration_ms(len(pcm), self._rate)
        self.total_ms += ms
        speech = self._detector.feed(pcm)
        if speech:
            since_ms = self._detector.stream_ms - (self._detector.last_end_ms or 0.0)
            self.stopped_at = now - since_ms / 1000.0
        self._agent.hear(self._resampler.feed(pcm), speech=speech)
        if self._recorder is not None:
            self._recorder.caller(pcm, now - ms / 1000.0)
        return speech

    def fill(self, now: float) -> None:
        """Let the model hear silence where the line brings nothing: muted, on hold, cut.

        It notices the end of speech by silence, and waits for it otherwise.
        """
        since = max(self.audio_at, self._filled_to)
        if now - since < FILL_FROM_S:
            return
        self._agent.hear(
            silence(min(now - since, FILL_AT_MOST_S) * 1000, MODEL_IN_HZ), speech=False
        )
        self._filled_to = now
