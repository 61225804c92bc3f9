"""A compiled step gives the same run: same id, same numbers to the last digits."""

import shutil
from pathlib import Path

import pytest
from tests.conftest import MakeSpec, agree, losses

from rote.config.host_and_log import AUTO_PARAMETERS
from rote.ledger.store import Store
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.run.step import compile_mode
from rote.training.graphed import GRAPH

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "controls"),
    [("fp32", ""), ("bf16_mixed", ""), ("fp32", "goldfish,label_smoothing,gradient_noise")],
)
def test_a_compiled_run_agrees_with_a_plain_one(
    tiny: MakeSpec, tmp_path: Path, precision: str, controls: str
) -> None:
    more = (f"precision={precision}", f"control=[{controls}]")
    plain, compiled = (tiny(*more, f"host.compile={mode}") for mode in ("null", "default"))
    agree(plain, compiled, tmp_path, 1e-4 if precision == "fp32" else 1e-2)


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
        assert losses(together, spec) == pytest.approx(losses(plain, alone), rel=1e-4)


def test_nothing_is_recorded_on_a_cpu(tiny: MakeSpec, tmp_path: Path) -> None:
    curves = []
    for mode in ("null", "graph", "auto"):
        spec, store = tiny(f"host.compile={mode}"), Store(tmp_path / mode)
        execute(spec, store)
        curves.append(losses(store, spec))
    assert curves[0] == curves[1] == curves[2]


@pytest.mark.parametrize(
    ("more", "device_type", "parameters", "mode"),
    [
        ("host=local", "cuda", AUTO_PARAMETERS, GRAPH),
        ("host=slurm_gpu", "cuda", 1, GRAPH),
        ("host=local", "cuda", AUTO_PARAMETERS + 1, None),
        ("host=local", "cpu", 1, None),
        ("host.attention=flash", "cuda", 1, None),
        ("model._target_=mine.Model", "cuda", 1, None),
        ("host.compile=null", "cuda", 1, None),
        ("host.compile=blocks", "cpu", 10**9, "blocks"),
    ],
)
def test_auto_is_a_graph_where_one_was_timed(
    tiny: MakeSpec, more: str, device_type: str, parameters: int, mode: str | None
) -> None:
    assert compile_mode(tiny(more), parameters, device_type=device_type) == mode


def test_a_bill_counts_a_lone_graph_as_a_stack_of_one(tiny: MakeSpec) -> None:
    """The update keeps the weights from before, and attention is written out."""

    def peak(mode: str, *more: str, processes: int = 1) -> int:
        spec = tiny("host.accelerator=gpu", f"host.compile={mode}", *more)
        return Preflight().facts(spec).peak_bytes(processes)

    assert peak("null") < peak("graph") == peak("auto")
    assert peak("null", processes=2) == peak("graph", processes=2)
    for more in ("optim=soap", "control=[goldfish]"):
        assert peak("null", more) < peak("graph", more)
    assert peak("null", "control=[dropout]") == peak("graph", "control=[dropout]")  # no stack


def test_an_unknown_mode_is_refused_before_anything_is_built(tiny: MakeSpec) -> None:
    with pytest.raises(ValueError, match=r"host\.compile='fast': choose from .*blocks.*auto"):
        Preflight().facts(tiny("host.compile=fast"))
