"""A short door: ``python run.py [serve|demo|simulator]``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from fwai.__main__ import main

sys.exit(main())
