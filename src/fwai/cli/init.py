"""Command ``init``: creates prompts.json, .env and folders of a new installation."""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from fwai.config.env_file import env_file
from fwai.prompts.default import DEFAULT_PROMPTS

EXIT_FAILED: Final = 1
_PRIVATE: Final = 0o600  # it will hold keys
_NEXT: Final = """
Next:
  1. fwai demo              a whole call on this machine, with no account
  2. edit .env              your keys, and which provider carries calls
  3. edit prompts.json      what your agent says; docs/PROMPTS.md explains every key
  4. fwai                   answers calls; what is missing in .env is named at start
"""


def init(args: argparse.Namespace) -> int:
    """Write prompts.json, .env and the folders; existing files are kept."""
    folder = Path(args.folder)
    try:
        for name in ("data", "transcripts"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        _write(folder / "prompts.json", DEFAULT_PROMPTS.read_text("utf-8"), 0o644)
        _write(folder / ".env", env_file(), _PRIVATE)
    except OSError as exc:
        print(f"{exc.filename or folder}: {exc.strerror}; choose another folder", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    print(_NEXT.rstrip() if args.folder == "." else f"\nThen: cd {folder}\n{_NEXT.strip()}")  # noqa: T201
    return 0


def _write(path: Path, text: str, mode: int) -> None:
    """Write a new file with ``mode``; an existing one is kept."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        print(f"kept   {path} (it was there)")  # noqa: T201
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"wrote  {path}")  # noqa: T201
