"""Whether the model can be reached: what calls find out, and a look of our own while it cannot.

A server whose model refuses its key gets no calls where a load balancer goes by ``/readyz``, so
that no call could find out that it is mended. Therefore a session is opened now and then while a
failure stands, and closed at once: that costs no tokens. Nothing is opened while all is well.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final, Protocol

import structlog

from fwai.domain.failure import Area, Trouble
from fwai.errors import AgentError
from fwai.gemini import faults
from fwai.gemini.connection import LiveConnection, LiveEndpoint
from fwai.interfaces.failures import Failures

PROBE_S: Final = (30.0, 60.0, 120.0, 300.0)  # between two looks; the last one again and again
SERVICE: Final = "gemini"
_OF_MODEL: Final = frozenset({faults.MODEL.name, faults.ADDRESS.name})

_log = structlog.get_logger()


class LiveWatch(Protocol):
    """Hears how connections of one model fare; no method blocks or raises."""

    def opened(self, model: str) -> None:
        """A session was opened."""
        ...

    def failed(self, model: str, error: AgentError) -> None:
        """No session could be opened."""
        ...

    def down(self, model: str) -> str:
        """Return why new calls need not try to open a session now; empty when they should."""
        ...


class ModelWatch:
    """Tells of failures of the Live service and of their mending. Implements ``LiveWatch``.

    Args:
        failures: Who is told.
        endpoint: Where the service is.
        models: Those that agents use; what one lacks stops every call only if it is the only one.
        setup: Makes the smallest set-up of a model.
    """

    def __init__(
        self,
        failures: Failures,
        endpoint: LiveEndpoint,
        models: Collection[str],
        setup: Callable[[str], bytes],
    ) -> None:
        self._failures = failures
        self._endpoint = endpoint
        self._models = frozenset(models)
        self._setup = setup
        self._failing: dict[str, None] = {}  # models to look at
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    def opened(self, model: str) -> None:
        """A session was opened: the service is there and knows the model."""
        self._failing.pop(model, None)
        for what in (SERVICE, f"model {model}", f"set-up for {model}"):
            self._failures.mended(Area.MODEL, what)

    def failed(self, model: str, error: AgentError) -> None:
        """No session could be opened; tell why."""
        fault = faults.fault_named(error.fault)
        what, stops_calls = SERVICE, fault.stops_calls
        if fault is faults.SETUP:
            what = f"set-up for {model}"
        elif fault.name in _OF_MODEL and len(self._models) > 1:
            what, stops_calls = f"model {model}", False
        detail = f" ({error.detail})" if error.detail else ""
        self._failures.seen(
            Trouble(Area.MODEL, what, f"{fault.what}{detail}", fault.fix, stops_calls)
        )
        if fault is not faults.SETUP:  # the smallest set-up would say nothing of an agent's
            self._failing[model] = None
            self._wake.set()

    def down(self, model: str) -> str:
        """Return why new calls need not try to open a session now; empty when they should."""
        return ""

    async def run(self) -> None:
        """Look again while something fails, until `stop`."""
        while not self._stopping.is_set():
            if not self._failing:
                await self._wake.wait()
            self._wake.clear()
            pauses = iter(PROBE_S)
            while self._failing and not self._stopping.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(next(pauses, PROBE_S[-1])):
                        await self._stopping.wait()
                if not self._stopping.is_set():
                    await self._look()

    def stop(self) -> None:
        """Let ``run`` return."""
        self._stopping.set()
        self._wake.set()

    async def _look(self) -> None:
        for model in list(self._failing):
            try:
                connection = await LiveConnection.open(self._endpoint, self._setup(model))
            except AgentError as exc:
                if exc.fault == faults.SETUP.name:  # it answers, and what it dislikes is ours
                    self._failing.pop(model, None)
                    continue
                _log.info("model_still_away", code=exc.code, fault=exc.fault)
                self.failed(model, exc)
            else:
                connection.close()
                self.opened(model)
