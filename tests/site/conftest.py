"""A planted outputs folder, its site, and a browser in which only our pages are opened."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.site.planted import plant

from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.site.site import build_site

CHROMIUM = (
    shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
)
SCRIPT = "<script>document.title='run by a name'</script><img src=x onerror=alert(1)>"
NUM_RUNS = 130
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
ROWS = "#runs tbody tr"


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory, base: Spec) -> Path:
    """Two sweeps of done runs, one with a hostile name; one failure, one damaged record."""
    folder = tmp_path_factory.mktemp("site") / "outputs"
    many = plant(folder, base, name="many", num_runs=NUM_RUNS)
    plant(
        folder, base, name=f"a {SCRIPT.replace('/', '')}", num_runs=6, question=SCRIPT, note=SCRIPT
    )
    store = Store(folder)
    failed, damaged = (store.run(run_id) for run_id in many.run_ids[-2:])
    failed.record_path.unlink()
    failed.fail("Diverged: the loss is 17", f"Traceback {SCRIPT}", {})
    damaged.record_path.write_text(
        damaged.record_path.read_text().replace("entropy_bits", "entropy")
    )
    report = folder / "reports" / "many"
    report.mkdir(parents=True)
    (report / "report.html").write_text(
        f"<!doctype html><title>the report</title><main><code>{many.run_ids[0]}</code>"
        '<a href="main.png" download>PNG</a>'
    )
    (report / "manifest.json").write_text(
        '{"headlines": ["fp32: 3.00 bits per parameter", "two", "three"],'
        ' "figures": {"main": [], "another": []}}'
    )
    (report / "main.png").write_bytes(PNG)
    compared = folder / "comparisons" / "many-other"
    compared.mkdir(parents=True)
    (compared / "report.html").write_text("<!doctype html><title>the comparison</title>")
    (compared / "manifest.json").write_text(
        '{"headlines": ["fp32 against tf32: equal"], "sweeps": ["many", "other"]}'
    )
    for kind, page, numbers in (
        ("fits", "fit", '{"size": {"formula": "L = E + A / N^alpha"}}'),
        ("plans", "plan", '{"answer": ["For 1e+21 FLOPs: 2.78B parameters"]}'),
        ("audits", "audit", '{"headlines": ["membership: leaks"]}'),
        ("reports", "report", '{"headlines": ["of another kind"]}'),
    ):
        other = folder / kind / "many-text"
        other.mkdir(parents=True)
        (other / f"{page}.html").write_text(f"<!doctype html><main>one of {kind}</main>")
        name = "manifest" if page == "report" else page
        (other / f"{name}.json").write_text(numbers)
    return folder


@pytest.fixture(scope="session")
def site(outputs: Path) -> Path:
    """Its index.html."""
    return build_site(outputs).index


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Headless Chromium; skips where there is none (tests/browser/install.sh)."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: make browser")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Opens an address; at the end, what the console said or what was asked of elsewhere fails."""
    contexts, wrong = [], []

    def hear(page) -> None:
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message) or dialog.dismiss())
        page.on("request", lambda asked: wrong.extend(_elsewhere(asked.url)))

    def opened(address: str, *, width: int = 1280, scheme: str = "light"):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        hear(page)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def _elsewhere(url: str) -> list[str]:
    ours = ("file:", "http://127.0.0.1:", "data:", "blob:")
    return [] if url.startswith(ours) else [f"asked of elsewhere: {url}"]
