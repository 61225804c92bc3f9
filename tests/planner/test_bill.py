"""The bill adds up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest

from rote.cli.sweeps import Gpu
from rote.planner import bill as module
from rote.planner.bill import RUN_SECONDS, START_SECONDS, Bill, Line, bill, flops_per_second_here


def billed(*flops: float, seconds: Sequence[float] = (), **changes: Any) -> Bill:
    """The bill of a line for each number of FLOPs."""
    line = Line(label="x", parameters=10, entropy_bits=5.0, max_steps=9, flops=0, memory_bytes=7)
    left = {"num_workers": 2, "num_stacks": 0, "flops_left": 0.0, "h100_seconds": 0.0}
    lines = [replace(line, flops=each) for each in flops]
    return bill(lines, seconds=seconds, **(left | changes))


def test_time_is_for_what_is_left_over_the_workers() -> None:
    left = {"flops_left": 989.4e12 * 7200 / 4, "h100_seconds": 7200}
    total = billed(4e9, 2e9, 2e9, 9e9, seconds=[5, 3, 3], **left)
    assert total.flops == 17e9
    assert total.num_done == 1
    assert total.seconds_here == pytest.approx(START_SECONDS + (5 + 3 + 3 + 3 * RUN_SECONDS) / 2)
    assert total.gpu_hours["H100"] == (1.0, 4.0)
    assert total.h100_mfu == pytest.approx(0.25)


def test_no_number_of_workers_beats_the_longest_run() -> None:
    total = billed(4e9, 1e9, seconds=[5.0, 2.0], num_workers=100)
    assert total.seconds_here == pytest.approx(START_SECONDS + 5.0 + RUN_SECONDS)


def test_nothing_to_do_takes_no_time() -> None:
    total = billed(1e9)
    assert total.seconds_here == 0.0 and total.h100_mfu is None


def test_the_bill_on_one_gpu_has_its_hours_alone() -> None:
    total = billed(1e9, seconds=[1.0], flops_left=1e9, h100_seconds=3600)
    for name in get_args(Gpu):
        assert list(total.on(name).gpu_hours.values()) == [total.gpu_hours[name.upper()]]
    assert {name.upper() for name in get_args(Gpu)} == set(total.gpu_hours)


def test_training_sustains_a_share_of_the_matrix_product_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "matmul_flops_per_second", lambda: 1e9)
    assert flops_per_second_here() == module.MATMUL_SHARE * 1e9
