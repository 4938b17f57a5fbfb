"""Writes .env.example from the settings; ``--print`` only shows it."""

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from fwai.config.env_file import env_file  # noqa: E402


def main() -> None:
    """Write the file, or print it."""
    if "--print" in sys.argv:
        sys.stdout.write(env_file())
    else:
        (ROOT / ".env.example").write_text(env_file(), encoding="utf-8")


if __name__ == "__main__":
    main()
