"""The package by itself: a wheel, installed where there is no clone, in an empty folder."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, expect: int = 0) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd, env=kept, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources, so that no build product is left in the tree."""
    source = tmp_path_factory.mktemp("source")
    copied = [ROOT / "pyproject.toml", ROOT / "README.md", ROOT / "src"]
    run("cp", "-r", *copied, source, cwd=ROOT)
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", source)
    run(sys.executable, "-m", "pip", "wheel", *options, source, cwd=source)
    (built,) = source.glob("fwai-*.whl")
    return built


@pytest.fixture(scope="module")
def fwai(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel beside this environment's packages; return its command."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    (site,) = home.glob("lib/python*/site-packages")
    others = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "others.pth").write_text(others + "\n", encoding="utf-8")
    return home / "bin" / "fwai"


def test_the_wheel_holds_what_the_commands_need(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "fwai/prompts/default.json",
        "fwai/simulator/common/phrases/clips.json",
        "fwai/calls/sentences/sentences.json",
        "fwai/calls/sentences/apology.hi.ulaw",
        "fwai/adapters/browser/page/talk.html",
        "fwai/store/migrations/script.py.mako",
        "fwai/py.typed",
    } <= names
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.timeout(120)
def test_the_demo_runs_in_an_empty_folder(fwai: Path, tmp_path: Path) -> None:
    said = run(fwai, "demo", cwd=tmp_path)

    assert "PASSED" in said
    assert list(tmp_path.iterdir()) == []


def test_init_writes_what_a_new_installation_needs_and_keeps_what_is_there(
    fwai: Path, tmp_path: Path
) -> None:
    said = run(fwai, "init", cwd=tmp_path)
    (tmp_path / ".env").write_text("CALL_PROVIDER=plivo\n", encoding="utf-8")
    again = run(fwai, "init", cwd=tmp_path)

    assert "fwai demo" in said
    assert "edit .env" in said
    assert "GOOGLE_API_KEY alone" in said
    assert again.count("kept") == 2
    assert (tmp_path / ".env").read_text("utf-8") == "CALL_PROVIDER=plivo\n"
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "prompts.json").read_text("utf-8") == (ROOT / "prompts.json").read_text(
        "utf-8"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".env",
        "data",
        "prompts.json",
        "transcripts",
    ]


def test_a_configured_server_without_prompts_says_how_to_get_them(
    fwai: Path, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        "CALL_PROVIDER=plivo\nGOOGLE_API_KEY=k\nPLIVO_AUTH_ID=MA0\nPLIVO_AUTH_TOKEN=t\n"
        "PLIVO_PHONE_NUMBER=+919999900000\nPUBLIC_URL=https://voice.example.com\nPORT=39517\n",
        encoding="utf-8",
    )

    said = run(fwai, cwd=tmp_path, expect=2)

    assert "prompts.json: not found; write one with: fwai init" in said


def test_the_default_agents_of_the_package_are_those_of_the_clone() -> None:
    shipped = ROOT / "src" / "fwai" / "prompts" / "default.json"

    assert shipped.read_text("utf-8") == (ROOT / "prompts.json").read_text("utf-8")


def test_the_version_is_told(fwai: Path, tmp_path: Path) -> None:
    from fwai import __version__

    assert run(fwai, "--version", cwd=tmp_path).strip() == f"fwai {__version__}"
