"""What `make` does about the virtual environment: made once, left alone, and mended when broken."""

import os
import shutil
import signal
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "environment.py"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small packages, which is all that pip may look into."""
    folder = tmp_path_factory.mktemp("packages")
    for name in ("tinyone", "tinytwo"):
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "here = True\n")
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            )
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
    return folder


class Clone:
    """A folder with a Makefile's work in it.

    Attributes:
        venv: The environment.
    """

    def __init__(self, folder: Path, packages: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        self._packages = packages
        (folder / "requirements.txt").write_text("# one\ntinyone==1.0\n", "utf-8")
        (folder / "requirements-dev.txt").write_text(
            'tinytwo==1.0\nabsent==1.0; sys_platform == "never"\n', "utf-8"
        )

    def command(self, *files: str) -> list[str]:
        return [sys.executable, str(SCRIPT), ".venv", *(files or ("requirements.txt",))]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        found = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self._packages)}
        return kept | found | {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def set_up(self, *files: str, expect: int = 0) -> str:
        done = subprocess.run(
            self.command(*files), cwd=self.folder, env=self.environment,
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    def has(self, module: str) -> bool:
        python = self.venv / "bin" / "python"
        done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
        return done.returncode == 0


@pytest.fixture(scope="module")
def finished(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that was set up, to be copied and broken."""
    clone = Clone(tmp_path_factory.mktemp("finished"), packages)
    assert "Setting up .venv" in clone.set_up()
    return clone.folder


@pytest.fixture
def clone(finished: Path, packages: Path, tmp_path: Path) -> Clone:
    shutil.copytree(finished / ".venv", tmp_path / ".venv", symlinks=True)
    copied = Clone(tmp_path, packages)
    later = time.time() + 1
    os.utime(copied.venv / ".runtime", (later, later))
    return copied


def dangling(venv_: Path) -> None:
    """The system's Python went away, or is another version now."""
    for python in (venv_ / "bin").glob("python*"):
        python.unlink()
        python.symlink_to("/usr/bin/python3.99")


def no_pip(venv_: Path) -> None:
    (package,) = venv_.glob("lib/python*/site-packages/pip")
    shutil.rmtree(package)


def other_version(venv_: Path) -> None:
    """The link leads to a Python of another version, which has no packages here."""
    (lib,) = venv_.glob("lib/python*")
    lib.rename(lib.with_name("python3.10"))


def half_made(venv_: Path) -> None:
    """It was interrupted before it had a Python."""
    shutil.rmtree(venv_ / "bin")
    (venv_ / "pyvenv.cfg").unlink()


def empty(venv_: Path) -> None:
    shutil.rmtree(venv_)
    venv_.mkdir()


def interrupted(venv_: Path) -> None:
    """Pip was killed at its work."""
    (venv_ / ".installing").touch()


def silent(venv_: Path) -> None:
    """Its Python ends at once, with nothing to say."""
    python = venv_ / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)


def no_program(venv_: Path) -> None:
    python = venv_ / "bin" / "python"
    python.unlink()
    python.write_bytes(b"\x7fELF of another machine")
    python.chmod(0o755)


def link_to_nowhere(venv_: Path) -> None:
    shutil.rmtree(venv_)
    venv_.symlink_to(venv_.parent / "gone")


BROKEN: list[Callable[[Path], None]] = [
    dangling, no_pip, other_version, half_made, empty, interrupted, silent, no_program,
    link_to_nowhere,
]  # fmt: skip


@pytest.mark.timeout(120)
@pytest.mark.parametrize("break_it", BROKEN, ids=lambda one: one.__name__)
def test_a_broken_environment_is_made_anew(clone: Clone, break_it: Callable[[Path], None]) -> None:
    break_it(clone.venv)

    told = clone.set_up()

    assert told.startswith(".venv "), told
    assert "It is made anew." in told
    assert clone.has("tinyone")
    assert clone.has("pip")
    assert clone.set_up() == ""


def test_what_is_in_order_is_left_alone(clone: Clone) -> None:
    (clone.venv / "mine").touch()

    assert clone.set_up() == ""
    assert (clone.venv / "mine").exists()


def unpacked(venv_: Path) -> None:
    for file in venv_.glob("lib/python*/site-packages/tinyone*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()


def half_unpacked(venv_: Path) -> None:
    """It has a name and a version, and nobody knows what files."""
    unpacked(venv_)
    (site,) = venv_.glob("lib/python*/site-packages")
    info = site / "tinyone-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tinyone\nVersion: 1.0\n")


def test_a_package_that_is_missing_is_installed(clone: Clone) -> None:
    unpacked(clone.venv)

    assert "Installing what .venv lacks: tinyone" in clone.set_up()
    assert clone.has("tinyone")


def test_an_environment_made_by_hand_is_completed_and_kept(packages: Path, tmp_path: Path) -> None:
    clone = Clone(tmp_path, packages)
    venv.create(clone.venv, with_pip=True)
    (clone.venv / "mine").touch()

    assert "Installing what .venv lacks: tinyone" in clone.set_up()
    assert (clone.venv / "mine").exists()


def test_changed_requirements_are_installed(clone: Clone) -> None:
    (clone.folder / "requirements.txt").write_text("tinyone==1.0\ntinytwo==1.0\n")

    clone.set_up()

    assert clone.has("tinytwo")


def test_the_developer_s_packages_come_when_they_are_asked_for(clone: Clone) -> None:
    clone.set_up()
    assert not clone.has("tinytwo")

    clone.set_up("requirements.txt", "requirements-dev.txt")

    assert clone.has("tinytwo")
    assert clone.set_up("requirements.txt", "requirements-dev.txt") == ""


def test_what_cannot_be_installed_is_tried_again_next_time(clone: Clone) -> None:
    (clone.folder / "requirements.txt").write_text("tinyone==1.0\nnowhere==1.0\n")
    assert "The packages could not be installed" in clone.set_up(expect=1)

    (clone.folder / "requirements.txt").write_text("tinyone==1.0\n")
    clone.set_up()

    assert clone.has("tinyone")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_environment_is_nobody_s_to_remove(
    packages: Path, tmp_path: Path, kind: str
) -> None:
    clone = Clone(tmp_path, packages)
    if kind == "folder":
        clone.venv.mkdir()
        (clone.venv / "thesis.txt").touch()
    else:
        clone.venv.touch()

    assert "make VENV=" in clone.set_up(expect=1)
    assert clone.venv.exists()


def test_a_link_to_another_environment_is_cut_and_not_followed(clone: Clone) -> None:
    other = clone.folder / "other"
    clone.venv.rename(other)
    clone.venv.symlink_to(other)
    dangling(other)

    clone.set_up()

    assert not clone.venv.is_symlink()
    assert other.is_dir()


def at_work(venv_: Path) -> list[str]:
    """Return the programs that still work on an environment."""
    found = []
    for one in psutil.process_iter(["cmdline"]):
        words = " ".join(one.info["cmdline"] or ())
        if str(venv_) in words:
            found.append(words)
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("alone", [False, True])
def test_an_interrupted_set_up_is_one_line_and_goes_on_next_time(
    packages: Path, tmp_path: Path, alone: bool
) -> None:
    clone = Clone(tmp_path, packages)
    process = subprocess.Popen(
        clone.command(), cwd=clone.folder, env=clone.environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "Setting up" in process.stdout.readline()
    time.sleep(0.5)
    (os.kill if alone else os.killpg)(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Stopped. The next make goes on from here." in told
    assert not at_work(clone.venv)
    clone.set_up()
    assert clone.has("tinyone")


# ---- the Makefile itself ------------------------------------------------------------------------


def make(*words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ["make", *words], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("target", ["demo", "run", "test", "test-fast", "check", "mutants", "fix"])
def test_every_target_looks_at_the_environment_first(target: str) -> None:
    planned = make("--dry-run", target).stdout

    looked, _, rest = planned.partition("scripts/environment.py .venv requirements.txt")
    assert rest
    assert ".venv/bin/" not in looked


def test_a_python_that_is_not_there_is_named_with_the_fix() -> None:
    done = make("runtime", "PYTHON=python9.9")

    assert done.returncode == 2
    assert "python9.9: not found; name a Python 3.11 or newer: make PYTHON=" in done.stdout
