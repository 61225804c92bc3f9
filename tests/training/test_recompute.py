"""Blocks that run twice change nothing but the memory."""

from pathlib import Path

import pytest
from tests.conftest import MakeSpec

from rote.ledger.store import Store
from rote.run.execute import execute


@pytest.mark.parametrize("precision", ["fp32", "bf16_mixed", "bf16_true"])
def test_the_same_run_with_blocks_that_run_twice_is_the_same_bit_for_bit(
    tiny: MakeSpec, tmp_path: Path, precision: str
) -> None:
    files = []
    for limit in ("null", "0"):
        spec = tiny(f"precision={precision}", f"host.recompute_above_gib={limit}")
        store = Store(tmp_path / limit)
        execute(spec, store)
        folder = store.run(spec.run_id).path
        left = ("record.json", "curve.jsonl", "arrays.npz")
        files.append([(folder / name).read_bytes() for name in left])
    assert files[0] == files[1]
