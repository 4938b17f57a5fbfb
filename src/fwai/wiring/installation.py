"""Checks a whole installation before anything is opened: every fault of it in one pass."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from fwai.config.home_country import home_regions
from fwai.config.loading import inspect_settings, setting_warnings
from fwai.config.names import SettingWarning
from fwai.config.settings import Settings
from fwai.config.values import default_database
from fwai.domain.agent import AgentProfile
from fwai.domain.availability import read_availability
from fwai.errors import ConfigError, StoreError
from fwai.gemini.models import LANGUAGES, VOICES, has_known_family, live_model_problem
from fwai.prompts.loader import read_prompts
from fwai.store.database_url import parse_url, sqlite_file
from fwai.wiring.tools import TOOL_NAMES
from fwai.wiring.webhooks import webhook_problems

AVAILABILITY: Final = "availability.json"

_log = structlog.get_logger()


def load_installation() -> tuple[Settings, Sequence[SettingWarning]]:
    """Load the settings of this process and check everything they name.

    Returns:
        The settings, and warnings for the log: what is set and read by nobody.

    Raises:
        ConfigError: Every fault of settings, prompts.json, availability.json and folders.
    """
    settings, problems = inspect_settings()
    warnings = setting_warnings()
    if not settings.demo or settings.prompts_file.exists():  # the demo brings its own agents
        problems += _installation_problems(settings)[1]
    problems += _left_behind(settings)
    if problems:
        raise ConfigError([*problems, *map(str, warnings)])
    return settings, warnings


def load_agents(settings: Settings) -> Mapping[str, AgentProfile]:
    """Return the agents of prompts.json; whatever else the settings name is checked as well.

    Raises:
        ConfigError: Every fault of prompts.json, availability.json and folders.
    """
    agents, problems = _installation_problems(settings)
    if problems:
        raise ConfigError(problems)
    return agents


def model_warnings(settings: Settings, agents: Mapping[str, AgentProfile]) -> list[str]:
    """Return what is uncertain about Live models of families not known yet; each is logged."""
    places = {"GEMINI_MODEL": settings.gemini_model}
    places |= {f"{agent.id}.model": agent.model for agent in agents.values() if agent.model}
    unknown = {place: model for place, model in places.items() if not has_known_family(model)}
    for place, model in unknown.items():
        _log.warning("model_family_unknown", place=place, model=model)
    return [
        f"{place}: the family of {model} is not known yet; only what every family takes is used"
        for place, model in unknown.items()
    ]


def _installation_problems(
    settings: Settings,
) -> tuple[Mapping[str, AgentProfile], list[str]]:
    agents, problems = read_prompts(
        settings.prompts_file,
        voices=VOICES,
        tools=TOOL_NAMES,
        languages=LANGUAGES,
        regions=home_regions(settings.timezone),
    )
    file = settings.prompts_file.name
    for agent in agents.values():
        problems += [f"{file}: {agent.id}.{problem}" for problem in _agent_faults(agent, settings)]
    if not settings.demo:
        problems += webhook_problems(settings, agents)
    problems += _availability_problems(settings.data_dir / AVAILABILITY)
    problems += _folder_problems(settings)
    return agents, problems


def _agent_faults(agent: AgentProfile, settings: Settings) -> Iterator[str]:
    """Yield what does not fit the settings."""
    if agent.model and (problem := live_model_problem(agent.model)):
        yield f"model: {agent.model[:60]!r} {problem}"
    if agent.sums_up and not settings.gemini_text_model and not settings.demo:
        key = "extract" if agent.extract else "summary"
        yield f"{key}: needs a text model; set GEMINI_TEXT_MODEL=gemini-3.8-flash, or take it out"


def _availability_problems(path: Path) -> list[str]:
    try:
        read_availability(json.loads(path.read_text("utf-8-sig")))
    except FileNotFoundError:
        return []
    except RecursionError:
        return [f"{path}: nested too deep"]
    except json.JSONDecodeError as exc:
        return [f"{path}: not valid JSON at line {exc.lineno}, column {exc.colno}; correct it"]
    except UnicodeDecodeError:
        return [f"{path}: not UTF-8; save it as UTF-8"]
    except ValueError as exc:
        return [f"{path}: {problem}" for problem in str(exc).splitlines()]
    except OSError as exc:
        return [f"{path}: cannot be read ({exc.strerror}); check its owner"]
    return []


# ---- folders ------------------------------------------------------------------------------------


def _folder_problems(settings: Settings) -> list[str]:
    """Return the folders that can be neither used nor created."""
    folders = {"DATA_DIR": settings.data_dir}
    if settings.enable_transcripts:
        folders["TRANSCRIPTS_DIR"] = settings.transcripts_dir
    file = _database_file(settings.database_url)
    if file and settings.database_chosen:  # else it follows from DATA_DIR, and so does its fault
        folders["DATABASE_URL"] = file.parent
    if file and file.is_dir():
        return [f"DATABASE_URL: {file} is a folder; name a file"]
    return [
        f"{name}: {problem}"
        for name, folder in folders.items()
        if (problem := _folder_problem(folder))
    ]


def _folder_problem(folder: Path) -> str | None:
    owner = "make it writable for the service's user"
    try:
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        if not nearest.is_dir():
            return f"{nearest} is a file, not a folder; name another one"
        if not os.access(nearest, os.W_OK | os.X_OK):
            return f"{nearest} cannot be written to; {owner}"
    except (OSError, StopIteration, ValueError) as exc:
        return f"{str(folder)[:200]} cannot be used ({type(exc).__name__}); name another one"
    return None if nearest == folder else _making_problem(folder, nearest)


def _making_problem(folder: Path, nearest: Path) -> str | None:
    """Return why a folder that is missing cannot be made; what its mode bits say is not all."""
    try:
        Path(tempfile.mkdtemp(prefix=".fwai-", dir=nearest)).rmdir()
    except OSError as exc:
        return (
            f"{str(folder)[:200]} cannot be made, for {nearest} takes no folder ({exc.strerror}); "
            "name another one"
        )
    return None


def _database_file(url: str) -> Path | None:
    try:
        parsed = parse_url(url).url
    except StoreError:
        return None  # reported with the settings
    file = sqlite_file(parsed) if parsed.get_backend_name() == "sqlite" else ""
    return Path(file) if file else None


def _left_behind(settings: Settings) -> list[str]:
    """Return a fault if the database is where it was before ``DATA_DIR`` moved it."""
    if settings.database_chosen:
        return []
    before = default_database(type(settings).model_fields["data_dir"].get_default())
    old, new = _database_file(before), _database_file(settings.database_url)
    if old is None or new is None or new.exists() or not old.exists() or old == new:
        return []
    return [
        (
            f"DATA_DIR: the database is still {old}, where earlier versions kept it; move it with "
            f"its -wal and -shm files to {new.parent}, or set DATABASE_URL={before}"
        )
    ]
