"""``python -m fwai``: the command line.

Its syntax is old on purpose: a Python that is too old must get as far as the words that say so.
"""

import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - that is what is asked here
        sys.exit(
            "FWAI needs Python 3.11 or newer; this is Python "
            + ".".join(str(number) for number in sys.version_info[:3])
            + " ("
            + sys.executable
            + ")."
        )
    from fwai.cli.entry import run

    sys.exit(run())
