"""Python programs that tests start: the package is not installed, so they are told where it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """Return this process's environment with the package and the tests on the path."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"}


def run_tests(folder: Path, *options: str, **variables: str) -> str:
    """Run the tests in ``folder`` as this project's own are run; return what is printed."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    # A run whose coverage is measured must not measure the one it starts.
    inherited = {name: value for name, value in environment().items() if "COV" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, folder],
        cwd=folder,
        env=inherited | variables,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.stdout
