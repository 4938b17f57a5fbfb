"""``python -m fwai``: the command line."""

import sys

from fwai.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
