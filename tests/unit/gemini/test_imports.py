"""What the agent loads: google-genai would cost 14 MB and two thirds of a second (ADR 12)."""

import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[3] / "src"
LIST = (
    "import sys; sys.path.insert(0, sys.argv[1]); import fwai.gemini.agent; "
    "print([name for name in sys.modules if name.split('.')[0] == 'google'])"
)


def test_the_agent_is_loaded_without_google_genai() -> None:
    found = subprocess.run(
        [sys.executable, "-c", LIST, str(SRC)], capture_output=True, check=True, text=True
    )

    assert found.stdout.strip() == "[]"
