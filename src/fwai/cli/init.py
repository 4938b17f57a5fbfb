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
  1. hear and watch a whole call, with no account; its agent is scripted:
       {demo}
  2. talk to your own agents: edit .env, where GOOGLE_API_KEY alone is enough (Google AI Studio):
       {serve}
     and open http://localhost:3000/console/talk
  3. edit prompts.json: what they say; the project's docs/PROMPTS.md explains every key
  4. answer a telephone: edit .env, CALL_PROVIDER with its keys and PUBLIC_URL; what is missing
     is named at the start:
       {serve}
"""


def init(args: argparse.Namespace) -> int:
    """Write prompts.json, .env and the folders; existing files are kept."""
    folder = Path(args.folder)
    try:
        for name in ("data", "transcripts"):
            there = (folder / name).is_dir()
            (folder / name).mkdir(parents=True, exist_ok=True)
            if not there:
                print(f"made   {folder / name}/")  # noqa: T201
        _write(folder / "prompts.json", DEFAULT_PROMPTS.read_text("utf-8"), 0o644)
        _write(folder / ".env", env_file(), _PRIVATE)
    except OSError as exc:
        print(f"{exc.filename or folder}: {exc.strerror}; choose another folder", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    steps = _NEXT.format(**_commands(folder))
    print(steps.rstrip() if args.folder == "." else f"\nThen: cd {folder}\n{steps.strip()}")  # noqa: T201
    return 0


def _commands(folder: Path) -> dict[str, str]:
    """Return what to type in ``folder``, as whoever typed this command can."""
    program = Path(sys.argv[0])
    if program.name != "run.py":
        return {"demo": "fwai demo", "serve": "fwai"}
    if folder.resolve() == program.resolve().parent:
        return {"demo": "make demo", "serve": "make run"}
    words = f"{sys.executable} {program.resolve()}"
    return {"demo": f"{words} demo", "serve": words}


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
