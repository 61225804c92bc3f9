"""Hours of a GPU are foretold from measured rates, and a measured sweep bears it out."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import COMPOSER
from tests.models.formulas import gpt_parameters

from rote.analysis.derived import peak_flops_per_second
from rote.cluster.planning import make_plan
from rote.config.sweep import Grid, Sweep
from rote.ledger.store import Store
from rote.planner.bill import (
    FACTOR,
    RATES,
    SHEET_FORMATS,
    SHEET_NAME,
    Measured,
    Phase,
    flops_per_second,
    gpu_hours,
    h100_seconds,
)
from rote.planner.sweep_bill import make_bill

SMALL = {"layers": 1, "parameters": 80_352, "is_replayed": False}
LARGEST = 1_557_611_200


def seconds(gradients: int, tokens: int, stack: int = 1, **changes: Any) -> float:
    """Of one phase."""
    phase = Phase(gradients=gradients, tokens=tokens, stack=stack, precision="bf16_mixed")
    return h100_seconds([phase], **(SMALL | changes))


@pytest.mark.parametrize("row", RATES, ids=lambda row: f"{row.parameters}x{row.stack}")
def test_every_measured_rate_is_met(row: Measured) -> None:
    model = {name: getattr(row, name) for name in SMALL}
    foretold = seconds(1, row.tokens_per_step, row.stack, **model)
    assert 0.82 <= foretold * row.steps_per_second <= 1.16


def test_the_measured_models_are_of_the_sizes_in_conf() -> None:
    small, middle, large = sorted({(row.parameters, row.layers) for row in RATES})
    shape = {"vocab_size": 2048, "max_length": 64}
    assert small == (gpt_parameters(num_layers=1, width=32, **shape), 1)
    assert middle == (gpt_parameters(num_layers=8, width=64, **shape), 8)
    shape = {"vocab_size": 50257, "max_length": 1024}
    assert large == (gpt_parameters(num_layers=48, width=1600, **shape), 48)


def test_a_small_run_alone_costs_its_calls_whatever_it_computes() -> None:
    assert seconds(1000, 512) == seconds(1000, 4096) == pytest.approx(4.6)
    assert seconds(1000, 512, layers=8) == pytest.approx(2.2 + 8 * 2.4)
    assert seconds(1000, 512, is_replayed=True) == pytest.approx(0.66)


def test_a_stack_shares_its_calls() -> None:
    alone, shared = seconds(1000, 512), seconds(1000, 512, 100)
    arithmetic = 1000 * 6 * 80_352 * 512 / flops_per_second(80_352, "bf16_mixed")
    assert shared == pytest.approx(alone / 100 + arithmetic)


def test_a_finish_costs_six_flops_a_parameter_and_token_of_the_whole_set() -> None:
    """38,000 sequences of 64 tokens through 1.86m, 5,000 times: arithmetic alone."""
    size = {"layers": 8, "parameters": 1_856_768, "is_replayed": False}
    steps = Phase(gradients=100, tokens=65_536, stack=1, precision="bf16_mixed")
    finish = Phase(gradients=5000, tokens=38_000 * 64, stack=1, precision="fp32")
    flops = 5000 * 6 * 1_856_768 * 38_000 * 64
    added = h100_seconds([steps, finish], **size) - h100_seconds([steps], **size)
    assert added == pytest.approx(flops / flops_per_second(1_856_768, "fp32"))


def test_more_never_costs_less() -> None:
    sizes = [2_868, 80_352, 200_000, 535_168, 10**7, 10**8, LARGEST, 10**10]
    for less, more in pairwise(sizes):
        assert seconds(10, 10**6, parameters=less) < seconds(10, 10**6, parameters=more)
    for name in ("layers", "tokens", "gradients"):
        values = [
            seconds(**{"gradients": 10, "tokens": 10**6, "stack": 2, name: value})
            for value in (1, 20, 300, 4000, 50_000_000)
        ]
        assert values == sorted(values)


def test_other_formats_reach_the_same_share_of_their_peak_and_are_never_faster() -> None:
    rates = {name: flops_per_second(LARGEST, name) for name in SHEET_FORMATS}
    assert rates["bf16_true"] == rates["bf16_mixed"] == pytest.approx(2.784e14, rel=1e-3)
    assert rates["bf16_mixed"] / rates["fp32"] == pytest.approx(989.4 / 67)
    assert rates["bf16_mixed"] / rates["tf32"] == pytest.approx(2)
    assert rates["fp32"] < (peak_flops_per_second(SHEET_NAME, "fp32") or 0)
    assert flops_per_second(LARGEST, "a format of one's own") == rates["fp32"]
    assert flops_per_second(80_352, "fp32") == flops_per_second(80_352, "bf16_mixed")


def test_a_range_is_told_and_that_of_an_untimed_gpu_is_wider() -> None:
    told = gpu_hours(7200)
    assert told["H100"] == (2 / FACTOR, 2 * FACTOR)
    assert told["H200"] == (pytest.approx(2 / FACTOR * 3.35 / 4.8), 2 * FACTOR)


def test_the_sweep_that_was_measured_lies_in_the_range(tmp_path: Path) -> None:
    """24 runs held an H100 for 91 s (docs/findings.md, 2.8 bits); no rate was fitted to them."""
    sweep = Sweep(
        name="measured",
        question="What did capacity_80k cost?",
        report="capacity",
        fixed={
            "size": "80k", "task.length": 64, "task.vocab_size": 2048, "budget.batch_size": 256,
            "budget.max_steps": 1500, "host.stack": 12,
        },
        grid=Grid(product={
            "task.num_sequences": [205, 411, 616, 822], "precision": ["fp32", "bf16_mixed"],
            "seed": [0, 1, 2],
        }),
    )  # fmt: skip
    plan, facts = make_plan(sweep, COMPOSER)
    total = make_bill(plan, facts, range(24), Store(tmp_path))
    least, most = total.gpu_hours["H100"]
    assert least * 3600 < 91 < most * 3600
    assert FACTOR * least * 3600 == pytest.approx(54, abs=1)
    assert make_bill(plan, facts, [], Store(tmp_path)).gpu_hours["H100"] == (0, 0)
