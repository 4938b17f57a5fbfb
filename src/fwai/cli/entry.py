"""Start of every command: says what to do when packages are missing, and ends at Ctrl-C.

It imports the standard library alone until it knows what to say of the rest.
"""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fwai.cli.interrupt import leave, stopped

EXIT_FAILED: Final = 1
_PACKAGE: Final = "fwai"
_ROOT: Final = Path(__file__).resolve().parents[3]  # of a clone


def run() -> int:
    """Run the command of the command line and return the process's exit code."""
    # Loading takes a second, in which nothing is open yet: Ctrl-C need not unwind anything.
    signal.signal(signal.SIGINT, leave)
    try:
        from fwai.cli.main import main

        return main()
    except KeyboardInterrupt:
        return stopped()
    except (ImportError, ExceptionGroup) as exc:
        advice = next((text for one in _import_errors(exc) if (text := missing(one))), None)
        if advice is None:
            raise
        sys.stderr.write(f"{advice}\n")
        return EXIT_FAILED


def missing(error: ImportError, root: Path = _ROOT) -> str | None:
    """Return what to do about a package that is missing or broken; None: the fault is our own.

    Args:
        error: What Python says.
        root: The clone's folder, if it is one.
    """
    package = (error.name or "").partition(".")[0]
    if package == _PACKAGE:
        return None
    what = str(error).strip().partition("\n")[0]
    if package in sys.stdlib_module_names:
        return (
            f"This Python was built without {package} ({sys.executable}): {what}.\n"
            "Use another Python 3.11 or newer: make run PYTHON=/path/to/python3.11"
        )
    told = f"FWAI's packages are not complete for this Python ({sys.executable}): {what}."
    return "\n".join([told, *_advice(root)])


def _advice(root: Path) -> Iterator[str]:
    """Yield the lines that say how to get the packages."""
    words = " ".join(["run.py", *sys.argv[1:]])
    if not (root / "requirements.txt").is_file():
        yield "Install FWAI again, which brings them: python -m pip install --force-reinstall ..."
        return
    python = root / ".venv" / "bin" / "python"
    there = "" if Path.cwd() == root else f"cd {root} && "
    if python.exists() and Path(sys.prefix).resolve() != (root / ".venv").resolve():
        yield "They are in .venv, which has a Python of its own:"
        yield f"  {there}.venv/bin/python {words}"
        return
    yield "Either of these gets them, in .venv:"
    yield f"  {there}make run        (or make demo: each sets up what is missing)"
    yield (f"  {there}python3 -m venv .venv && .venv/bin/python -m pip install -r requirements.txt")
    yield f"and then: {there}.venv/bin/python {words}"


def _import_errors(exc: BaseException) -> Iterator[ImportError]:
    """Yield the import errors of an exception, those inside of groups, too."""
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            yield from _import_errors(inner)
    elif isinstance(exc, ImportError):
        yield exc
