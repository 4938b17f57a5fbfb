"""The table of the matrix: for the terminal and for docs/RELIABILITY.md."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fwai.errors import ConfigError
from fwai.faults.verdict import Verdict

BEGIN: Final = "<!-- faults: begin -->"
END: Final = "<!-- faults: end -->"
_HEADS: Final = (
    "row",
    "holds",
    "gap ms",
    "owed ms",
    "next ms",
    "words lost",
    "unheard by the model",
    "effects lost/doubled",
    "greeted",
    "told",
    "end",
)


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return how many rows hold."""
    return f"{sum(verdict.holds for verdict in verdicts)} of {len(verdicts)} hold"


def line(verdict: Verdict) -> str:
    """Return a row for the terminal: what it came to, and what does not hold."""
    measures = verdict.measures
    head = f"{'ok  ' if verdict.holds else 'FAIL'} {verdict.name}"
    facts = (
        f"{measures.ended} after {measures.seconds:g} s, gap {measures.gap_ms:g} ms, "
        f"owed {measures.owed_ms:g} ms, next {measures.next_ms:g} ms"
    )
    return "\n     ".join([f"{head}: {facts}", *verdict.problems])


def table(verdicts: Sequence[Verdict], seed_line: str = "") -> str:
    """Return the whole table as Markdown, by group, its summary first."""
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.group].append(verdict)
    parts = [f"{summary(verdicts)}.{' ' + seed_line if seed_line else ''}"]
    for group, rows in groups.items():
        parts.append(f"### {group}: {summary(rows)}")
        shown = rows if group != "random" else [row for row in rows if not row.holds]
        if shown:
            head = [_cells(_HEADS), _cells(["---"] * len(_HEADS))]
            parts.append("\n".join([*head, *map(_row, shown)]))
    return "\n\n".join(parts)


def write(path: Path, text: str) -> None:
    """Put a table between the markers of a file.

    Raises:
        ConfigError: The file or its markers are not there.
    """
    try:
        before, rest = path.read_text("utf-8").split(BEGIN, 1)
        _, after = rest.split(END, 1)
        path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")
    except (OSError, ValueError) as exc:
        wanted = f"{BEGIN} and {END} must be in it"
        raise ConfigError([f"{path}: no table can be written: {wanted}"]) from exc


def _row(verdict: Verdict) -> str:
    m = verdict.measures
    effects = f"{sum(m.lost.values())}/{sum(m.doubled.values())}"
    told = next((what for what in m.told if " " in what), ", ".join(m.told[:2])) or "-"
    return _cells(
        [
            verdict.name,
            "yes" if verdict.holds else "**no**: " + "; ".join(verdict.problems),
            f"{m.gap_ms:g}",
            f"{m.owed_ms:g}",
            f"{m.next_ms:g}",
            len(m.words_lost),
            ", ".join(m.lost_clips) or "-",
            effects,
            m.greetings,
            told,
            m.ended,
        ]
    )


def _cells(values: Sequence[object]) -> str:
    return "| " + " | ".join(str(value).replace("|", "/") for value in values) + " |"
