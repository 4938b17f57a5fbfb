"""What is said of packages that are missing, and of a Python that is too old."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fwai.cli import entry

ROOT = Path(__file__).parents[3]


def older_pythons() -> dict[str, str]:
    """Return those of this machine that run, by version; a shim of pyenv may start nothing."""
    found = {}
    for version in ("2.7", "3.6", "3.8", "3.10"):
        installed = (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")
        for path in filter(None, [*map(str, installed), shutil.which(f"python{version}")]):
            if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
                found[version] = path
                break
    return found


OLD = older_pythons()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone that has set nothing up, in which the command is typed."""
    (tmp_path / "requirements.txt").touch()
    monkeypatch.setattr(sys, "argv", ["run.py", "demo", "--json"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(error: ImportError, clone: Path) -> str:
    advice = entry.missing(error, clone)
    assert advice is not None
    return advice


MISSING = ModuleNotFoundError("No module named 'structlog'", name="structlog")


@pytest.mark.parametrize(
    "error",
    [
        MISSING,
        ModuleNotFoundError("No module named 'pydantic_core._x'", name="pydantic_core._x"),
        ImportError("libopus.so.0: cannot open shared object file", name="av"),
        ImportError("cannot import name 'Runner' from 'uvicorn'", name="uvicorn"),
        ImportError("IMPORTANT: PLEASE READ THIS\nmany lines of numpy's own advice"),
    ],
    ids=str,
)
def test_a_missing_or_broken_package_is_told_with_the_ways_to_get_it(
    clone: Path, error: ImportError
) -> None:
    advice = told(error, clone)

    assert advice.startswith("FWAI's packages are not complete for this Python")
    assert str(error).partition("\n")[0] in advice
    assert "  make run  " in advice
    assert "-m pip install -r requirements.txt" in advice
    assert advice.endswith(".venv/bin/python run.py demo --json")


def test_an_environment_that_is_there_is_what_to_use(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").touch()

    assert told(MISSING, clone).endswith("of its own:\n  .venv/bin/python run.py demo --json")


def test_what_to_type_is_true_in_another_folder_too(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "elsewhere").mkdir()
    monkeypatch.chdir(clone / "elsewhere")

    assert f"  cd {clone} && make run  " in told(MISSING, clone)


def test_the_environment_itself_that_lacks_something_is_mended(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").touch()
    monkeypatch.setattr(sys, "prefix", str(clone / ".venv"))

    assert "  make run  " in told(MISSING, clone)


def test_an_installed_package_is_installed_again(clone: Path) -> None:
    (clone / "requirements.txt").unlink()

    assert "Install FWAI again" in told(MISSING, clone)


def test_a_python_that_lacks_a_part_of_its_own_is_what_is_at_fault(clone: Path) -> None:
    error = ModuleNotFoundError("No module named '_sqlite3'", name="_sqlite3")

    assert told(error, clone).startswith("This Python was built without _sqlite3")


@pytest.mark.parametrize("name", ["fwai", "fwai.store", "fwai.no_such_module"])
def test_a_fault_of_ours_is_not_blamed_on_the_packages(name: str) -> None:
    assert entry.missing(ModuleNotFoundError(f"No module named {name!r}", name=name)) is None


def fails(error: BaseException) -> Callable[[], int]:
    def main() -> int:
        raise error

    return main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Run a command that ends with an exception."""
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def run(error: BaseException) -> int:
        monkeypatch.setattr("fwai.cli.main.main", fails(error))
        return entry.run()

    return run


@pytest.mark.parametrize(
    "error",
    [MISSING, ExceptionGroup("tasks", [ExceptionGroup("inner", [ValueError(), MISSING])])],
)
def test_a_command_that_lacks_a_package_says_so_and_fails(
    run: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    assert run(error) == 1
    assert "packages are not complete" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [ExceptionGroup("tasks", [ValueError()]), ImportError("ours", name="fwai.x")]
)
def test_any_other_fault_comes_out_as_it_is(
    run: Callable[[BaseException], int], error: Exception
) -> None:
    with pytest.raises(type(error)):
        run(error)


def test_an_interrupt_is_one_line(
    run: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "Stopped.\n"


# ---- as processes -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [["run.py", "demo"], ["-m", "fwai", "demo"]], ids=shlex.join)
def test_a_python_without_the_packages_gets_no_traceback(how: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-S", *how],  # without the folder of packages
        cwd=ROOT, env={"PYTHONPATH": "src"}, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "packages are not complete" in done.stderr
    assert "run.py demo" in done.stderr


@pytest.mark.skipif(not OLD, reason="no older Python on this machine")
@pytest.mark.parametrize("version", sorted(OLD))
@pytest.mark.parametrize(
    "how", [["run.py", "demo"], ["-m", "fwai"], ["scripts/environment.py", "x"]], ids=shlex.join
)
def test_a_python_that_is_too_old_is_told_so(version: str, how: list[str]) -> None:
    done = subprocess.run(
        [OLD[version], *how],
        cwd=ROOT, env={"PYTHONPATH": "src"}, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stdout == ""
    assert "3.11 or newer is needed" in done.stderr or "needs Python 3.11 or newer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("file", ["run.py", "scripts/environment.py", "src/fwai/__main__.py"])
def test_what_an_old_python_reads_first_is_in_old_syntax(file: str) -> None:
    """Where no older Python is at hand: nothing that came after 3.6, or that 2.7 does not know."""
    import ast

    text = (ROOT / file).read_text("utf-8")
    tree = ast.parse(text, feature_version=(3, 6))
    new = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef)

    assert not [node for node in ast.walk(tree) if isinstance(node, new)]
    assert not [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.returns or node.args.kwonlyargs)
    ]
    text.encode("ascii")
