"""A compiled step gives the same run: same id, same numbers to the last digits."""

import math
import shutil
from pathlib import Path

import pytest
from tests.conftest import MakeSpec

from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")


def losses(store: Store, spec: Spec) -> list[float]:
    return [row["loss_nats_per_token"] for row in store.run(spec.run_id).curve()]


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "controls"),
    [("fp32", ""), ("bf16_mixed", ""), ("fp32", "goldfish,label_smoothing,gradient_noise")],
)
def test_a_compiled_run_agrees_with_a_plain_one(
    tiny: MakeSpec, tmp_path: Path, precision: str, controls: str
) -> None:
    curves = []
    for mode in ("null", "default"):
        spec = tiny(f"precision={precision}", f"host.compile={mode}", f"control=[{controls}]")
        store = Store(tmp_path / mode)
        execute(spec, store)
        curves.append(losses(store, spec))
    assert curves[0] == pytest.approx(curves[1], rel=1e-4 if precision == "fp32" else 1e-2)


@needs_compiler
@pytest.mark.slow
def test_a_compiled_stack_agrees_with_plain_runs(tiny: MakeSpec, tmp_path: Path) -> None:
    plain, together = Store(tmp_path / "plain"), Store(tmp_path / "together")
    specs = [tiny(f"seed={seed}", "host.compile=default") for seed in (0, 1)]
    assert execute_together(specs, together) == {}
    for seed, spec in enumerate(specs):
        alone = tiny(f"seed={seed}")
        assert alone.run_id == spec.run_id
        execute(alone, plain)
        for ours, theirs in zip(losses(together, spec), losses(plain, alone), strict=True):
            assert math.isclose(ours, theirs, rel_tol=1e-4)


def test_nothing_is_recorded_on_a_cpu(tiny: MakeSpec, tmp_path: Path) -> None:
    curves = []
    for mode in ("null", "graph"):
        spec, store = tiny(f"host.compile={mode}"), Store(tmp_path / mode)
        execute(spec, store)
        curves.append(losses(store, spec))
    assert curves[0] == curves[1]


def test_an_unknown_mode_is_refused_before_anything_is_built(tiny: MakeSpec) -> None:
    with pytest.raises(ValueError, match=r"host\.compile='fast': choose from .*reduce-overhead"):
        Preflight().facts(tiny("host.compile=fast"))
