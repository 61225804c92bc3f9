"""`rote` and `python -m rote`."""

import sys

from rote.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
