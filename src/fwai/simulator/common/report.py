"""Makes the report of a call, the same for every provider."""

from collections.abc import Sequence

from fwai.simulator.common.caller import (
    CallReport,
    Delivery,
    Network,
    Patience,
    Pause,
    judge,
    pair_up,
)
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.line import Line
from fwai.simulator.common.script import ScriptRunner
from fwai.simulator.common.voice import Repertoire, standard_repertoire


def prepared(clips: ClipLibrary | Repertoire | None) -> Repertoire:
    """Return phrases that are ready, the shipped ones for None; slow, so not for the event loop.

    Raises:
        StoreError: The shipped phrases are incomplete.
    """
    given = clips or standard_repertoire()
    repertoire = Repertoire(given) if isinstance(given, ClipLibrary) else given
    repertoire.prepare()
    return repertoire


def report_of(
    line: Line,
    runner: ScriptRunner,
    patience: Patience,
    *,
    call_id: str,
    answered: bool,
    duration_ms: float,
    setup_ms: float,
    deliveries: Sequence[Delivery],
    dialled: Sequence[str] = (),
    spoken: Sequence[str] = (),
    network: Network | None = None,
) -> CallReport:
    """Gather what happened on ``line`` and judge it; all times in milliseconds."""
    ending = line.ending
    report = CallReport(
        call_id=call_id,
        answered=answered,
        ended_by=ending.by if ending else "",
        cause_name=ending.cause.name if ending else "",
        cause_code=ending.cause.code if ending else "",
        duration_ms=duration_ms,
        setup_ms=setup_ms,
        greeting_ms=line.ear.first_sound_ms,
        steps=runner.outcomes,
        heard=line.ear.heard,
        said=runner.said,
        gaps=[Pause(gap.at_ms, gap.length_ms) for gap in line.ear.gaps],
        violations=list(line.violations.values()),
        checkpoints=line.checkpoints,
        clears=len(line.clears),
        dtmf=line.dtmf,
        dialled=list(dialled),
        spoken=list(spoken),
        deliveries=list(deliveries),
        network=network,
    )
    pair_up(report.said, report.heard)
    report.problems = list(judge(report, patience))
    return report
