"""`rote` and `python -m rote`."""

import sys

# `python -m` puts the current folder first: a random.py there would be imported in the place of
# Python's own. Before it is left out, nothing else may be imported.
if (
    __name__ == "__main__"
    and not sys.flags.safe_path
    and __file__ != f"{sys.path[0]}/rote/__main__.py"  # else it holds our own sources
):
    del sys.path[0]

from rote.cli.main import main
from rote.core.process import isolate_children

isolate_children()

if __name__ == "__main__":
    sys.exit(main())
