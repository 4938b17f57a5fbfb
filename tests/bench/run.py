"""The door of the benchmark: ``python tests/bench/run.py --help``."""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_ROOT / "src"))
sys.path.insert(0, str(_ROOT / "tests"))

from bench.suite import main

if __name__ == "__main__":
    sys.exit(main())
