"""Memory that is planted in looks comes out of the report; damaged and missing looks are named.

Shapes: T looks, K canaries, N training windows, C held-out windows.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rote.analysis.reports.memory import report
from rote.analysis.reports.memory.study import CONTROLS, EVERY_EPOCH, INSERTED, study
from rote.analysis.results import Results
from tests.analysis import shown
from tests.analysis.planted_leakage import results_of, save, shared

STEPS_T = np.array([0, 50, 100, 120, 150, 200, 250, 300, 400, 600])
WINDOW = (101, 200)
REPEATS, NUM_EACH = (1, 4), 6
SECRET_BITS = 60.0  # more than is memorised: what is left of a code is then linear in it
NUM_WINDOWS, NUM_HELDOUT = 60, 40
HALF_LIFE = 120.0  # steps
LEARNT_AT = 150  # the step from which a window of the training set is known


def planted(
    folder: Path, *, seeds: Sequence[int] = (0, 1, 2),
    every_steps: Sequence[int | None] = (None, 20),
    bits: float = 12.0, rate: float = np.log(2) / HALF_LIFE, num_controls: int = 20,
) -> Results:  # fmt: skip
    rows = [
        _run(folder, f"{place:x}{seed:015x}", seed, spacing, bits, rate, num_controls)
        for place, spacing in enumerate(every_steps)
        for seed in seeds
    ]
    return results_of(folder, rows)


def _run(
    folder: Path, run_id: str, seed: int, spacing: int | None, bits: float, rate: float,
    num_controls: int,
) -> dict[str, Any]:  # fmt: skip
    random = np.random.default_rng([seed, spacing or 0])
    repeats_K = np.repeat([*REPEATS, 0], [NUM_EACH] * len(REPEATS) + [num_controls])
    shown = [_shown(random, int(times), spacing) for times in repeats_K]
    general_T1 = -np.linspace(0, 30, len(STEPS_T))[:, None]
    codes_TK = 80 + general_T1 + random.normal(0, 4, len(repeats_K))
    codes_TK = codes_TK + random.normal(0, 0.5, codes_TK.shape)
    for place, steps in enumerate(shown):
        for step in steps:
            ages_T = STEPS_T - step
            codes_TK[:, place] -= np.where(ages_T >= 0, bits * np.exp(-rate * ages_T), 0)
    showings = sorted((step, place) for place, steps in enumerate(shown) for step in steps)
    steps_S, items_S = np.array(showings, np.int64).T
    save(
        folder,
        run_id,
        {
            "insertion.shown_steps": steps_S,
            "insertion.shown_items": items_S,
            "insertion.shown_sequences": NUM_WINDOWS + np.arange(len(steps_S)),
        },
    )
    folder = folder / run_id
    np.savez(
        folder / "looks.npz",
        **{
            "steps": STEPS_T,
            "exposure.code_bits": codes_TK.astype(np.float32),
            "exposure.kind": np.zeros(codes_TK.shape, np.uint8),
            "exposure.repeats": np.tile(repeats_K, (len(STEPS_T), 1)),
            "exposure.secret_bits": np.full(codes_TK.shape, SECRET_BITS),
            "exposure.num_references": np.ones(codes_TK.shape, np.int64),
            "exposure.reference_code_bits": np.tile(80 + general_T1, codes_TK.shape[1]),
            **_windows(random, general_T1),
        },
    )
    (folder / "record.json").write_text("{}")
    return {
        "run_id": run_id,
        "task._target_": "rote.tasks.canaries.task.Canaries",
        "task.base.num_sequences": NUM_WINDOWS,
        "control.insertion._target_": "rote.training.controls.insertion.Insertion",
        "control.insertion.every_steps": spacing,
        "control.insertion.from_step": WINDOW[0],
        "control.insertion.to_step": WINDOW[1],
        "control.insertion.num_inserted": None,
        **shared(8, 1000, seed),
        "training.steps": 600,
    }


def _shown(random: np.random.Generator, times: int, spacing: int | None) -> np.ndarray:
    window = np.arange(WINDOW[0], WINDOW[1] + 1)
    if spacing is None:
        return random.choice(window, times, replace=False)
    return random.choice(window) + spacing * np.arange(times)


def _windows(random: np.random.Generator, general_T1: np.ndarray) -> dict[str, np.ndarray]:
    """Windows are learnt at one step, by bits that differ; held-out ones fall in general alone."""
    shape = len(STEPS_T), NUM_WINDOWS + sum(REPEATS) * NUM_EACH
    known_N = random.uniform(20, 40, shape[1])
    train_TN = 100 + general_T1 + random.normal(0, 10, shape[1]) + random.normal(0, 0.5, shape)
    train_TN = train_TN - known_N * (STEPS_T >= LEARNT_AT)[:, None]
    heldout_TC = 100 + general_T1 + random.normal(0, 10, NUM_HELDOUT)
    heldout_TC = heldout_TC + random.normal(0, 0.5, heldout_TC.shape)
    return {"cost.train_code_bits": train_TN, "cost.heldout_code_bits": heldout_TC}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return planted(tmp_path_factory.mktemp("runs"))


def test_the_planted_half_life_is_found_for_every_window_and_number_of_showings(
    results: Results,
) -> None:
    found = study(results)
    assert [(row["schedule"], row["repeats"]) for row in found.remembered] == [
        ("at random steps, 101 to 200", 1),
        ("at random steps, 101 to 200", 4),
        ("every 20 steps, first in 101 to 200", 1),
        ("every 20 steps, first in 101 to 200", 4),
    ]
    for row in found.remembered:
        half_life = row["forgetting"].half_life_steps
        assert row["forgetting"].form == "exponential"
        assert half_life is not None
        assert half_life.value == pytest.approx(HALF_LIFE, rel=0.25)
        assert len(row["runs"]) == 3
    once, often = (row["forgetting"].acquired_bits.value for row in found.remembered[:2])
    assert 7 < once < 12 < often


def test_learning_and_prediction_are_as_planted(results: Results) -> None:
    found = study(results)
    by_name = {row["name"]: row for row in found.learnt}
    assert by_name["shown 4 times"]["ever"].value == 1.0
    assert by_name["shown once"]["at_end"].value < 1.0
    assert by_name["shown once"]["forgetting_events"] > 0
    windows = by_name[EVERY_EPOCH]
    assert windows["steps_to_learn"] == LEARNT_AT - 1
    shares = {point["step"]: point["share"] for point in windows["share"]}
    assert shares[120].value < 0.05
    assert shares[150].value == 1.0
    rhos = {(row["name"], row["step"]): row["rho"] for row in found.late}
    assert rhos[EVERY_EPOCH, 300].ends[0] > 0.8
    assert not rhos[EVERY_EPOCH, 100].excludes(0.0)
    assert rhos["held out", 300].ends[1] < 0.8
    assert {name for name, _ in rhos} == {*CONTROLS, *CONTROLS.values()}
    assert not {(EVERY_EPOCH, 600), (INSERTED, 100)} & set(rhos)


def test_the_page_states_intervals_seeds_and_convergence(results: Results, tmp_path: Path) -> None:
    content = report.make(results)
    assert list(shown.plots(content)) == ["forgetting", "learnt", "early_and_late"]
    headlines = "\n".join(content.headlines)
    assert "in 4 of 4 groups" in headlines
    assert "6 of 6 runs converged" in headlines
    assert "spaced" not in headlines  # one of the windows has no spacing to compare
    assert "3 seeds" in content.setting
    numbers = content.numbers["forgetting, 1x8, at random steps, 101 to 200, shown 4 times"]
    assert numbers["runs"] == [f"0{seed:015x}" for seed in range(3)]
    low, high = numbers["interval_half_life_steps"]
    assert low < HALF_LIFE < high
    _, page, manifest = shown.written("memory", results, tmp_path)
    assert "forgetting" in page
    assert set(manifest["looks_sha256"]) == set(results.table["run_id"])


def test_nothing_is_claimed_where_nothing_is_remembered_or_forgotten(tmp_path: Path) -> None:
    guessing = report.make(planted(tmp_path / "guessing", bits=0.0, every_steps=[None]))
    assert "In no group are the bits forgotten beyond doubt" in guessing.headlines[0]
    assert any("nothing is memorised beyond doubt" in line for line in guessing.headlines)
    assert "in 2 of 2 groups no more than chance allows" in guessing.headlines[1]
    lasting = report.make(planted(tmp_path / "lasting", rate=0.0, every_steps=[None]))
    assert all(each["half_life_steps"] is None for each in lasting.numbers.values())
    assert any("not forgotten beyond doubt within the looks" in line for line in lasting.headlines)


def test_spacings_are_compared_at_equal_age(tmp_path: Path) -> None:
    """Of showings 20 steps apart more is forgotten before the last one than of those 4 apart."""
    results = planted(tmp_path, every_steps=[4, 20], seeds=range(5))
    (row,) = study(results).spaced
    close, wide = (
        (0.5 ** (every * np.arange(4) / HALF_LIFE)).sum() for every in (row["close"], row["wide"])
    )
    assert (row["close"], row["wide"], row["repeats"]) == (4, 20, 4)
    assert row["wide_bits"].value / row["close_bits"].value == pytest.approx(wide / close, rel=0.1)
    assert row["apart"].sign == -1
    assert "less in 1." in report.make(results).headlines[3]


def test_one_seed_has_intervals_over_its_sequences(tmp_path: Path) -> None:
    found = study(planted(tmp_path, seeds=[0], every_steps=[20]))
    half_life = found.remembered[1]["forgetting"].half_life_steps
    assert half_life is not None
    assert half_life.n == NUM_EACH
    assert half_life.ends[0] < HALF_LIFE < half_life.ends[1]


def test_runs_without_looks_or_with_damaged_ones_are_named_and_left_out(tmp_path: Path) -> None:
    results = planted(tmp_path, every_steps=[None])
    whole, damaged, blind = results.table["run_id"]
    (tmp_path / damaged / "looks.npz").write_bytes(b"PK torn")
    (tmp_path / blind / "looks.npz").unlink()
    content = report.make(results)
    assert content.table["run_id"].to_list() == [whole]
    assert f"run {damaged}: " in shown.texts(content)
    assert f"run {blind} was not looked at" in shown.texts(content)


def test_few_canaries_that_are_never_inserted_leave_learnt_undecided(tmp_path: Path) -> None:
    results = planted(tmp_path, every_steps=[None], seeds=[0], num_controls=18)
    content = report.make(results)
    assert "fewer than 19 of its sequences are never shown" in shown.texts(content)
    assert {row["name"] for row in study(results).learnt} == {EVERY_EPOCH}
    assert content.numbers  # what is forgotten is known nevertheless


def test_looks_that_lack_a_measure_or_an_early_look_say_so(tmp_path: Path) -> None:
    results = planted(tmp_path, every_steps=[None], seeds=[0, 1])
    no_exposure, late = results.table["run_id"]
    paths = [tmp_path / run_id / "looks.npz" for run_id in (no_exposure, late)]
    whole, looks = (dict(np.load(path)) for path in paths)
    few = {"cost.heldout_code_bits": whole["cost.heldout_code_bits"][:, :18]}
    kept = {name: each for name, each in whole.items() if "exposure" not in name}
    np.savez(paths[0], **kept | few)
    np.savez(paths[1], **{name: each[4:] for name, each in looks.items()})
    content = report.make(replace(results, table=results.table.filter(run_id=no_exposure)))
    found = shown.texts(content)
    assert "learnt is undecided; its looks lack exposure.code_bits: add its measure to" in found
    with pytest.raises(ValueError, match=r"no run was looked at .* no look before a sequence"):
        report.make(replace(results, table=results.table.filter(run_id=late)))


def test_a_run_that_was_not_looked_at_since_has_no_mean_of_what_it_retains(tmp_path: Path) -> None:
    results = planted(tmp_path, every_steps=[None], seeds=[0])
    path = tmp_path / results.table["run_id"][0] / "looks.npz"
    np.savez(path, **{name: each[:3] for name, each in np.load(path).items()})
    assert study(results).runs.select("acquired_bits", "retained_share").row(0) == (None, None)


def test_without_insertion_the_page_says_how_to_insert(tmp_path: Path) -> None:
    results = planted(tmp_path, every_steps=[None], seeds=[0])
    table = results.table.select(pl.exclude(r"^control\..*$"))
    content = report.make(replace(results, table=table))
    assert "control=[insertion]" in shown.texts(content)
    assert content.numbers == {}
    assert ", more than those of sequences held out" in content.headlines[1]
    with pytest.raises(ValueError, match="no finished run"):
        report.make(replace(results, table=table.clear()))
