"""The flows' tools live outside the package: they are found from the root of the project."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
