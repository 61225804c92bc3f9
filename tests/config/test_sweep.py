"""Grids: product, zip, derived axes, filters, and what the command line changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import COMPOSER, points

from rote.config.sweep import (
    Grid,
    Sweep,
    as_grid,
    load_sweep,
    read_sweep,
    with_overrides,
)


def sweep(fixed: Mapping[str, Any] | None = None, **grid: Any) -> Sweep:
    return Sweep(name="test", question="?", report="capacity", fixed=fixed or {}, grid=Grid(**grid))


def expanded(subject: Sweep) -> list[list[str]]:
    return list(points(subject, COMPOSER, lambda config: 10 * config["size"]["width"]))


def test_a_product_is_every_combination_in_order() -> None:
    made = expanded(sweep({"log": "none"}, product={"seed": [0, 1], "size": ["80k", "93k"]}))
    assert made == [
        ["log=none", f"seed={seed}", f"size={size}"] for seed in (0, 1) for size in ("80k", "93k")
    ]


def test_zipped_axes_go_side_by_side() -> None:
    made = expanded(
        sweep(product={"seed": [0, 1]}, zip={"size": ["80k", "93k"], "budget": ["demo", "paper"]})
    )
    assert len(made) == 4
    assert ["seed=1", "size=93k", "budget=paper"] in made
    with pytest.raises(ValueError, match="axes of one length"):
        Grid(zip={"size": ["80k"], "seed": [0, 1]})


def test_cases_set_what_belongs_together() -> None:
    control = [
        {"control": []},
        {"control": ["goldfish"], "control.goldfish.k": 3},
        {"control": ["goldfish"], "control.goldfish.k": 8},
    ]
    task = [{"task": "arithmetic"}, {"task": "uniform", "task.length": 8}]
    subject = sweep(product={"seed": [0, 1]}, cases={"what": task, "control": control})
    made = expanded(subject)
    assert len(made) == 2 * 2 * 3
    assert ["seed=0", "task=arithmetic", "control=[]"] in made
    one = ["seed=1", "task=uniform", "task.length=8", "control=[goldfish]", "control.goldfish.k=8"]
    assert one in made
    changed = with_overrides(subject, ["task.length=4"])
    assert {line[0] for line in expanded(changed)} == {"task.length=4"}
    assert not any("task.length=8" in line for line in expanded(changed))
    assert subject.grid.cases["what"][1]["task.length"] == 8  # the file's own is left as it was


def test_a_derived_key_sees_axes_configuration_and_parameters() -> None:
    grid = {
        "product": {"ratio": [1, 2], "size": ["80k", "185k"]},
        "derive": {"task.num_sequences": "round(ratio * P / task.length)"},
    }
    made = expanded(sweep(**grid))
    assert made[0] == ["size=80k", "task.num_sequences=5"]  # 1 * 10 * 32 / 64
    assert made[3] == ["size=185k", "task.num_sequences=20"]  # 2 * 10 * 64 / 64


def test_a_derived_key_sees_those_derived_before_it() -> None:
    grid = {
        "product": {"ratio": [1, 2], "size": ["80k"]},
        "derive": {
            "task.num_sequences": "round(100 * ratio)",
            "budget.batch_size": "round(task.num_sequences / 8 + task.length / 64)",
        },
    }
    assert [one[-2:] for one in expanded(sweep(**grid))] == [
        ["task.num_sequences=100", "budget.batch_size=14"],  # 12.5 + 1, rounded to even
        ["task.num_sequences=200", "budget.batch_size=26"],
    ]
    (kept,) = expanded(sweep(**grid, filter=["task.num_sequences > 100"]))
    assert kept[-2] == "task.num_sequences=200"


@pytest.mark.parametrize("key", ["task.length.inside", "seed.inside", "size.width.a.b"])
def test_a_derived_key_inside_a_value_is_refused_by_its_name(key: str) -> None:
    (overrides,) = expanded(sweep(product={"seed": [1]}, derive={key: "3", "task.length": "8"}))
    with pytest.raises(ValueError, match=f"key {key!r} is not known"):
        COMPOSER.config(overrides)


def test_a_set_is_chosen_by_the_bits_that_can_be_memorised_of_it() -> None:
    """105 sequences of 96 bits hold 105 (96 - log2 105) = 9,375 bits: 29.3 for each of 10 * 32."""
    derive = {"task.num_sequences": "sequences_holding(29.3 * P, task.length, task.vocab_size)"}
    fixed = {"size": "80k", "task.length": 16, "task.vocab_size": 64}
    assert expanded(sweep(fixed, derive=derive))[0][-1] == "task.num_sequences=105"


def test_a_filter_keeps_the_points_where_it_holds() -> None:
    made = expanded(sweep(product={"size": ["80k", "185k"]}, filter=["size.width < 64"]))
    assert made == [["size=80k"]]
    with pytest.raises(ValueError, match="'test' has no points"):
        expanded(sweep(product={"size": ["80k"]}, filter=["size.width > 64"]))


@pytest.mark.parametrize(
    "expression",
    ['size == "80k"', '"80k" != size', 'size in ["80k", "93k"]', 'size not in ["80k"]'],
)
def test_a_group_is_not_compared_with_a_name(expression: str) -> None:
    with pytest.raises(ValueError, match=r"'80k' is compared with a group.*num_layers, width"):
        expanded(sweep(product={"size": ["80k", "185k"]}, filter=[expression]))


def test_whether_a_control_is_chosen_can_be_asked() -> None:
    subject = sweep(
        product={"control": [["goldfish"], ["dropout"]], "seed": [0, 1]},
        filter=['"goldfish" in control', "seed in [1]", 'precision.name != "none"'],
    )
    assert expanded(subject) == [["control=[goldfish]", "seed=1"]]


def test_an_empty_axis_gives_no_points() -> None:
    with pytest.raises(ValueError, match="has no points: an axis is empty"):
        expanded(sweep(product={"seed": []}))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("seed *", "cannot read the expression"),
        ("nothing * 2", "nothing"),
        ("__import__('os').system('true')", "grid"),
        ("1 / 0", "division"),
    ],
)
def test_a_wrong_expression_is_told(expression: str, message: str) -> None:
    grid = {"product": {"seed": [1]}, "derive": {"task.num_sequences": expression}}
    with pytest.raises(ValueError, match=message):
        expanded(sweep(**grid))


def test_the_command_line_replaces_axes_and_derivations() -> None:
    changed = with_overrides(
        load_sweep("demo"),
        ["size=demo_s", "precision=fp32,tf32", "task.num_sequences=9", "seed=1,2"],
    )
    made = expanded(changed)
    assert len(made) == 3 * 3 * 2 * 2  # ratio is still an axis, and so are the cases
    assert all("task.num_sequences=9" in line and "size=demo_s" in line for line in made)
    assert sum("seed=2" in line for line in made) == len(made) / 2


def test_values_of_the_command_line_are_values_not_texts() -> None:
    changed = with_overrides(
        sweep(derive={"task.num_sequences": "round(10 * ratio)"}),
        ["ratio=0.5,2", "optim.optimiser.adamw_betas=[0.8,0.9],[0.9,0.99]", "seed=range(0,2)"],
    )
    made = expanded(changed)
    assert len(made) == 8
    assert made[0] == ["optim.optimiser.adamw_betas=[0.8,0.9]", "seed=0", "task.num_sequences=5"]
    with pytest.raises(ValueError, match=r"seed=interval\(0,1\).*no values to list"):
        with_overrides(sweep(), ["seed=interval(0,1)"])


def test_jobs_of_any_sweeper_are_one_grid() -> None:
    jobs = [
        ["seed=0", "optim/schedule=cosine", "optim.optimiser.betas=[0.8,0.9]", "log=none"],
        ["seed=3", "optim/schedule=linear", "optim.optimiser.betas=[0.9,0.99]", "log=none"],
        ["seed=3", "optim/schedule=linear", "optim.optimiser.betas=[0.9,0.99]", "log=none"],
    ]
    made = expanded(with_overrides(sweep(), as_grid(jobs)))
    assert [sorted(line) for line in made] == [sorted(job) for job in jobs]
    assert as_grid(jobs[:1]) == jobs[0]
    assert as_grid([["seed=0"], ["seed=0"]]) == ["seed=0"]
    with pytest.raises(ValueError, match="jobs of one sweep set the same keys"):
        as_grid([["seed=0"], ["size=80k"]])


def test_axes_side_by_side_replace_those_of_the_file() -> None:
    grid = {"ratio": [3, 4], "size": ["80k"], "precision": ["bf16_mixed", "fp32"]}
    changed = with_overrides(sweep(product=grid), ["grid.zip={ratio:[1,2],size:[demo_s,demo_m]}"])
    axes = [(row["ratio"], row["size"], row["precision"]) for row in changed.axes()]
    assert axes == [
        (ratio, size, precision)
        for precision in ("bf16_mixed", "fp32")
        for ratio, size in ((1, "demo_s"), (2, "demo_m"))
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question: a\nreport: b\nfixd: {}\n", r"'fixd' is not known\. Did you mean 'fixed'\?"),
        ("question: a\n", "is not a sweep: 'report'"),
        ("question: a\nreport: b\ngrid: {prod: {}}\n", "unexpected keyword argument 'prod'"),
    ],
)
def test_a_file_that_is_not_a_sweep_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"mine\.yaml.*{message}"):
        read_sweep(path)


def test_an_unknown_sweep_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'dmo' is not known\. Did you mean 'demo'\? .*capacity"):
        load_sweep("dmo")


def test_a_filter_on_the_command_line_comes_on_top() -> None:
    grid = sweep(product={"size": ["demo_s", "80k", "185k"]}, filter=["size.width < 48"])
    changed = with_overrides(grid, ["grid.filter=['size.width > 12']"])
    assert expanded(grid) == [["size=demo_s"], ["size=80k"]]
    assert expanded(changed) == [["size=80k"]]


@pytest.mark.parametrize("named", [3, "../elsewhere", ["demo"]])
def test_a_capacity_is_taken_from_a_sweep_by_its_name(named: object) -> None:
    with pytest.raises(ValueError, match="capacity_from must"):
        Sweep(name="x", question="?", report="text", fixed={}, grid=Grid(), capacity_from=named)  # type: ignore[arg-type]
