"""The site of ten thousand runs: how long it takes to make, and how fast its pages are in Chromium.

The runs are planted through the real store by what the tests use: run it from the root of the
repository as ``PYTHONPATH=. python benchmarks/dashboard.py``, after tests/site/install.sh. A build
is a process of its own. Writes benchmarks/results/dashboard.json.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from tests.conftest import TINY
from tests.site.conftest import CHROMIUM
from tests.site.planted import plant

from rote.config.compose import Composer
from rote.core.provenance import provenance
from rote.gathering.api import Api
from rote.ledger.spec import Spec
from rote.site.server import Server

NUM_RUNS = 10_000
ROUNDS = 5
BUILD = "import sys, pathlib; from rote.site.site import build_site; build_site(pathlib.Path({!r}))"
# From the event of a key until the frame after it is painted.
TYPED = """([selector, text]) => new Promise((done) => {
    const field = document.querySelector(selector);
    const started = performance.now();
    field.value = text;
    field.dispatchEvent(new Event("input"));
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - started)));
})"""
FILTERS = (
    ("#search", "num_layers=2"),
    ("#search", "seed=77 fp32"),
    ("[data-filter='seed']", "1000..9000"),
    ("[data-filter='bits_per_parameter']", ">0.5"),
)


def main() -> None:
    """In a folder of its own, or in one that an earlier time left, given as the argument."""
    with tempfile.TemporaryDirectory() as scratch:
        outputs = Path(sys.argv[1] if sys.argv[1:] else scratch)
        if not (outputs / "sweeps").exists():
            base = Spec.from_config(Composer().config(list(TINY)))
            plant(outputs, base, name="many", num_runs=NUM_RUNS, question="How much do they hold?")
        load = {"load_of_the_machine": round(os.getloadavg()[0], 1)}
        result = {
            "runs": NUM_RUNS,
            **load,
            **built(outputs),
            **in_chromium(outputs),
            **served(outputs),
        }
    text = json.dumps({**result, "provenance": provenance()}, indent=1) + "\n"
    (Path(__file__).parent / "results" / "dashboard.json").write_text(text)
    sys.stdout.write(text)


def built(outputs: Path) -> dict[str, Any]:
    """The first time, and again when nothing has changed."""
    for path in sorted((outputs / "site").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    first, first_processor = build_seconds(outputs)
    again = [build_seconds(outputs) for _ in range(ROUNDS)]
    data = [path.stat().st_size for path in (outputs / "site" / "data").rglob("*.js")]
    return {
        "build_seconds": round(first, 2),
        "build_processor_seconds": round(first_processor, 2),
        "unchanged_build_seconds": spread([wall for wall, _ in again]),
        "unchanged_build_processor_seconds": spread([processor for _, processor in again]),
        "data_bytes": sum(data),
    }


def build_seconds(outputs: Path) -> tuple[float, float]:
    """Of a process, its start included: by the clock, and of the processor, which no load moves."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = timed(
        lambda: subprocess.run([sys.executable, "-c", BUILD.format(str(outputs))], check=True)
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def in_chromium(outputs: Path) -> dict[str, Any]:
    """Pages opened as files, a new browser context each time."""
    address = (outputs / "site").absolute().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        rounds = [one_look(browser.new_context().new_page(), address) for _ in range(ROUNDS)]
        browser.close()
    return {name: spread([row[name] for row in rounds]) for name in rounds[0]}


def one_look(page: Page, address: str) -> dict[str, float]:
    """Seconds from the address to what a person waits for."""
    row = {
        "index_seconds": timed(lambda: page.goto(f"{address}/index.html")),
        "table_usable_seconds": timed(
            lambda: (
                page.goto(f"{address}/sweeps/many.html", wait_until="commit"),
                page.wait_for_selector("#runs tbody tr"),
            )
        ),
        "scatter_drawn_seconds_later": timed(
            lambda: page.wait_for_selector("#scatter[data-drawn]")
        ),
    }
    page.wait_for_timeout(1000)
    for selector, text in FILTERS:
        row[f"filter_ms {text}"] = page.evaluate(TYPED, [selector, text])
        page.wait_for_timeout(1500)
        page.evaluate(TYPED, [selector, ""])
        page.wait_for_timeout(1500)
    row["scatter_drawn_anew_ms"] = page.evaluate(
        "(start = performance.now(), rote.scatter.draw(), performance.now() - start)"
    )
    run_id = page.get_attribute("#runs tbody a >> nth=0", "title")
    row["run_page_seconds"] = timed(
        lambda: (
            page.goto(f"{address}/run.html#{run_id}", wait_until="commit"),
            page.wait_for_selector("#curve-memorised_bits .js-line"),
        )
    )
    page.context.close()
    return row


def served(outputs: Path) -> dict[str, Any]:
    """What the server takes for a page's table, then for the questions about progress."""
    with Server(outputs, port=0, api=Api(outputs)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        home, _, token = server.address.partition("?token=")
        cookie = {"Cookie": f"rote-{server.server_address[1]}={token}"}

        def ask(path: str) -> float:
            asked = urllib.request.Request(home + path, headers=cookie)
            return timed(lambda: urllib.request.urlopen(asked).read())

        row: dict[str, Any] = {"served_table_first_seconds": round(ask("data/sweeps/many.js"), 3)}
        for name, path in (
            ("served_table_again_seconds", "data/sweeps/many.js"),
            ("served_progress_seconds", "live/sweeps/many.json"),
            ("served_index_seconds", "index.html"),
        ):
            rounds = []
            for _ in range(ROUNDS):
                time.sleep(1.1)  # or the answer is that of a second ago
                rounds.append(ask(path))
            row[name] = spread(rounds)
        server.shutdown()
    return row


def timed(act: Callable[[], object]) -> float:
    """In seconds."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    told = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, 3) for name, value in told.items()}


if __name__ == "__main__":
    main()
