"""The pages in headless Chromium, from files; skipped where there is none."""

import re
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from tests.site.conftest import NUM_RUNS, ROWS
from tests.site.planted import plant

from rote.analysis.figures import GREY, PALETTE
from rote.cluster.plan import load_plan
from rote.ledger.spec import Spec
from rote.ledger.store import Store, read_spec
from rote.site.html import asset
from rote.site.site import build_site

pytestmark = pytest.mark.slow

NO_SCROLL = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture
def many(open_page, site: Path):
    """The page of the planted sweep, opened as a file and filled in."""
    page = open_page(f"{site.as_uri().removesuffix('index.html')}sweeps/many.html")
    page.wait_for_selector("#scatter[data-drawn]")
    return page


def shown(page) -> str:
    return page.inner_text("#count")


def cells(page, key: str) -> list[str]:
    place = page.evaluate("k => rote.table.shown.findIndex((c) => c.key === k)", key)
    return page.locator(f"{ROWS} td:nth-child({place + 2})").all_inner_texts()


def test_from_the_index_to_a_run_by_the_keyboard(open_page, site: Path) -> None:
    page = open_page(site.as_uri())
    page.fill("#search", "ten thousand of nothing")
    assert page.locator("#sweeps > li:visible").count() == 0
    page.fill("#search", "capacity many 3.00")
    assert page.locator("#sweeps > li:visible").count() == 1
    page.focus("#sweeps > li:visible h2 a")
    page.keyboard.press("Enter")
    page.wait_for_selector(ROWS)
    page.focus(f"{ROWS} a >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector("#run h1")
    assert page.inner_text("#run-state").startswith("done, 30 of at most 30 steps")
    for curve, level in (("memorised_bits", "entropy"), ("loss_bits_per_token", "log2 V")):
        assert page.locator(f"#curve-{curve} .scatterlayer path.js-line").count() == 2
        assert level in page.text_content(f"#curve-{curve} .legend")


def test_filters_sort_and_search(many) -> None:
    assert shown(many) == f"{NUM_RUNS} of {NUM_RUNS} runs"
    assert many.locator(ROWS).count() == 100
    many.click("text=Later")
    assert many.locator(ROWS).count() == NUM_RUNS - 100
    many.select_option("[data-filter='precision.name']", label="fp32")
    many.fill("[data-filter='seed']", "10..39, 100")
    kept = [seed for seed in range(10, 40) if seed // 4 % 3 == 0]
    assert shown(many) == f"{len(kept)} of {NUM_RUNS} runs"
    many.click("th[data-key='seed'] button")
    many.click("th[data-key='seed'] button")
    assert [int(cell) for cell in cells(many, "seed")] == kept[::-1]
    assert many.get_attribute("th[data-key='seed']", "aria-sort") == "descending"
    many.fill("#search", "num_layers=2 width=64")
    assert {int(cell) % 4 for cell in cells(many, "seed")} == {3}
    many.wait_for_function(
        "document.getElementById('scatter').dataset.drawn === rote.table.order.length + ''"
    )
    many.fill("[data-filter='seed']", "more than a few")
    assert many.get_attribute("[data-filter='seed']", "aria-invalid") == "true"
    many.reload()
    many.wait_for_selector(ROWS)
    assert many.input_value("#search") == "num_layers=2 width=64"
    many.click("text=Show all")
    assert shown(many) == f"{NUM_RUNS} of {NUM_RUNS} runs"
    many.fill("#search", "damaged")
    assert cells(many, "state") == ["damaged"]


def test_columns_are_chosen(many) -> None:
    many.click("#picker summary")
    entropy = many.get_by_role("checkbox", name="entropy of the training data (bits)", exact=True)
    entropy.check()
    assert "entropy of the training data\nbits" in many.inner_text("th[data-key='entropy_bits']")
    entropy.uncheck()
    assert many.locator("th[data-key='entropy_bits']").count() == 0


def test_a_point_leads_to_its_run(many) -> None:
    assert many.locator("#scatter .point").count() == NUM_RUNS - 2
    many.select_option("#axis-x", "seed")
    many.uncheck("#log-x")
    many.select_option("#axis-colour", "optim.optimiser.lr")
    assert many.locator("#scatter .cbaxis, #scatter .cbfill").count() > 0
    many.fill("[data-filter='seed']", "17")
    many.wait_for_function("document.getElementById('scatter').dataset.drawn === '1'")
    run_id = many.get_attribute(f"{ROWS} a", "title")
    box = many.locator("#scatter .point").bounding_box()
    many.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    many.wait_for_selector("#scatter .hovertext")
    many.mouse.down()
    many.mouse.up()
    many.wait_for_selector("#run h1")
    assert many.url.endswith(f"run.html#{run_id}")


TOLD = "#scatter ~ [role=status]"


def test_points_are_reached_by_the_keyboard(many) -> None:
    many.select_option("#axis-x", "seed")
    many.select_option("#axis-y", "bits_per_parameter")
    many.select_option("#axis-colour", "precision.name")
    many.uncheck("#log-x")
    many.fill("[data-filter='seed']", "4..9")
    many.wait_for_function("document.getElementById('scatter').dataset.drawn === '6'")
    many.focus("#axis-colour")
    many.keyboard.press("Tab")
    assert many.evaluate("document.activeElement.id") == "scatter"
    hint = many.get_attribute("#scatter", "aria-describedby").split()[-1]
    assert "Enter opens the run" in many.inner_text(f"#{hint}")
    seeds = []
    for key in ("ArrowRight", "ArrowRight", "End", "ArrowRight", "ArrowLeft", "PageUp"):
        many.keyboard.press(key)
        many.wait_for_selector("#scatter .hovertext")
        seeds.append(int(re.search(r"seed: (\d+)", many.inner_text(TOLD))[1]))
    assert seeds == [4, 5, 9, 9, 8, 4]
    bits = cells(many, "bits_per_parameter")
    many.keyboard.press("ArrowUp")
    many.keyboard.press("Home")
    many.keyboard.press("ArrowRight")
    assert f"memorised (bits per parameter): {bits[1]}" in many.inner_text(TOLD)
    many.keyboard.press("Escape")
    assert many.evaluate("document.activeElement === document.body")
    assert many.locator("#scatter .hovertext").count() == 0
    many.focus("#scatter")
    many.keyboard.press("ArrowLeft")
    run_id = many.get_attribute(f"{ROWS}:nth-child(1) a", "title")
    assert many.inner_text(TOLD).startswith(many.inner_text(f"{ROWS}:nth-child(1) a"))
    many.keyboard.press("Enter")
    many.wait_for_selector("#run h1")
    assert many.url.endswith(f"run.html#{run_id}")
    many.focus("#curve-memorised_bits")
    many.keyboard.press("ArrowRight")
    told = many.inner_text("#curve-memorised_bits ~ [role=status]")
    assert told.startswith("step 10; memorised (bits): ")


def test_what_has_no_place_in_the_chart_is_listed_with_the_reason(many) -> None:
    many.select_option("#axis-x", "seed")
    many.check("#log-x")
    many.wait_for_function(f"document.getElementById('scatter').dataset.drawn === '{NUM_RUNS - 3}'")
    assert many.inner_text("#apart summary") == (
        "Not in the chart: 1 seed is not above 0, the axis is logarithmic; "
        "2 without memorised (bits)"
    )
    assert many.locator("#apart a").count() == 3


def test_seeds_of_a_setting_become_a_mean_with_its_least_and_greatest(
    open_page, base: Spec, tmp_path: Path
) -> None:
    plan = plant(tmp_path, base, name="seeds", num_runs=12, num_seeds=3)
    page = open_page(f"{build_site(tmp_path).index.parent.as_uri()}/sweeps/seeds.html")
    page.wait_for_selector("#scatter[data-drawn]")
    assert page.is_checked("#grouped")
    assert shown(page) == "4 settings, 12 of 12 runs"
    assert page.locator(f"{ROWS}").count() == 4
    records = [Store(tmp_path).run(run_id).record() for run_id in plan.run_ids[:3]]
    bits = [each.entropy_bits - each.measures["cost"]["train_code_bits"] for each in records]
    first = page.evaluate("rote.table.shown.findIndex((c) => c.key === 'memorised_bits')")
    assert page.inner_text(f"{ROWS}:nth-child(1) td:nth-child({first + 2})").split("\n") == [
        f"{np.mean(bits):,.0f}", f"{min(bits):,.0f} to {max(bits):,.0f}",
    ]  # fmt: skip
    page.wait_for_function("document.querySelectorAll('#scatter .errorbar').length >= 4")
    note = "Large marks: means of 3 seeds; whiskers reach from the least to the greatest."
    assert page.inner_text("#scatter-note").startswith(note)
    page.uncheck("#grouped")
    page.wait_for_function("document.querySelectorAll('#scatter .errorbar').length === 0")
    assert page.inner_text("#scatter-note").startswith("Shows the runs")


def test_a_failed_run_says_why(open_page, site: Path, outputs: Path) -> None:
    run_id = load_plan(outputs, "many").run_ids[-2]
    page = open_page(f"{site.parent.as_uri()}/run.html#{run_id}")
    page.wait_for_selector("#run h1")
    assert "Diverged: the loss is 17" in page.inner_text("#run-state")
    assert "Traceback <script>" in page.inner_text("#run")


def test_the_spec_that_is_downloaded_is_this_run(open_page, site, outputs, tmp_path: Path) -> None:
    run_id = load_plan(outputs, "many").run_ids[5]
    page = open_page(f"{site.parent.as_uri()}/run.html#{run_id}")
    with page.expect_download() as downloading:
        page.click("#spec")
    path = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(path)
    assert path.name == "spec.yaml"
    assert read_spec(path).run_id == run_id
    assert read_spec(path).how == Store(outputs).run(run_id).spec().how
    assert "rote train --spec spec.yaml" in page.inner_text("#run")
    assert OmegaConf.load(path).what.optim.optimiser.lr == 0.006


def test_names_do_not_run(open_page, site: Path) -> None:
    (path,) = (path for path in site.parent.glob("sweeps/*.html") if path.stem != "many")
    page = open_page(path.as_uri())
    page.wait_for_selector("#scatter[data-drawn]")
    page.click("text=Settings that all runs share")
    assert "<script>document.title" in page.inner_text("#shared")
    assert page.locator("img, main script").count() == 0
    page.click(f"{ROWS} a >> nth=0")
    page.wait_for_selector("#run h1")
    assert page.locator("img, main script").count() == 0
    assert page.title().startswith("Run ")


@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_scrolls_sideways(open_page, site: Path, outputs: Path, width: int) -> None:
    page = open_page(site.as_uri(), width=width)
    assert page.evaluate(NO_SCROLL)
    page.goto(f"{site.parent.as_uri()}/sweeps/many.html")
    page.wait_for_selector("#scatter[data-drawn]")
    page.click("#picker summary")
    page.click("text=Settings that all runs share")
    assert page.evaluate(NO_SCROLL)
    page.goto(f"{site.parent.as_uri()}/run.html#{load_plan(outputs, 'many').run_ids[-2]}")
    page.wait_for_selector("#run h1")
    assert page.evaluate(NO_SCROLL)


INK = "getComputedStyle(document.querySelector('#scatter .xtick text')).fill"
GROUND = "getComputedStyle(document.body).backgroundColor"


def test_dark_light_and_paper_without_drawing_anew(open_page, site: Path) -> None:
    page = open_page(f"{site.parent.as_uri()}/sweeps/many.html", scheme="dark")
    page.wait_for_selector("#scatter .xtick text")
    dark = page.evaluate(f"[{INK}, {GROUND}]")
    assert dark == ["rgb(233, 234, 236)", "rgb(21, 23, 26)"]
    page.emulate_media(color_scheme="light")
    assert page.evaluate(f"[{INK}, {GROUND}]") == ["rgb(28, 29, 31)", "rgb(252, 252, 251)"]
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(f"[{INK}, {GROUND}]") == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert not page.is_visible("#tools")
    assert page.is_visible(f"{ROWS} >> nth=99")


def test_a_chart_is_as_wide_as_the_paper_while_it_prints(many) -> None:
    width = "document.querySelector('#scatter .main-svg').getBoundingClientRect().width"
    before = many.evaluate(width)
    many.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert many.evaluate(width) == 680 < before
    many.evaluate("dispatchEvent(new Event('afterprint'))")
    assert many.evaluate(width) == before


def test_the_palette_is_that_of_the_figures() -> None:
    (listed,) = re.findall(r"rote.PALETTE = \[(.*)\];", asset("charts.js").decode())
    assert re.findall(r"#\w{6}", listed) == [*PALETTE[:-1], GREY]


def test_every_field_has_a_name_and_every_heading_its_place(many) -> None:
    many.click("#picker summary")
    nameless = """[...document.querySelectorAll("input, select, button, progress")].filter(
        (e) => !e.closest(".modebar") && !e.labels?.length && !e.ariaLabel && !e.textContent.trim())
        .map((e) => e.outerHTML)"""
    assert many.evaluate(nameless) == []
    levels = "[...document.querySelectorAll('h1, h2')].map((e) => e.tagName)"
    assert many.evaluate(levels).count("H1") == 1
