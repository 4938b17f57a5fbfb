"""Hears the agent on Exotel, where a ``clear`` lets the message that is playing end first."""

from fwai.simulator.common.ear import Ear
from fwai.simulator.common.hearing import Segmenter
from fwai.simulator.common.playback import PlaybackBuffer


class _Playback(PlaybackBuffer):
    def playing_until(self, now_s: float) -> float:
        """Return when the message that is playing will be over; ``now_s`` when none is."""
        if not self._queue or self._queue[0].start > self._place(now_s):
            return now_s
        return self._queue[0].end / self.sample_rate


class ExotelEar(Ear):
    """Plays and recognises the agent's audio, as `Ear` does, with Exotel's ``clear``."""

    _cut: tuple[float, float] | None = None

    def open(self, sample_rate: int) -> None:
        """Begin to listen to a new stream."""
        self._playback = _Playback(sample_rate)
        self._segmenter = Segmenter(sample_rate)

    def advance(self, now_s: float) -> list[str]:
        """Let time pass; return the marks that were reached."""
        reached = super().advance(now_s)
        if self._cut is not None and now_s >= self._cut[0]:
            for utterance in self._segmenter.finish(self._cut[1]):
                self._keep(utterance)
            self._cut = None
        return reached

    def silence(self, now_s: float) -> tuple[list[str], float, float]:
        """Drop what has not begun to play.

        Returns:
            The marks that had been reached just before, when silence will come, and the length
            that was dropped, in ms.
        """
        reached = self.advance(now_s)
        playback, silent_s = self._playback, now_s
        if isinstance(playback, _Playback):
            silent_s = playback.playing_until(now_s)
        unheard_ms = playback.clear(silent_s)
        if unheard_ms > 0:
            self._cut = (silent_s, unheard_ms)
        return reached, silent_s, unheard_ms
