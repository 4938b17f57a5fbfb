"""The rows of the matrix as data: what is done to the model, and what may come of it.

A file holds ``[scripts]`` (what callers do), ``[states]`` (moments of a call), ``[bounds]`` (what
is allowed, by group) and ``[[row]]``. A row with ``each`` stands for one row per combination of the
values there; ``$name`` in its other values is replaced. See docs/RELIABILITY.md.
"""

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from fwai.errors import ConfigError
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.gemini.scenario import Fault, Pace

On = Literal[
    "start",
    "agent_speaks",
    "agent_done",
    "caller_speaks",
    "caller_done",
    "tool",
    "tool_done",
    "struck",
]
"""Moments of a call: it began; the model began to be heard, or has finished; the caller began to
speak, or has spoken; a tool began, or has done its work; the fault happened."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing the caller does.

    Attributes:
        say: The clip that is said, or None.
        play: Sound that is no speech: ``music``, ``laugh`` or ``noise``.
        for_ms: How long it is played.
        hang_up: The caller leaves.
        on: At which moment; it must come after the step before.
        ms: How long after it.
        answer: Whether the caller waits for an answer to it.
    """

    say: str | None = None
    play: Literal["music", "laugh", "noise"] | None = None
    for_ms: float = 0.0
    hang_up: bool = False
    on: On = "agent_done"
    ms: float = 500.0
    answer: bool = True


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A moment of a call at which a row's hits happen.

    Attributes:
        script: Name of the script in which it comes.
        on: The moment.
        nth: Which one of that kind.
        ms: How long after it.
        at: A moment within the service, which takes the place of ``on`` for what happens there.
        turn: In which turn of the conversation that is.
    """

    script: str
    on: On
    nth: int = 1
    ms: float = 0.0
    at: Literal["tool", "audio", "turn_end"] | None = None
    turn: int | None = None


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is allowed; None is anything.

    Attributes:
        gap_ms: Silence within an answer.
        owed_ms: Silence in which the caller waits for the first sound.
        next_ms: Silence from a local sentence to the next sound, while an answer is still owed.
        answer_ms: From the end of the caller's words to the model's answer.
        barge_ms: How long the model is heard on once the caller speaks over it.
        connections: How many connections the service sees.
        hang_up_ms: From the last sound to the end of a call that we end.
        ends: How the call may end.
        words_lost: Words missing in the transcript.
        unheard: Words of the transcript that nobody heard.
        lost_clips: What the caller said and no session of the model heard.
        told: Whether the operator must be told.
        steps: How many steps of the watchdog and local sentences there may be.
        said: Local sentences of which one must have been heard.
    """

    gap_ms: float | None = None
    owed_ms: float | None = None
    next_ms: float | None = None
    answer_ms: float | None = None
    barge_ms: float | None = None
    connections: int | None = None
    hang_up_ms: float | None = None
    ends: tuple[str, ...] | None = None
    words_lost: int | None = None
    unheard: int | None = None
    lost_clips: int | None = None
    told: bool | None = None
    steps: int | None = None
    said: tuple[str, ...] | None = None

    def over(self, other: "Bounds") -> "Bounds":
        """Return these bounds, and those of ``other`` where there are none."""
        mine = {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None
        }
        return msgspec.structs.replace(other, **mine)


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One call of the matrix.

    Attributes:
        name: Unique.
        group: Of rows that share bounds.
        script: What the caller does: the name of a script, or empty for the one of the state.
        state: The moment at which ``hits`` happen, or empty.
        hits: What happens then, in this order.
        faults: What goes wrong at moments of the service's own.
        human: Whether a person can be reached when the agent cannot.
        voicemail: Whether the caller can leave a message instead.
        setup_ms: How long the service takes for a set-up.
        tool_s: How long a tool takes, by its name; 0.3 s by default.
        pace: How the service's audio comes.
        late_transcript: The caller's words come after the reply has begun.
        blocking: The family of models whose tools hold up the conversation.
        effects: What tools must have done, by name; as the script asks for by default.
        times: The script is gone through so often, the goodbye apart.
        bounds: What is allowed where it is not as in the group.
    """

    name: str
    group: str
    script: str = ""
    state: str = ""
    hits: tuple[Fault, ...] = ()
    faults: tuple[Fault, ...] = ()
    human: bool = False
    voicemail: bool = False
    setup_ms: float = 0.0
    tool_s: dict[str, float] = {}
    pace: Pace = Pace()
    late_transcript: bool = False
    blocking: bool = False
    effects: dict[str, int] | None = None
    times: int = 1
    bounds: Bounds = Bounds()


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row with everything it names.

    Attributes:
        row: The row.
        steps: What the caller does.
        state: When the hits happen, or None.
        bounds: What is allowed.
    """

    row: Row
    steps: tuple[Step, ...]
    state: State | None
    bounds: Bounds


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    scripts: dict[str, tuple[Step, ...]] = {}
    states: dict[str, State] = {}
    bounds: dict[str, Bounds] = {}
    row: list[dict[str, Any]] = []


def shipped() -> list[Path]:
    """Return the files of rows that ship with the program."""
    folder = resources.files("fwai.faults") / "rows"
    return sorted(Path(str(file)) for file in folder.iterdir() if file.name.endswith(".toml"))


def load(paths: Sequence[Path]) -> list[Plan]:
    """Read rows; scripts, states and bounds of one file hold in all.

    Raises:
        ConfigError: Something in a file is wrong; line and field are named.
    """
    problems: list[str] = []
    files = [(path, text, _read(path, text, problems)) for path, text in map(_text, paths)]
    scripts = {name: one for _, _, file in files for name, one in file.scripts.items()}
    states = {name: one for _, _, file in files for name, one in file.states.items()}
    bounds = {name: one for _, _, file in files for name, one in file.bounds.items()}
    plans: dict[str, Plan] = {}
    for path, text, file in files:
        for number, raw in enumerate(file.row):
            where = _Where(path, text, number)
            for row in _rows(raw, where, problems):
                wrong = _unknown(row, scripts, states, bounds) or (
                    ("name", f"a second row is called {row.name!r}") if row.name in plans else None
                )
                if wrong is not None:
                    problems.append(where.says(*wrong))
                    continue
                state = states.get(row.state)
                steps = scripts[row.script or (state.script if state else "")]
                allowed = row.bounds.over(bounds[row.group]).over(bounds.get("all", Bounds()))
                plans[row.name] = Plan(row=row, steps=steps, state=state, bounds=allowed)
    problems += _unknown_clips(scripts)
    if problems:
        raise ConfigError(problems)
    return list(plans.values())


class _Where:
    """A row's place in its file."""

    def __init__(self, path: Path, text: str, number: int) -> None:
        self._path = path
        heads = [at for at, line in enumerate(text.splitlines(), 1) if line.strip() == "[[row]]"]
        self._line = heads[number] if number < len(heads) else 1
        end = heads[number + 1] if number + 1 < len(heads) else None
        self._lines = text.splitlines()[self._line : end and end - 1]

    def says(self, field: str, what: str) -> str:
        """Return a problem with line and field."""
        name = re.split(r"[.\[]", field)[0]
        inner = field.rsplit(".", 1)[-1].split("[", maxsplit=1)[0]
        for wanted in (inner, name):
            for at, line in enumerate(self._lines, self._line + 1):
                if re.search(rf"\b{re.escape(wanted)}\s*=", line):
                    return f"{self._path}:{at}: {field}: {what}"
        return f"{self._path}:{self._line}: {field}: {what}"


def _text(path: Path) -> tuple[Path, str]:
    try:
        return path, path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError([f"{path}: {exc}"]) from exc


def _read(path: Path, text: str, problems: list[str]) -> _File:
    try:
        return msgspec.convert(tomllib.loads(text), _File)
    except tomllib.TOMLDecodeError as exc:
        problems.append(f"{path}: {exc}")  # it names line and column
    except msgspec.ValidationError as exc:
        field = _field(exc)
        problems.append(f"{path}:{_line_of(text, field)}: {field}: {_short(exc)}")
    return _File()


def _line_of(text: str, field: str) -> int:
    """Return the line of a field such as ``states.talk.on``, as near as it can be found."""
    lines = text.splitlines()
    names = [name for name in re.split(r"[.\[\]]+", field) if name and not name.isdigit()]
    at = 0
    for name in names:
        pattern = rf"(^\s*\[.*\b{re.escape(name)}\b|\b{re.escape(name)}\s*=)"
        at = next((n for n in range(at, len(lines)) if re.search(pattern, lines[n])), at)
    return at + 1


def _field(exc: msgspec.ValidationError) -> str:
    found = re.search(r"`\$\.?(.*?)`$", str(exc))
    unknown = re.search(r"unknown field `(.*?)`", str(exc))
    path = found[1] if found else ""
    return ".".join(part for part in (path, unknown[1] if unknown else "") if part) or "row"


def _short(exc: msgspec.ValidationError) -> str:
    return re.sub(r" - at `.*`$", "", str(exc))


def _rows(raw: Mapping[str, Any], where: _Where, problems: list[str]) -> Iterator[Row]:
    """Yield the rows one entry stands for."""
    values = raw.get("each", {})
    rest = {name: value for name, value in raw.items() if name != "each"}
    if not isinstance(values, dict) or not all(isinstance(v, list) for v in values.values()):
        problems.append(where.says("each", "must be a table of lists"))
        return
    for chosen in itertools.product(*values.values()):
        filled = _filled(rest, dict(zip(values, chosen, strict=True)))
        try:
            yield msgspec.convert(filled, Row)
        except msgspec.ValidationError as exc:
            problems.append(where.says(_field(exc), _short(exc)))
            return


def _filled(value: object, names: Mapping[str, object]) -> object:
    """Return a value with every ``$name`` in it replaced."""
    if isinstance(value, dict):
        return {key: _filled(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, names) for one in value]
    if not isinstance(value, str):
        return value
    if value[:1] == "$" and value[1:] in names:
        return names[value[1:]]
    return re.sub(r"\$(\w+)", lambda m: str(names.get(m[1], m[0])), value)


def _unknown(
    row: Row,
    scripts: Mapping[str, object],
    states: Mapping[str, State],
    bounds: Mapping[str, object],
) -> tuple[str, str] | None:
    if row.group not in bounds:
        return "group", f"no bounds are called {row.group!r}"
    if row.state and row.state not in states:
        return "state", f"no state is called {row.state!r}"
    script = row.script or (states[row.state].script if row.state else "")
    if script not in scripts:
        return "script", f"no script is called {script!r}"
    if row.hits and not row.state:
        return "hits", "they need a state"
    return None


def _unknown_clips(scripts: Mapping[str, tuple[Step, ...]]) -> list[str]:
    clips = ClipLibrary.load()
    return [
        f"scripts.{name}: no clip is called {step.say!r}"
        for name, steps in scripts.items()
        for step in steps
        if step.say is not None and step.say not in clips
    ]
