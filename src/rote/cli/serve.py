"""`rote serve`: all runs in the browser, live, for whoever started it alone; no torch."""

import argparse
import signal
import threading
from contextlib import nullcontext

from rote.cli.progress import Bar
from rote.cli.screen import screen
from rote.io.outputs import outputs_folder
from rote.site.server import Server, open_in_browser


def run(arguments: argparse.Namespace) -> int:
    """Answers until Ctrl-C; raises ValueError where the port is taken."""
    outputs = outputs_folder()
    if not outputs.is_dir():
        raise ValueError(f"there is no outputs folder {outputs}: rote sweep, or set ROTE_OUTPUTS")
    console = screen()
    with Server(outputs, port=arguments.port) as server:
        # Not through an exception, which could come in the middle of a line.
        signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=server.shutdown).start())
        with Bar() as show:  # of many runs it takes seconds; later ones start from it
            show("looking at all runs", 0, None)
            server.answers.look()
        console.print(f"{server.address}  ({outputs}; Ctrl-C ends it)", soft_wrap=True)
        with open_in_browser(server.address, outputs) if arguments.open else nullcontext():
            server.serve_forever(poll_interval=0.1)
    console.print("ended")
    return 0
