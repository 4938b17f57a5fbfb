"""The door of the benchmark: ``python tests/bench/run.py --help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.suite import main

if __name__ == "__main__":
    sys.exit(main())
