"""Every fault of an installation in one pass: settings, agents, models, bookings, folders."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.errors import ConfigError
from fwai.wiring.installation import load_agents, load_installation, model_warnings

GOOD = {
    "CALL_PROVIDER": "plivo",
    "GOOGLE_API_KEY": "google-key",
    "PLIVO_AUTH_ID": "MA0000000000000000",
    "PLIVO_AUTH_TOKEN": "plivo-token",
    "PLIVO_PHONE_NUMBER": "+918888800000",
    "PUBLIC_URL": "https://voice.example.com",
}
AGENT = {"name": "Asha", "prompt": "You are {{agent_name}}."}
HOOK = {"name": "look_up", "description": "Looks up.", "url": "https://n8n.example.com/w"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with agents and no .env, and an environment with GOOD alone."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"Core": AGENT})
    return tmp_path


def write(folder: Path, agents: Mapping[str, Any] | str) -> None:
    text = agents if isinstance(agents, str) else json.dumps(agents)
    (folder / "prompts.json").write_text(text, encoding="utf-8")


def faults() -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        load_installation()
    return refused.value.problems


def places(problems: tuple[str, ...]) -> list[str]:
    return [problem.partition(": ")[0] for problem in problems]


@pytest.mark.usefixtures("folder")
def test_a_good_installation_has_no_fault() -> None:
    settings, warnings = load_installation()

    assert settings.call_provider == ("plivo",)
    assert warnings == ()
    assert set(load_agents(settings)) == {"Core"}


def test_every_fault_of_every_part_is_told_in_one_pass(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "availability.json").write_text('{"capacity": 0, "slot": 1}')
    (folder / "words").write_text("a file")
    write(
        folder,
        {"Core": {**AGENT, "voice": "Zeus", "language": "klingon", "prompt": "{{x}}"}, "B": 7},
    )
    wrong = {
        "CALL_PROVIDER": "plivo,plivo",
        "GOOGLE_API_KEY": "",
        "PORT": "many",
        "TIMEZONE": "Mars/Base",
        "TTS_VOICE": "Pluck",
        "GEMINI_MODEL": "gpt-9",
        "GEMINI_TEXT_MODEL": "gemini-3.8-live",
        "PUBLIC_URL": "voice.example.com",
        "TRANSCRIPTS_DIR": "words",
        "API_KEYS": "a",
        "RECORD_CALL": "true",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)

    assert places(faults()) == [
        "PORT",
        "CALL_PROVIDER",
        "GOOGLE_API_KEY",
        "PUBLIC_URL",
        "TIMEZONE",
        "API_KEYS",
        "GEMINI_MODEL",
        "GEMINI_TEXT_MODEL",
        "TTS_VOICE",
        "prompts.json",
        "prompts.json",
        "prompts.json",
        "prompts.json",
        "data/availability.json",
        "data/availability.json",
        "TRANSCRIPTS_DIR",
        "environment",
    ]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "GEMINI_MODEL",
            "gpt-4o",
            "'gpt-4o' is no Live model; use a Live model such as gemini-3.8",
        ),
        ("GEMINI_MODEL", "gemini-3.8-flash", "is no Live model"),
        ("GEMINI_MODEL", "gemini-3.8-liv", "is no Live model"),
        ("GEMINI_MODEL", "Gemini-3.8-Live", "write it in small letters: gemini-3.8-live"),
        ("GEMINI_MODEL", "gemini-2.0-flash-live-001", "was shut down by Google"),
        ("GEMINI_MODEL", "gemini-live-2.5-flash-native-audio", "is of Vertex AI"),
        ("GEMINI_MODEL", "gemini-3.5-live-translate-preview", "holds no conversations"),
        ("GEMINI_MODEL", "gemini 3.8 live", "is no name of a model"),
        ("GEMINI_MODEL", "../gemini-3.8-live?x&y", "is no name of a model"),
        ("GEMINI_TEXT_MODEL", "gemini-3.8-live", "is a Live model, which answers with sound"),
        ("GEMINI_TEXT_MODEL", "flash please", "is no name of a model"),
        ("TTS_VOICE", "puck", "unknown voice 'puck'; write Puck"),
        ("TTS_VOICE", "Aoide", "unknown voice 'Aoide'; write Aoede"),
        ("TTS_VOICE", "Alexa", "unknown voice 'Alexa'; such as Puck; there are: Achernar"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_model_or_voice_that_cannot_speak_on_the_phone_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)

    (problem,) = faults()

    assert problem.startswith(f"{name}: ")
    assert told in problem


@pytest.mark.parametrize(
    "model",
    [
        "gemini-3.8-live", "models/gemini-3.8-live", "gemini-3.8-live-extended-thinking",
        "gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-preview-12-2025",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("folder")
def test_known_families_are_taken_without_a_word(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setenv("GEMINI_MODEL", model)
    settings, _ = load_installation()

    assert model_warnings(settings, load_agents(settings)) == []


@pytest.mark.usefixtures("folder")
def test_a_live_model_of_tomorrow_is_taken_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("GEMINI_MODEL", "gemini-4.0-live")
    write(folder, {"Core": {**AGENT, "model": "gemini-5.0-live-preview"}})
    settings, _ = load_installation()

    assert [one.partition(": ")[0] for one in model_warnings(settings, load_agents(settings))] == [
        "GEMINI_MODEL",
        "Core.model",
    ]


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ({"summary": True}, "Core.summary: needs a text model; set GEMINI_TEXT_MODEL"),
        ({"extract": {"a": {"type": "string"}}}, "Core.extract: needs a text model"),
        ({"model": "gpt-4o"}, "Core.model: 'gpt-4o' is no Live model"),
    ],
)
def test_an_agent_that_does_not_fit_the_settings_is_named(
    folder: Path, agent: dict[str, Any], told: str
) -> None:
    write(folder, {"Core": {**AGENT, **agent}})

    (problem,) = faults()

    assert problem.startswith(f"prompts.json: {told}")


def test_an_agent_with_a_text_model_may_sum_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, {"Core": {**AGENT, "summary": True}})
    monkeypatch.setenv("GEMINI_TEXT_MODEL", "gemini-3.8-flash")

    assert load_installation()[1] == ()


def test_faults_of_workflows_come_with_the_others(folder: Path) -> None:
    hook = {**HOOK, "url": "https://user:word@n8n.example.com/w"}
    write(folder, {"Core": {**AGENT, "summary": True, "webhooks": [hook]}})

    assert places(faults()) == ["prompts.json", "EVENTS_WEBHOOK_SECRET", "prompts.json"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"capacity": 0}', "capacity: write a whole number"),
        (b"{,}", "not valid JSON at line 1, column 2; correct it"),
        (b"\xff\xfe", "not UTF-8; save it as UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b"7", "write an object with"),
    ],
)
def test_a_wrong_availability_is_named(folder: Path, content: bytes, told: str) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "availability.json").write_bytes(content)

    (problem,) = faults()

    assert problem.startswith("data/availability.json: ")
    assert told in problem


def test_a_folder_in_the_place_of_availability_is_named(folder: Path) -> None:
    (folder / "data" / "availability.json").mkdir(parents=True)

    assert faults()[0].startswith("data/availability.json: cannot be read")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"DATA_DIR": "prompts.json"}, "DATA_DIR: prompts.json is a file, not a folder"),
        ({"DATA_DIR": "prompts.json/deeper"}, "DATA_DIR: prompts.json is a file, not a folder"),
        ({"TRANSCRIPTS_DIR": "prompts.json"}, "TRANSCRIPTS_DIR: prompts.json is a file"),
        ({"TRANSCRIPTS_DIR": "x" * 5000}, "TRANSCRIPTS_DIR: xxx"),
        ({"DATABASE_URL": "sqlite+aiosqlite:///prompts.json/a.db"}, "DATABASE_URL: prompts.json"),
        ({"DATABASE_URL": "sqlite+aiosqlite:///folder"}, "DATABASE_URL: folder is a folder"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_used_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], told: str
) -> None:
    (folder / "folder").mkdir()
    for name, value in changes.items():
        monkeypatch.setenv(name, value)

    assert any(problem.startswith(told) for problem in faults())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(folder: Path) -> None:
    (folder / "data").mkdir(mode=0o500)

    assert "DATA_DIR: data cannot be written to" in faults()[0]


@pytest.mark.usefixtures("folder")
def test_a_folder_that_nobody_can_make_is_a_fault_of_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where mode bits say nothing, as for root or in a file system of the kernel's."""
    monkeypatch.setenv("DATA_DIR", "/proc/fwai/data")

    (fault,) = faults()
    assert fault.startswith("DATA_DIR: /proc/fwai/data cannot be made, for /proc takes no folder")
    assert fault.endswith("name another one")


def test_looking_whether_a_folder_can_be_made_leaves_nothing(folder: Path) -> None:
    load_installation()

    assert [one.name for one in folder.iterdir()] == ["prompts.json"]


def test_a_fault_of_an_agent_hides_no_other(folder: Path) -> None:
    """Of the file itself, and of what it needs of the settings."""
    write(
        folder,
        {
            "Core": {**AGENT, "summary": True, "voice": "Nobody", "prompt": 7},
            "Other": {**AGENT, "extract": {"topic": {"type": "string"}}, "webhooks": [HOOK]},
        },
    )

    told = "\n".join(faults())
    for place in ("Core.prompt:", "Core.voice:", "Core.summary:", "Other.extract:"):
        assert place in told


# ---- the database that DATA_DIR moved -----------------------------------------------------------


def test_a_database_of_before_is_not_forgotten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "fwai.db").write_bytes(b"calls")
    monkeypatch.setenv("DATA_DIR", str(folder / "elsewhere"))

    (problem,) = faults()

    assert problem == (
        "DATA_DIR: the database is still data/fwai.db, where earlier versions kept it; "
        "move it with "
        f"its -wal and -shm files to {folder / 'elsewhere'}, or set "
        "DATABASE_URL=sqlite+aiosqlite:///data/fwai.db"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"DATA_DIR": "moved"},
        {"DATA_DIR": "empty", "DATABASE_URL": "sqlite+aiosqlite:///data/fwai.db"},
        {"DATA_DIR": "empty", "DATABASE_URL": "postgresql+asyncpg://fwai@127.0.0.1/fwai"},
    ],
)
def test_a_database_that_is_in_use_is_no_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    for place in ("data", "moved"):
        (folder / place).mkdir()
        (folder / place / "fwai.db").write_bytes(b"calls")
    for name, value in changes.items():
        monkeypatch.setenv(name, value)

    load_installation()


# ---- the demo -----------------------------------------------------------------------------------


def test_the_demo_needs_no_agents_and_no_text_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in GOOD:
        monkeypatch.delenv(name)
    write(folder, {"Core": {**AGENT, "summary": True, "webhooks": [HOOK]}})
    settings, _ = load_installation()
    (folder / "prompts.json").unlink()

    assert settings.demo
    assert load_installation()[0].demo


def test_the_demo_tells_all_its_faults_in_one_pass(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in GOOD:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PORT", "many")
    write(folder, {"Core": {**AGENT, "voice": "Zeus"}})

    assert places(faults()) == ["PORT", "prompts.json"]


def test_a_database_that_cannot_be_read_is_told_with_the_settings_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://root@host/name")

    assert places(faults()) == ["DATABASE_URL"]


def test_agents_are_judged_by_whoever_opens_a_server(folder: Path) -> None:
    write(folder, {"Core": {**AGENT, "voice": "Zeus", "language": "klingon"}})
    settings: Settings = load_settings()

    with pytest.raises(ConfigError) as refused:
        load_agents(settings)

    assert len(refused.value.problems) == 2
