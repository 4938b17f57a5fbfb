"""Looks for secrets in the tree, for risky code, and for known faults of the packages we pin.

    .venv/bin/python scripts/audit.py

Exit code 1 when something was found. Advisories come from pip-audit, where it is installed and can
reach its source; where not, that is said, and the other two decide.
"""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MAX_BYTES: Final = 2_000_000
ALLOWED: Final = "not-a-secret"
"""A line that says so holds something that only looks like one."""
SECRETS: Final = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*\n?[A-Za-z0-9+/]{40}"),
    "a Google API key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    "an AWS access key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}\b"),
    "a Meta access token": re.compile(r"\bEAA[A-Za-z0-9]{60,}\b"),
    "a Plivo account": re.compile(r"\bMA[A-Z0-9]{18}\b"),
    "a JSON Web Token": re.compile(r"\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[\w-]{20,}"),
    "a password in a URL": re.compile(
        r"\b[a-z][a-z0-9+]{2,}://[^\s/:@'\"{}<]+:[^\s/:@'\"{}<$]{8,}@"
    ),
}
EXAMPLES: Final = re.compile(
    r"example|secret|password|change.?me|test|demo|dummy|(.)\1{5}|0123456789|\.\.\.|[*]{3}",
    re.IGNORECASE,
)


def main() -> int:
    """Run every part and return the exit code."""
    found = [f"{path}:{line}: {what}" for path, line, what in secrets(ROOT)]
    for one in found:
        print(one)  # noqa: T201
    print(f"secrets: {len(found)} found" if found else "secrets: none in the tracked files")  # noqa: T201
    risky = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "S", "."], cwd=ROOT, check=False
    )
    known = advisories()
    return 1 if found or risky.returncode or known else 0


def tracked_files(root: Path) -> Iterator[Path]:
    """Yield the files that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - whoever runs this has chosen their git
        cwd=root,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (root / name).is_file():
            yield root / name


def secrets(root: Path) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and kind of what looks like a secret and like no example."""
    for path in tracked_files(root):
        if path.stat().st_size > MAX_BYTES:
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        yield from ((str(path.relative_to(root)), *one) for one in secrets_in(text))


def secrets_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and kind of what looks like a secret in a text."""
    for what, pattern in SECRETS.items():
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            whole = text.splitlines()[line - 1]
            if ALLOWED not in whole and not EXAMPLES.search(match[0]):
                yield line, what


def advisories() -> bool:
    """Whether a pinned package has a known fault; what cannot be looked up is said."""
    if importlib.util.find_spec("pip_audit") is None:
        print("advisories: not looked up: pip-audit is not installed (pip install pip-audit)")  # noqa: T201
        return False
    asked = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "-r", "requirements.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if asked.returncode and "Found " not in asked.stderr + asked.stdout:
        print("advisories: not looked up: their source cannot be reached from here")  # noqa: T201
        return False
    print(asked.stdout + asked.stderr)  # noqa: T201
    return asked.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
