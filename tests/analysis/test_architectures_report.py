"""Planted architectures come back; what seeds, chance, runs or data leave open is not claimed."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rote.analysis.quantities.architectures import (
    Point,
    Verdict,
    architecture_points,
    difference_to_reference,
    reference_of,
    verdict,
)
from rote.analysis.quantities.formats import format_points
from rote.analysis.reports.architectures import make
from tests.analysis import shown
from tests.analysis.planted_matches import results_of

ENTROPY_BITS = 6000.0
TARGETS = {
    "gpt": "rote.models.gpt.GPT",
    "llama": "rote.models.llama.Llama",
    "looped": "rote.models.looped.Looped",
    "moe": "rote.models.moe.Moe",
    "mlp_only": "rote.models.ablated.MlpOnly",
    "lora": "rote.models.lora.lora",
}
PER_PARAMETER = {"gpt": 3.0, "looped": 3.3, "moe": 2.5, "mlp_only": 2.0, "lora": 1.0}
PARAMETERS = {"gpt": 1000, "looped": 1000, "moe": 1010, "mlp_only": 980, "lora": 1020}
UNUSUAL: dict[str, dict[str, float]] = {
    "looped": {"forward_flops_per_token": 6000.0},
    "moe": {"active_parameters": 800, "forward_flops_per_token": 1600.0},
    "lora": {"total_parameters": 5000, "forward_flops_per_token": 10_000.0},
}
SCATTER = {0: -1.0, 1: 0.0, 2: 1.0}  # of seeds, for all architectures alike


def run(name: str, seed: int, *, times: int = 1, **changes: Any) -> dict[str, Any]:
    """``times``: as large; seeds move all architectures together, by 1 % of a gpt's bits."""
    parameters = times * PARAMETERS.get(name, 1000)
    bits = times * 30 * SCATTER[seed] + parameters * PER_PARAMETER.get(name, 3.0)
    place = list(TARGETS).index(name) if name in TARGETS else 0
    bits += 0.2 * (place + 1) * (seed == place % 3)  # so that differences scatter as well
    return {
        "run_id": f"{name}-{times}-{seed}-{changes.get('task.num_sequences', 40)}",
        "task._target_": "rote.tasks.uniform.Uniform", "task.num_sequences": 40,
        "task.length": 16, "task.vocab_size": 256, "size.num_layers": 1, "size.width": 8,
        "size.num_heads": 2, "model._target_": TARGETS.get(name, name), "precision.name": "fp32",
        "optim.optimiser.lr": 0.1, "seed": seed, "parameters": parameters,
        "entropy_bits": times * ENTROPY_BITS, "training.converged": True,
        "cost.train_code_bits": times * ENTROPY_BITS - bits,
        "cost.train_least_code_bits": times * 100.0,
        "cost.train_tokens": 640, "cost.heldout_code_bits": 900.0, "cost.heldout_tokens": 100,
        **{
            f"training.{key}": UNUSUAL.get(name, {}).get(key)
            for key in ("active_parameters", "total_parameters", "forward_flops_per_token")
        },
    } | changes  # fmt: skip


def runs(*, seeds: tuple[int, ...] = (0, 1, 2), **changes: Any) -> list[dict[str, Any]]:
    return [run(name, seed, **changes) for name in PER_PARAMETER for seed in seeds]


def changed(rows: list[dict[str, Any]], name: str, **changes: Any) -> list[dict[str, Any]]:
    return [row | changes if row["model._target_"] == TARGETS[name] else row for row in rows]


def points(rows: list[dict[str, Any]]) -> dict[str, Point]:
    _, found = architecture_points(pl.DataFrame(rows, infer_schema_length=None))
    return {each.name: each for each in found}


def verdict_of(rows: list[dict[str, Any]], name: str) -> Verdict:
    found = points(rows)
    gap = difference_to_reference(found[name], list(found.values()))
    assert gap is not None
    return verdict(gap, found[name], found["gpt"])


def lines(folder: Path, rows: list[dict[str, Any]]) -> list[str]:
    return list(make(results_of(folder, rows)).headlines)


def test_each_architecture_is_a_point_of_what_it_memorises() -> None:
    """Per parameter, active parameter and FLOP, which are those recorded or the usual ones."""
    found = points(runs())
    assert list(found) == sorted(PER_PARAMETER, key=lambda name: -PER_PARAMETER[name])
    for name, planted in PER_PARAMETER.items():
        assert found[name].per_parameter.value == pytest.approx(planted, abs=2e-3)
        assert found[name].per_parameter.n == 3
    assert (found["gpt"].forward_flops, found["gpt"].active_parameters) == (2000.0, 1000)
    assert (found["looped"].forward_flops, found["lora"].total_parameters) == (6000.0, 5000)
    moe = found["moe"]
    assert moe.per_active_parameter.value == pytest.approx(2.5 * 1010 / 800, rel=1e-3)
    assert moe.per_flop.value == pytest.approx(2.5 * 1010 / 1600, rel=1e-3)


def test_differences_are_paired_by_seed() -> None:
    """Seeds move all by 1 %, differences by 0.1 %: unpaired, 3.3 and 3.2 would not differ."""
    found = points(runs())
    gap = difference_to_reference(found["looped"], list(found.values()))
    assert gap is not None
    assert gap.value == pytest.approx(0.3, abs=2e-3)
    assert gap.n == 3
    assert gap.excludes(0.0)
    assert gap.ends[1] - gap.ends[0] < 0.02
    assert found["gpt"].per_parameter.ends[1] - found["gpt"].per_parameter.ends[0] > 0.1


def test_sizes_apart_are_compared_each_with_its_own_gpt() -> None:
    _, found = architecture_points(pl.DataFrame(runs() + runs(times=4), infer_schema_length=None))
    assert {each.size for each in found} == {
        "980 to 1,020 parameters",
        "3,920 to 4,080 parameters",
    }
    large = next(each for each in found if each.name == "looped" and each.parameters == 4000)
    reference = reference_of(large, found)
    assert reference is not None
    assert reference.parameters == 4000


def test_settings_and_classes_are_points_of_their_own() -> None:
    other = [run("gpt", 0, run_id="other", **{"optim.optimiser.lr": 0.2})]
    assert {"gpt, lr 0.1", "gpt, lr 0.2"} <= set(points(runs() + other))
    assert "gru cell" in points([*runs(), run("elsewhere.GruCell", 0)])  # of no file of conf


def test_of_several_sizes_of_data_set_the_one_of_which_most_is_memorised_is_taken() -> None:
    less = [
        run("gpt", seed, **{"task.num_sequences": 60, "cost.train_code_bits": 4000.0})
        for seed in SCATTER
    ]
    assert points(runs() + less)["gpt"].num_sequences == 40


def test_headlines_and_numbers_state_differences_with_intervals(tmp_path: Path) -> None:
    content = make(results_of(tmp_path, runs()))
    most, more, less, per_flop, moe, lora, converged = content.headlines
    assert most.startswith("980 to 1,020 parameters: most memorised per parameter: looped, 3.300 (")
    assert "no difference" not in most
    assert "lower bound" not in most
    assert "against gpt, bits per parameter, more: looped +0.300 (" in more
    assert "bits per parameter, less: moe -0.500 (" in less
    assert "mlp_only -1.000 (" in less
    assert "most memorised per forward FLOP of a token: moe, 1.578 (" in per_flop
    assert "per active parameter (800)" in moe
    assert "beside 3,980 that are frozen" in lora
    assert converged.startswith("15 of 15 runs converged")
    number = content.numbers["980 to 1,020 parameters, looped"]
    low, high = number["interval_bits_per_parameter_less_gpt"]
    assert low < number["bits_per_parameter_less_gpt"] < high
    assert number["runs"] == [f"looped-1-{seed}-40" for seed in SCATTER]
    assert "bits_per_parameter_less_gpt" not in content.numbers["980 to 1,020 parameters, gpt"]


def test_one_seed_gives_no_verdict(tmp_path: Path) -> None:
    found = lines(tmp_path, runs(seeds=(0,)))
    assert "one run" in found[0]
    assert "no difference beyond doubt from gpt, moe, mlp_only, lora" in found[0]
    differences = [line for line in found if "against gpt" in line]
    assert len(differences) == 1
    assert "no difference beyond doubt: looped +0.3" in differences[0]
    assert "one pair, no interval" in differences[0]


def test_without_a_gpt_or_a_common_seed_nothing_is_compared_with_it(tmp_path: Path) -> None:
    apart = [row for row in runs() if row["model._target_"] != TARGETS["gpt"]]
    assert not any("against gpt" in line for line in lines(tmp_path, apart))
    other_seeds = [row for row in runs() if (row["seed"] == 0) == ("gpt" in row["run_id"])]
    assert not any("against gpt" in line for line in lines(tmp_path, other_seeds))


def test_at_chance_nothing_is_compared(tmp_path: Path) -> None:
    rows = [
        row | {"cost.train_code_bits": ENTROPY_BITS + 9.0 * SCATTER[row["seed"]]} for row in runs()
    ]
    content = make(results_of(tmp_path, rows))
    assert "no architecture memorises anything beyond doubt" in content.headlines[0]
    assert len(content.headlines) == 2
    assert [card.value for card in content.cards] == ["none"]
    assert shown.lead(content).title == "No architecture memorises anything beyond doubt"
    assert shown.lead(content).draw().svg


@pytest.mark.parametrize(
    ("late", "name", "judged"),
    [
        ("", "mlp_only", Verdict.LESS),
        ("mlp_only", "mlp_only", Verdict.OPEN),
        ("mlp_only", "looped", Verdict.MORE),
        ("looped", "looped", Verdict.MORE),
        ("gpt", "looped", Verdict.OPEN),
        ("gpt", "mlp_only", Verdict.LESS),
    ],
)
def test_an_unconverged_smaller_one_leaves_the_difference_open(
    late: str, name: str, judged: Verdict
) -> None:
    rows = changed(runs(), late, **{"training.converged": False}) if late else runs()
    assert verdict_of(rows, name) is judged


def test_headlines_say_what_unconverged_runs_leave_open(tmp_path: Path) -> None:
    first, *others = lines(tmp_path, changed(runs(), "mlp_only", **{"training.converged": False}))
    assert "less in these runs, but a lower bound: mlp_only" in first
    assert "open, because the smaller one is a lower bound: mlp_only -1" in " ".join(others)


def test_unconverged_means_and_runs_are_open_marks(tmp_path: Path) -> None:
    rows = [
        row | {"training.converged": not ("looped" in row["run_id"] and row["seed"] == 1)}
        for row in runs()
    ]
    content = make(results_of(tmp_path, rows))
    single, means = (layer.frame.filter("is_open") for layer in shown.lead(content).layers)
    assert (single["architecture"].to_list(), means["architecture"].to_list()) == (
        ["looped"], ["looped"],
    )  # fmt: skip
    assert "1 of 3 runs had not converged" in " ".join(shown.words(content.cards[0].lines))
    assert "looped, at least 3.3" in content.headlines[0]


def test_a_data_set_that_is_stored_whole_is_stated_and_makes_a_lower_bound(tmp_path: Path) -> None:
    """Of 3,400 bits that can be memorised 3,300 are: 97 %."""
    small = {"task.num_sequences": 20, "entropy_bits": 3500.0}
    whole = [
        row | small | {"cost.train_code_bits": row["cost.train_code_bits"] - ENTROPY_BITS + 3500.0}
        for row in runs()
    ]
    assert points(whole)["looped"].is_data_limited
    assert not points(whole)["gpt"].is_data_limited
    found = lines(tmp_path, whole)
    assert "looped, at least 3.300" in found[0]
    assert "largest data set is stored: looped; how much more" in " ".join(found)
    # A larger set of which it stores less shows that data are not what limits it.
    larger = [run("looped", seed, **{"cost.train_code_bits": 3000.0}) for seed in SCATTER]
    assert not points(whole + larger)["looped"].is_data_limited


def test_the_page_has_both_figures_of_two_sizes(tmp_path: Path) -> None:
    content = make(results_of(tmp_path, runs() + runs(times=4)))
    assert list(shown.plots(content)) == ["architectures", "flops"]
    assert all(each.draw().svg for each in shown.plots(content).values())
    assert len(content.cards) == 2


@pytest.mark.parametrize("points_of", [architecture_points, format_points])
def test_without_runs_or_known_entropy_it_is_refused(points_of: Any) -> None:
    weights = pl.lit("float32").alias("precision.weights")
    table = pl.DataFrame(runs(), infer_schema_length=None).with_columns(weights)
    points_of(table)
    with pytest.raises(ValueError, match="no finished run"):
        points_of(table.clear())
    unknown = table.with_columns(pl.lit(None, pl.Float64).alias("entropy_bits"))
    with pytest.raises(ValueError, match="no run whose memorised bits are known"):
        points_of(unknown)
