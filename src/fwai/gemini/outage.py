"""Why one call's agent is away: what its session is told, and what the watch of the model is."""

from collections.abc import Callable

import structlog

from fwai.domain.events import AgentAway, AgentEvent, AgentLost
from fwai.errors import AgentError
from fwai.gemini.faults import TIMEOUT, cause_of, fault_named
from fwai.gemini.model_watch import LiveWatch

_log = structlog.get_logger()


class Outage:
    """Counts what goes wrong between two connections.

    Args:
        model: Whose connections they are.
        watch: Hears whether sessions can be opened, or None.
        tell: Takes the events of it.
    """

    def __init__(
        self, model: str, watch: LiveWatch | None, tell: Callable[[AgentEvent], None]
    ) -> None:
        self._model = model
        self._watch = watch
        self._tell = tell
        self._failed_opens = 0  # in a row
        self._error: AgentError | None = None

    def known(self) -> bool:
        """Whether others have just found that no session can be opened; the call is told so."""
        cause = self._watch.down(self._model) if self._watch is not None else ""
        if cause:
            _log.warning("agent_not_tried", cause=cause)
            self._tell(AgentLost(cause))
        return bool(cause)

    def opened(self) -> None:
        """A connection is open."""
        self._failed_opens = 0
        if self._watch is not None:
            self._watch.opened(self._model)

    def not_opened(self, error: AgentError, *, resumed: bool, last: bool) -> None:
        """A connection could not be opened; the watch hears of what is no mere hiccup."""
        _log.warning("agent_connection_failed", code=error.code, fault=error.fault, resumed=resumed)
        self._error = error
        self._failed_opens += 1
        self._tell(AgentAway(self._cause(error)))
        serious = fault_named(error.fault).lasting or error.fault == TIMEOUT.name
        if self._watch is not None and (last or serious or self._failed_opens > 1):
            self._watch.failed(self._model, error, for_good=last)

    def lost(self, error: AgentError, *, replying: bool, last: bool) -> None:
        """An open connection was lost."""
        _log.warning("agent_connection_lost", code=error.code, fault=error.fault, replying=replying)
        self._error = error
        self._tell(AgentAway(self._cause(error)))
        if self._watch is not None and last:
            self._watch.failed(self._model, error, for_good=True)

    def gave_up(self, connections: int) -> None:
        """No further try is made; so many connections were opened."""
        cause = "" if self._error is None else self._cause(self._error)
        _log.error("agent_lost", cause=cause, connections=connections)
        self._tell(AgentLost(cause))

    def _cause(self, error: AgentError) -> str:
        return cause_of(error.fault, error.detail, self._failed_opens)
