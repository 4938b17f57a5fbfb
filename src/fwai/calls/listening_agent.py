"""An agent that listens to a call and takes no part in it: what is said is transcribed, no more."""

from collections.abc import Callable

from fwai.domain.events import (
    AgentAway,
    AgentEvent,
    AgentLost,
    AgentReady,
    CallerSaid,
    TokensUsed,
    ToolResult,
)
from fwai.interfaces.media import AgentLeg


class ListeningAgent:
    """Keeps a model from speaking and acting in a call. Implements ``AgentLeg``.

    Args:
        model: Hears the call; whatever it says or wants is dropped.
    """

    def __init__(self, model: AgentLeg) -> None:
        self._model = model

    def listen(self, hear: Callable[[AgentEvent], None]) -> None:
        """Deliver what was heard and how the session fares."""

        def pass_on(event: AgentEvent) -> None:
            if isinstance(event, CallerSaid | TokensUsed | AgentReady | AgentAway | AgentLost):
                hear(event)

        self._model.listen(pass_on)

    async def run(self) -> None:
        """Keep the session alive until ``close``."""
        await self._model.run()

    def hear(self, pcm: bytes, *, speech: bool) -> None:  # noqa: ARG002 - the interface's signature
        """Let the model hear; that it does not answer is no fault of its."""
        self._model.hear(pcm, speech=False)

    def prompt(self, text: str) -> None:
        """Do nothing: there is nobody to speak to."""

    def answer_tool(self, result: ToolResult) -> None:
        """Do nothing: no tool was asked for."""

    def renew(self, *, fresh: bool) -> None:
        """Do nothing: that it does not speak is no fault of its."""

    def close(self) -> None:
        """End the session."""
        self._model.close()
