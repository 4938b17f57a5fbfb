"""Measures of a call that is over: what was heard, owed, lost and done."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fwai.faults.build import scenario
from fwai.faults.call import CallTrace
from fwai.faults.hearing import MODEL, Run, runs
from fwai.faults.words import heard_clips, plain
from fwai.simulator.common.clips import ClipLibrary

NATURAL_MS: Final = 260.0  # between two words; nobody hears that as a gap
_CLIPS: Final = ClipLibrary.load()
_SCENARIO: Final = scenario()
_PLANNED: Final = "goaway"


@dataclass(slots=True)
class Measures:
    """What is judged; times in milliseconds.

    Attributes:
        gap_ms: Longest silence within an answer of one session, or across a planned rotation.
        owed_ms: Longest silence in which the caller waited for a first sound.
        next_ms: Longest one after a local sentence, while the answer was still owed.
        answer_ms: Longest time from the caller's words to the model's answer.
        barge_ms: Longest time that the model was heard on, once the caller spoke over it.
        connections: How many connections the service saw.
        hang_up_ms: From the last sound to the end of the call.
        words_lost: Words that were said and heard and do not stand in the transcript.
        unheard: Words of the agent in the transcript that nobody heard.
        lost_clips: What the caller said and no session heard.
        lost: Effects that tools should have had, by name.
        doubled: Effects that they had more than once.
        greetings: How often the greeting was heard.
        steps: Steps of the watchdog, and local sentences heard.
        said: Local sentences that were heard, in order.
        told: What the operator was told: events of the log, and notes.
        ended: How the call ended.
        seconds: How long it was.
    """

    gap_ms: float = 0.0
    owed_ms: float = 0.0
    next_ms: float = 0.0
    answer_ms: float = 0.0
    barge_ms: float = 0.0
    connections: int = 0
    hang_up_ms: float = 0.0
    words_lost: list[str] = field(default_factory=list)
    unheard: int = 0
    lost_clips: list[str] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    doubled: dict[str, int] = field(default_factory=dict)
    greetings: int = 0
    steps: int = 0
    said: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    ended: str = ""
    seconds: float = 0.0


def measure(trace: CallTrace) -> Measures:
    """Measure a call."""
    heard = runs(trace.line.heard)
    measures = Measures(seconds=round(trace.line.ended_at or 0.0, 1))
    measures.ended = trace.ended.value if trace.ended is not None else trace.broke or "nothing"
    _measure_silence(trace, heard, measures)
    _measure_words(trace, measures)
    _measure_effects(trace, measures)
    measures.said = [run.what for run in heard if run.what != MODEL]
    notes = [what for what, _ in trace.log.notes]
    measures.connections = len(trace.sessions)
    measures.steps = notes.count("agent_silent") + len(measures.said)
    logged = [str(entry["event"]) for entry in trace.logs if entry["log_level"] != "debug"]
    events = [event for event in logged if event.startswith(("agent_", "model_", "call_"))]
    measures.told = sorted({*events, *notes, *trace.tap.causes})
    return measures


# ---- silence ------------------------------------------------------------------------------------


def _measure_silence(trace: CallTrace, heard: Sequence[Run], measures: Measures) -> None:
    end = trace.line.ended_at or 0.0
    by_us = measures.ended != "caller_hung_up"
    measures.hang_up_ms = by_us * _ms(end - (heard[-1].end if heard else 0.0))
    owed = [0.0] + [said.end for said in trace.caller.said if said.answer]
    for begin, to in _pauses(heard, end):
        over = min([to, *(said.begin for said in trace.caller.said if said.begin > begin)])
        if not _open_at(trace, begin):
            continue
        if _gone(trace, begin, over) and trace.plan.row.group != _PLANNED:
            owed.append(begin)
        elif over == to:
            measures.gap_ms = max(measures.gap_ms, _ms(over - begin) - NATURAL_MS)
    spoken_over = [
        run.end - said.begin
        for said in trace.caller.said
        for run in heard
        if run.begin < said.begin < run.end
    ]
    measures.barge_ms = _ms(max(spoken_over, default=0.0))
    for since in owed:
        _follow(trace, heard, since, end, measures)
    measures.gap_ms = max(0.0, round(measures.gap_ms))


def _pauses(heard: Sequence[Run], end: float) -> Iterable[tuple[float, float]]:
    """Yield the pauses after speech of the model, to the next sound or the end."""
    for run, following in zip(heard, [*heard[1:], None], strict=False):
        if run.what == MODEL:
            yield run.end, following.begin if following is not None else end


def _open_at(trace: CallTrace, at: float) -> bool:
    """Say whether an answer was not said to its end when its sound ended."""
    answers = [(when, what) for when, what in trace.tap.told if what in _ANSWERS]
    before = [(when, what) for when, what in answers if when <= at]
    cuts = [when for when, what in answers if what == "interrupted" and abs(at - when) < _SOON_S]
    if cuts and not any(said.begin - _SOON_S < cuts[-1] < said.end for said in trace.caller.said):
        return True  # cut off, and the caller had said nothing
    return bool(before) and before[-1][1] == "audio"


_SOON_S: Final = 0.4
_ANSWERS: Final = ("audio", "ended", "interrupted")


def _gone(trace: CallTrace, begin: float, over: float) -> bool:
    """Say whether the answer was cut off: its connection went, or nothing more came of it."""
    audio = [when for when, what in trace.tap.told if what == "audio" and when <= begin]
    later = [(when, what) for when, what in trace.tap.told if audio[-1] < when <= over + 0.05]
    lost = any(what in ("away", "ready", "renewed") for _, what in later)
    return lost or not any(what == "audio" for _, what in later)


def _follow(
    trace: CallTrace, heard: Sequence[Run], since: float, end: float, measures: Measures
) -> None:
    """Measure the silences from the moment an answer is owed until the model is heard."""
    first = True
    begin = since
    speaking = [said.begin for said in trace.caller.said if said.begin > since]
    until = min([*speaking, end])
    for run in heard:
        if run.end <= begin:
            continue
        if run.begin >= until:
            break
        silent = max(0.0, run.begin - begin) - _tools_ran(trace, begin, run.begin)
        _note(measures, silent, first=first)
        if run.what == MODEL:
            if first or run.begin > since:
                measures.answer_ms = max(measures.answer_ms, _ms(run.begin - since))
            return
        first = False
        begin = run.end
    _note(measures, until - begin - _tools_ran(trace, begin, until), first=first)


def _note(measures: Measures, silent: float, *, first: bool) -> None:
    if first:
        measures.owed_ms = max(measures.owed_ms, _ms(silent))
    else:
        measures.next_ms = max(measures.next_ms, _ms(silent))


def _tools_ran(trace: CallTrace, begin: float, end: float) -> float:
    """Return for how long tools ran in a span, in seconds."""
    spans = [(max(a, begin), min(b, end)) for a, b in trace.tools.ran]
    return max((b - a for a, b in spans if b > a), default=0.0)


# ---- words --------------------------------------------------------------------------------------


def _measure_words(trace: CallTrace, measures: Measures) -> None:
    replies = {name for record in trace.sessions for name in record.replies}
    clips = {_SCENARIO.replies[name].clip for name in replies}
    heard = heard_clips(trace.line.heard, [clip for clip in _CLIPS if clip.name in clips])
    written = _words(" ".join(trace.log.agent))
    wanted: Counter[str] = Counter()
    ours = {word: times for word, times in written.items() if word.startswith("[")}
    possible: Counter[str] = Counter(ours)
    for clip in heard:
        wanted += clip.words(whole=True)
        possible += clip.words(whole=False)
        if clip.clip.name == "greeting":
            measures.greetings = clip.mostly
    measures.unheard = (written - possible).total() if heard else 0
    reached = {name for record in trace.sessions for name in record.heard}
    said = [said.clip for said in trace.caller.said]
    asked = _words(" ".join(_CLIPS[name].text for name in said if name in reached))
    missing = (wanted - written) + (asked - _words(" ".join(trace.log.caller)))
    measures.words_lost = sorted(missing.elements())
    measures.lost_clips = [name for name in said if name not in reached]


def _words(text: str) -> Counter[str]:
    return Counter(plain(word) for word in text.split() if plain(word))


# ---- effects ------------------------------------------------------------------------------------


def _measure_effects(trace: CallTrace, measures: Measures) -> None:
    wanted = trace.plan.row.effects
    if wanted is None:
        wanted = _asked_for(trace)
    done = trace.tools.effects
    for name in {*wanted, *done}:
        missing = wanted.get(name, 0) - done.get(name, 0)
        if missing > 0:
            measures.lost[name] = missing
        elif missing < 0:
            measures.doubled[name] = -missing


_EFFECTS: Final = {
    "ask_sms": ("send_sms",),
    "book_demo": ("book_demo",),
    "ask_hindi": ("send_sms", "send_email"),
}


def _asked_for(trace: CallTrace) -> dict[str, int]:
    """Return what tools should have done: what the caller wanted and the model asked for, once."""
    asked = {
        (record.index, call["id"], call["name"])
        for record in trace.sessions
        for call in record.tool_calls
        if call["id"] not in record.cancelled
    }
    wanted = Counter(tool for said in trace.caller.said for tool in _EFFECTS.get(said.clip, ()))
    # A question that the model did not understand, or was nudged past, is no lost effect.
    times = Counter(name for _, _, name in asked)
    return wanted & times


def _ms(seconds: float) -> float:
    return round(max(0.0, seconds) * 1000)
