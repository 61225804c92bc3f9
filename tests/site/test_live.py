"""`rote serve` in headless Chromium, while runs go on; skipped where there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.site.conftest import ROWS
from tests.site.planted import plant, record_of, serving

from rote.cluster.plan import load_plan
from rote.ledger.spec import Spec
from rote.ledger.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def moving(tmp_path: Path, base: Spec) -> Path:
    """A sweep of which two runs are not done."""
    folder = tmp_path / "outputs"
    plan = plant(folder, base, name="moving", num_runs=4)
    for run_id in plan.run_ids[2:]:
        run = Store(folder).run(run_id)
        run.record_path.unlink()
        run.curve_path.unlink()
    return folder


@pytest.fixture
def address(moving: Path) -> Iterator[str]:
    """Of a server over it."""
    with serving(moving) as server:
        yield server.address


@pytest.fixture
def admitted(open_page, address: str):
    """Opens a page of the server, in a browser that has opened the printed address before."""

    def opened(path: str):
        page = open_page(address)
        page.wait_for_selector("#sweeps")
        home = address.partition("?")[0]
        assert page.url == home
        page.goto(f"{home}{path}")
        return page

    return opened


def test_progress_is_seen_as_it_happens(admitted, moving: Path) -> None:
    store = Store(moving)
    run = store.run(load_plan(moving, "moving").run_ids[2])
    index = admitted("")
    index.wait_for_selector("#live:has-text('live')")
    assert "2 done, 0 running, 0 failed, 2 left" in index.inner_text("#sweeps")
    page = admitted("sweeps/moving.html")
    page.wait_for_selector(ROWS)
    assert not page.is_visible("#moving")
    with run.claim():
        run.append({"step": 10, "memorised_bits": 70.0, "loss_nats_per_token": 2.0})
        page.wait_for_selector("#moving progress")
        assert "70 bits" in page.inner_text("#moving")
        alone = admitted(f"run.html#{run.run_id}")
        alone.wait_for_selector("#run-state:has-text('running, 10 of at most 30 steps')")
        alone.focus("#curve-memorised_bits")
        run.append({"step": 20, "memorised_bits": 90.0, "loss_nats_per_token": 1.0})
        page.wait_for_selector("#moving:has-text('90 bits')")
        alone.wait_for_selector("#run-state:has-text('running, 20 of at most 30 steps')")
        assert alone.evaluate("document.querySelector('#curve-memorised_bits').data[0].y") == [
            70,
            90,
        ]
        assert alone.evaluate("document.activeElement.id") == "curve-memorised_bits"
        index.wait_for_selector("#sweeps:has-text('2 done, 1 running')")
        page.wait_for_selector(f"{ROWS}:nth-child(3) .state.running")
    page.wait_for_selector(f"{ROWS}:nth-child(3) .state.waiting")
    spec = run.spec()
    run.finish(
        record_of(spec, 2), {}, store.run(load_plan(moving, "moving").run_ids[0]).circumstances()
    )
    page.wait_for_selector(f"{ROWS}:nth-child(3) .state.done")
    page.wait_for_selector("#moving", state="hidden")
    alone.wait_for_selector("#run:has-text('Sums and counts')")
