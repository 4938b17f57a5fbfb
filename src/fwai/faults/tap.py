"""Watches what the agent's leg tells the session, without changing it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from fwai.domain.events import (
    AgentAudio,
    AgentAway,
    AgentEvent,
    AgentLost,
    AgentReady,
    GenerationEnded,
    Interrupted,
    ToolResult,
    TurnEnded,
)
from fwai.interfaces.media import AgentLeg

AUDIO_S: Final = 0.2
_AUDIBLE_RMS: Final = 150.0
_BLOCK: Final = 240  # 10 ms
_STEADY_SHARE: Final = 0.05
_ENDS: Final = (GenerationEnded, TurnEnded, Interrupted)
_LOSSES: Final = (AgentAway, AgentLost, AgentReady)


@dataclass(slots=True)
class AgentTap:
    """An agent's leg that is watched; implements ``AgentLeg``.

    Attributes:
        agent: The leg.
        now: The time of the call, in seconds.
        told: When which event came; ``audio`` at most every `AUDIO_S`.
        spoke_at: When audible sound of the model last came, or None.
        open: Whether the model has begun an answer and not said that it has ended.
        cut_at: When the service last said that the caller interrupted, or None.
        causes: Why the agent was away.
    """

    agent: AgentLeg
    now: Callable[[], float]
    told: list[tuple[float, str]] = field(default_factory=list)
    spoke_at: float | None = None
    open: bool = False
    cut_at: float | None = None
    causes: list[str] = field(default_factory=list)

    def listen(self, hear: Callable[[AgentEvent], None]) -> None:
        """Deliver every event to ``hear``."""

        def watched(event: AgentEvent) -> None:
            self._note(event)
            hear(event)

        self.agent.listen(watched)

    async def run(self) -> None:
        """Keep the session alive."""
        await self.agent.run()

    def hear(self, pcm: bytes, *, speech: bool) -> None:
        """Let the agent hear."""
        self.agent.hear(pcm, speech=speech)

    def prompt(self, text: str) -> None:
        """Instruct the model."""
        self.agent.prompt(text)

    def answer_tool(self, result: ToolResult) -> None:
        """Answer a tool call."""
        self.agent.answer_tool(result)

    def renew(self, *, fresh: bool) -> None:
        """Give up the connection."""
        self.told.append((self.now(), "renewed"))
        self.agent.renew(fresh=fresh)

    def close(self) -> None:
        """End the session."""
        self.agent.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what else a leg may have
        return getattr(self.agent, name)

    def _note(self, event: AgentEvent) -> None:
        if isinstance(event, AgentAudio):
            if _is_speech(event.pcm):
                self.spoke_at = self.now()
                self._tell("audio")
                self.open = True
        elif isinstance(event, _ENDS):
            self.open = False
            if isinstance(event, Interrupted):
                self.cut_at = self.now()
            self._tell("interrupted" if isinstance(event, Interrupted) else "ended")
        elif isinstance(event, _LOSSES):
            if isinstance(event, AgentAway | AgentLost) and event.cause:
                self.causes.append(event.cause)
            self._tell("away" if not isinstance(event, AgentReady) else "ready")

    def _tell(self, what: str) -> None:
        now = self.now()
        last, before = self.told[-1] if self.told else (0.0, "")
        if what != before or what != "audio" or now - last > AUDIO_S:
            self.told.append((now, what))


def _is_speech(pcm: bytes) -> bool:
    """Say whether a piece of the model's sound is audible and no steady tone."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).astype(np.float64)
    if not len(blocks):
        return False
    level = np.sqrt(np.square(blocks).mean(axis=1))
    return bool(level.max() > _AUDIBLE_RMS and level.std() > _STEADY_SHARE * level.mean())
