"""Runs a clone without installing it: ``python run.py [command]``, as ``fwai [command]``.

Its syntax is old on purpose: a Python that is too old must get as far as the words that say so.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - a Python without pathlib

if sys.version_info < (3, 11):  # noqa: UP036 - that is what is asked here
    sys.exit(
        "FWAI needs Python 3.11 or newer; this is Python "
        + ".".join(str(number) for number in sys.version_info[:3])
        + " ("
        + sys.executable
        + ").\nWith a newer one on this machine:\n"
        "  make run PYTHON=python3.11      sets it up in .venv, and runs the server\n"
        "  .venv/bin/python run.py ...     from then on"
    )
sys.path.insert(0, os.path.join(HERE, "src"))  # noqa: PTH118

from fwai.cli.entry import run  # noqa: E402 - not before Python is known to be new enough

if __name__ == "__main__":  # not in the processes that a command starts
    sys.exit(run())
