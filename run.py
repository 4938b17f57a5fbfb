"""Runs a clone without installing it: ``python run.py [command]``, as ``fwai [command]``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from fwai.cli.main import main

sys.exit(main())
