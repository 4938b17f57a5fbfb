"""The steps of a simulated caller's script, and the report and judgement of its call.

A script is a list of steps; a report tells of each step how it came out, and lists in
``problems`` whatever a real caller would have been unhappy about. Nothing here knows a provider.
All times are milliseconds since the call was answered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

# ---- what the caller does --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hear:
    """Listen until the agent has spoken and is silent again.

    Attributes:
        clip_name: The phrase that must be recognised; others are passed over. None: any speech.
        timeout_s: Give up, as a failure, after this time.
    """

    clip_name: str | None = None
    timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Say:
    """Say a phrase; done when its last sound was sent."""

    clip_name: str


@dataclass(frozen=True, slots=True)
class BargeIn:
    """Say a phrase while the agent speaks; done when the agent has stopped and all is said.

    Attributes:
        clip_name: What to say.
        after_ms: How far into the agent's speech, the current one or else the next, to begin.
        timeout_s: Give up, as a failure, when no speech has come or has not stopped in this time.
    """

    clip_name: str
    after_ms: float = 1000.0
    timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Press:
    """Press keys.

    Attributes:
        digits: Any of ``0``-``9``, ``*``, ``#``, ``A``-``D``.
        gap_ms: Time from one key to the next.
    """

    digits: str
    gap_ms: float = 200.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Keep quiet for a while."""

    ms: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call properly; a script that is over does so by itself."""


@dataclass(frozen=True, slots=True)
class AwaitHangUp:
    """Wait until the other side ends the call: it closes the stream or asks the provider to."""

    timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Drop:
    """Lose the line: the connection breaks and nobody is told."""


@dataclass(frozen=True, slots=True)
class SendMalformed:
    """Send the server a malformed message.

    Attributes:
        kind: A key of the provider's collection, such as ``plivo.malformed.KINDS``.
    """

    kind: str


Step = Hear | Say | BargeIn | Press | Wait | HangUp | AwaitHangUp | Drop | SendMalformed


# ---- how it came out -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """Outcome of one step of the script.

    Attributes:
        step: What was to be done.
        ok: Whether it was.
        detail: What happened, in words.
        start_ms: When it began.
        end_ms: When it was over.
    """

    step: Step
    ok: bool
    detail: str
    start_ms: float
    end_ms: float


@dataclass(slots=True)
class Heard:
    """One utterance of the agent, as the caller heard it.

    Attributes:
        start_ms: Its first sound.
        end_ms: Its last sound that was heard.
        clip: Name of the phrase, or None when it is none of the known ones.
        score: How surely, 0 to 1.
        heard_ms: How much of the phrase was heard.
        whole: Whether it was heard to its end.
        unheard_ms: Speech that waited behind it and was dropped.
        by_end: Whether it was the end of the call that stopped it.
    """

    start_ms: float
    end_ms: float
    clip: str | None = None
    score: float = 0.0
    heard_ms: float = 0.0
    whole: bool = True
    unheard_ms: float = 0.0
    by_end: bool = False


@dataclass(slots=True)
class Said:
    """One phrase of the caller.

    Attributes:
        clip: Its name.
        start_ms: Its first sound was sent.
        end_ms: Its last sound was sent.
        barge_in: Whether it was meant to interrupt.
        response_ms: From its end to the first sound of the answer; None when none came.
        stop_ms: Barge-in only: from its first sound until the agent's speech was stopped.
        unheard_ms: Barge-in only: speech the provider held and dropped.
    """

    clip: str
    start_ms: float
    end_ms: float
    barge_in: bool = False
    response_ms: float | None = None
    stop_ms: float | None = None
    unheard_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """A gap in the agent's speech: nothing was left to play inside a reply."""

    at_ms: float
    length_ms: float


@dataclass(slots=True)
class Violation:
    """A rule of the provider that the server broke.

    Attributes:
        rule: Which one.
        first_ms: When it did so first.
        count: How often.
    """

    rule: str
    first_ms: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook: its kind, the HTTP status (None: no answer) and how long it took."""

    kind: str
    status: int | None
    elapsed_ms: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """Packet statistics of a call's sound; only for calls over RTP.

    Attributes:
        sent: Packets of the caller, keys too.
        dropped: How many of them the simulated network lost.
        server_lost: How many the server says it missed, in its last report.
        server_jitter_ms: Their jitter, as the server says (RFC 3550); None: it never reported.
        received: Packets of the agent.
        lost: How many of them did not arrive.
        jitter_ms: Their jitter (RFC 3550).
        late_ms: How much later than the most punctual packet the latest one came.
        drift_ms: How much later the last packets came than the first ones, both as medians;
            near 0 when the delay is constant.
    """

    sent: int
    dropped: int
    server_lost: int
    server_jitter_ms: float | None
    received: int
    lost: int
    jitter_ms: float
    late_ms: float
    drift_ms: float


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits beyond which the caller complains in ``CallReport.problems``.

    Attributes:
        greeting_ms: Longest silence after the call was answered.
        response_ms: Longest silence after a question.
        barge_in_ms: Longest time the agent may go on when it is interrupted.
        gaps: Most holes in the agent's speech in one call.
        known_phrases_only: Whether speech that is no known phrase is a problem; not so when a
            real model speaks.
    """

    greeting_ms: float = 3000.0
    response_ms: float = 3000.0
    barge_in_ms: float = 500.0
    gaps: int = 0
    known_phrases_only: bool = True


@dataclass(slots=True)
class CallReport:
    """Everything that happened on a call, and what was wrong with it.

    Attributes:
        call_id: The provider's id.
        answered: Whether the server took the call and audio flowed.
        ended_by: ``caller``, ``agent`` (it closed the stream), ``api`` (it asked the provider),
            ``instructions`` (it told the provider to hang up), ``handed_over``, ``dropped``,
            ``answer_failed``, ``stream_failed``, ``unanswered``, ``canceled``, ``time_limit`` or
            ``machine`` (the provider does not talk to machines).
        cause_name: The provider's word for the end.
        cause_code: The provider's number for the end.
        duration_ms: From the answer to the end.
        setup_ms: How long the server took to answer and open the stream.
        greeting_ms: Until the agent's first sound; None when there was none.
        steps: Every step of the script, in order.
        heard: The agent's speech, in order.
        said: The caller's speech, in order.
        gaps: Where the agent's speech was torn; the first 1000.
        violations: Rules that were broken, one entry each.
        checkpoints: Names of those that were reached, the last 1000.
        clears: How often the server dropped what was not heard yet.
        dtmf: Keys the server pressed, the last 1000.
        dialled: Whom the call was handed to.
        spoken: Texts that the provider was told to speak.
        deliveries: Every webhook, the last 1000.
        network: What became of the packets, or None.
        problems: What a caller would complain about; empty when satisfied.
    """

    call_id: str
    answered: bool = False
    ended_by: str = ""
    cause_name: str = ""
    cause_code: str = ""
    duration_ms: float = 0.0
    setup_ms: float = 0.0
    greeting_ms: float | None = None
    steps: list[StepOutcome] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    gaps: list[Pause] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    clears: int = 0
    dtmf: str = ""
    dialled: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    network: Network | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the caller is satisfied."""
        return not self.problems

    @property
    def heard_clips(self) -> list[str | None]:
        """Names of what was heard, in order."""
        return [one.clip for one in self.heard]

    @property
    def response_ms(self) -> list[float]:
        """Silence after each question that was answered."""
        return [one.response_ms for one in self.said if one.response_ms is not None]

    @property
    def barge_in_ms(self) -> list[float]:
        """Time to silence of each barge-in that worked."""
        return [one.stop_ms for one in self.said if one.stop_ms is not None]


def pair_up(said: Sequence[Said], heard: Sequence[Heard]) -> None:
    """Fill in each phrase's ``response_ms``: the first speech that began after it was begun.

    The speech that a barge-in interrupted began before, so it is never taken for the answer; nor
    is an answer that came after the caller's next phrase.
    """
    for index, phrase in enumerate(said):
        until = said[index + 1].start_ms if index + 1 < len(said) else float("inf")
        after = phrase.start_ms + (phrase.stop_ms or 0.0)
        answer = next((one for one in heard if after < one.start_ms < until), None)
        phrase.response_ms = answer.start_ms - phrase.end_ms if answer else None


def judge(report: CallReport, patience: Patience) -> Iterator[str]:
    """Yield what the caller would complain about."""
    if report.ended_by in {"unanswered", "canceled", "machine"}:
        pass
    elif not report.answered:
        yield f"the call was never connected: {report.cause_name} ({report.ended_by})"
    elif report.ended_by in {"stream_failed", "time_limit"}:
        yield f"the call was not ended properly: {report.cause_name} ({report.ended_by})"
    for number, outcome in enumerate(report.steps, 1):
        if not outcome.ok:
            yield f"step {number} {outcome.step}: {outcome.detail}"
    yield from _judge_delays(report, patience)
    yield from _judge_speech(report, patience)
    for violation in report.violations:
        yield f"rule broken {violation.count} times: {violation.rule}"
    for delivery in report.deliveries:
        if delivery.status is None or not 200 <= delivery.status < 300:
            yield f"webhook {delivery.kind} failed: {delivery.status or delivery.error}"


def _judge_delays(report: CallReport, patience: Patience) -> Iterator[str]:
    if report.greeting_ms is not None and report.greeting_ms > patience.greeting_ms:
        yield f"silence of {report.greeting_ms:.0f} ms before the first word"
    for phrase in report.said:
        if phrase.response_ms is not None and phrase.response_ms > patience.response_ms:
            yield f"silence of {phrase.response_ms:.0f} ms after {phrase.clip!r}"
        if phrase.stop_ms is not None and phrase.stop_ms > patience.barge_in_ms:
            yield f"the agent went on for {phrase.stop_ms:.0f} ms when interrupted"


def _judge_speech(report: CallReport, patience: Patience) -> Iterator[str]:
    if len(report.gaps) > patience.gaps:
        longest = max(gap.length_ms for gap in report.gaps)
        gaps = "1 gap" if len(report.gaps) == 1 else f"{len(report.gaps)} gaps"
        yield f"{gaps} in the agent's speech, the longest {longest:.0f} ms"
    for one in report.heard:
        what = one.clip or "speech"
        interrupted = any(
            phrase.start_ms <= one.end_ms + patience.barge_in_ms and phrase.end_ms > one.start_ms
            for phrase in report.said
        )
        own_end = one.by_end and report.ended_by in {"caller", "dropped"}
        if not one.whole and not interrupted and not own_end:
            yield f"{what} at {one.start_ms:.0f} ms was cut off after {one.end_ms:.0f} ms"
        if one.clip is None and patience.known_phrases_only and one.whole:
            yield f"what was heard at {one.start_ms:.0f} ms was not intelligible"
