"""Scripted outcomes of calls and messages to a number, as data.

Nothing here knows a provider; each words the outcomes, causes and refusals in its own way.
"""

import asyncio
import re
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from fwai.simulator.common.caller import AwaitHangUp, Hear, Say, Step
from fwai.simulator.common.cause import HangupCause
from fwai.simulator.common.rest import ApiAnswer, ApiFault

MAX_NUMBERS: Final = 1000
LOST_S: Final = 60.0
RING_S: Final = 0.2

Outcome = Literal[
    "answered", "machine", "no_answer", "busy", "rejected", "failed", "canceled", "queued"
]
"""``machine``: an answering machine takes the call. ``canceled``: the provider gives it up.
``queued``: it waits and never rings, until it is canceled by request."""

Refusal = Literal[
    "unauthorized", "no_credit", "too_many_calls", "too_many_requests", "unavailable", "bad_number"
]
"""Why a request is not accepted: wrong credentials, no money, the limit of calls at a time, the
limit of calls or requests a second, the platform is down, a number it does not serve."""

Loss = Literal["error", "hang"]
"""The request is accepted and carried out, and then answered with 500, or not at all."""

DEFAULT_SCRIPT: Final[Sequence[Step]] = (
    Hear(),
    Say("ask_ai"),
    Hear(),
    Say("goodbye"),
    AwaitHangUp(),
)
"""Whoever answers listens, asks, listens and says goodbye."""

MACHINE_SCRIPT: Final[Sequence[Step]] = (AwaitHangUp(60),)
"""An answering machine keeps quiet and records for a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """The outcome of one call.

    Attributes:
        outcome: How it comes out.
        script: What the one who answers does; None is ``DEFAULT_SCRIPT``, or ``MACHINE_SCRIPT``.
        cause: The provider's name and number for the end of a call that nobody answers; None is
            the outcome's usual one.
        ring_s: How long it rings; None is 0.2 s, or to the end of the request's ring timeout when
            the outcome is ``no_answer``.
        machine_after_s: From the answer until a machine is told from a human.
        refused: The request is refused, and there is no call.
        lost: The request is carried out, but its answer is lost.
    """

    outcome: Outcome = "answered"
    script: Sequence[Step] | None = None
    cause: HangupCause | None = None
    ring_s: float | None = None
    machine_after_s: float = 0.5
    refused: Refusal | None = None
    lost: Loss | None = None

    @property
    def steps(self) -> Sequence[Step]:
        """What the one who answers does."""
        if self.script is not None:
            return self.script
        return MACHINE_SCRIPT if self.outcome == "machine" else DEFAULT_SCRIPT

    @property
    def is_answered(self) -> bool:
        """Whether somebody, or a machine, takes the call."""
        return self.outcome in {"answered", "machine"}

    def ringing(self, timeout_s: float, scale: float = 1.0) -> tuple[float, bool]:
        """Return how many seconds it rings, and whether the ring timeout is what ends that.

        Args:
            timeout_s: The request's ring timeout.
            scale: How much faster than the clock a timeout passes.
        """
        default_s = float("inf") if self.outcome == "no_answer" else RING_S
        wanted_s = default_s if self.ring_s is None else self.ring_s
        return min(wanted_s, timeout_s / scale), wanted_s * scale >= timeout_s


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFate:
    """The outcome of one message.

    Attributes:
        statuses: Delivery reports, in order, in the provider's words; None is its usual ones, which
            end in delivery.
        error_code: The provider's number in the last report; empty when it was delivered.
        gap_s: Before each report.
        refused: The request is refused, and there is no message.
        lost: The message is sent, but the answer is lost.
    """

    statuses: Sequence[str] | None = None
    error_code: str = ""
    gap_s: float = 0.0
    refused: Refusal | None = None
    lost: Loss | None = None

    async def due_reports(self, usual: Sequence[str]) -> AsyncIterator[tuple[str, str]]:
        """Yield each delivery report when it is due: its status, and its error code or nothing.

        Args:
            usual: The provider's usual statuses.
        """
        statuses = usual if self.statuses is None else self.statuses
        for number, status in enumerate(statuses, 1):
            await asyncio.sleep(self.gap_s)
            yield status, self.error_code if number == len(statuses) else ""


F = TypeVar("F", Fate, MessageFate)


class Fates(Generic[F]):
    """Finds the next fate of a number; keeps at most 1000 numbers.

    Numbers are compared by their last ten digits, because they are written in several ways.
    """

    def __init__(self) -> None:
        self._by_number: OrderedDict[str, deque[F]] = OrderedDict()

    def set(self, number: str, *fates: F) -> None:
        """Decide on what goes to a number: one fate for each, and the last for all that follow.

        Without a fate the number has none any more.
        """
        self._by_number.pop(_key(number), None)
        if fates:
            self._by_number[_key(number)] = deque(fates)
        while len(self._by_number) > MAX_NUMBERS:
            self._by_number.popitem(last=False)

    def peek(self, number: str) -> F | None:
        """Return the next fate of a number, or None when it has none."""
        fates = self._by_number.get(_key(number))
        return fates[0] if fates else None

    def next(self, number: str) -> F | None:
        """Return the next fate of a number and use it up, unless it is the last."""
        fates = self._by_number.get(_key(number))
        if not fates:
            return None
        return fates.popleft() if len(fates) > 1 else fates[0]

    def fault(
        self, number: str, refusals: Mapping[Refusal, ApiAnswer], error: ApiAnswer
    ) -> ApiFault | None:
        """Return what the next fate of a number does to the request itself, or None.

        A refused request has no effect, so it uses the fate up; one whose answer is lost is carried
        out, and that does.

        Args:
            number: Where the call or message goes.
            refusals: The provider's words.
            error: Answered when the answer is lost to an error.
        """
        fate = self.peek(number)
        if fate is None:
            return None
        if fate.refused is not None:
            self.next(number)
            answer = refusals[fate.refused]
            return ApiFault(answer.status, answer.body)
        if fate.lost is None:
            return None
        hang_s = LOST_S if fate.lost == "hang" else 0.0
        return ApiFault(error.status, error.body, hang_s=hang_s, carried_out=True)


def _key(number: str) -> str:
    return re.sub(r"\D", "", number)[-10:] or number
