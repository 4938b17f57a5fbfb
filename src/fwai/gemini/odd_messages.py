"""Says once in the log what the service sends that is not as its reference writes it.

Nothing of it ends a call: the service adds kinds over time, and closes the connection when it means
an error to be the end.
"""

from typing import Final

import structlog

from fwai.gemini.messages import OddMessage, ServiceError

MAX_TOLD: Final = 10  # of different kinds, for one call

_log = structlog.get_logger()


class OddMessages:
    """What one call's log was told."""

    def __init__(self) -> None:
        self._told: set[OddMessage | ServiceError] = set()

    def note(self, event: OddMessage | ServiceError) -> None:
        """Log it, unless the same was logged before."""
        if event in self._told or len(self._told) >= MAX_TOLD:
            return
        self._told.add(event)
        if isinstance(event, OddMessage):
            _log.info("agent_message_odd", kinds=event.kinds)
        else:
            _log.warning("agent_error_reported", code=event.code, status=event.status)
