"""Checks of a whole grid: each distinct part built once, each point judged as if it were alone."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from rote.config.build import build
from rote.ledger.spec import Spec
from rote.run.preflight import Preflight
from tests.conftest import COMPOSER, TINY, MakeSpec


def test_each_distinct_part_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: Counter[str] = Counter()

    def counting(config: Mapping[str, Any], **arguments: Any) -> Any:
        built[str(config["_target_"]).rpartition(".")[2]] += 1
        return build(config, **arguments)

    for module in ("preflight", "step"):
        monkeypatch.setattr(f"rote.run.{module}.build", counting)
    composer = COMPOSER
    specs = [
        Spec.from_config(
            composer.config([*TINY, f"size={size}", f"precision={precision}", f"seed={seed}"])
        )
        for size in ("demo_s", "demo_m")
        for precision in ("fp32", "bf16_true")
        for seed in range(3)
    ]
    preflight = Preflight()
    facts = [preflight.facts(spec) for spec in specs]
    optimiser = "muon_with_adamw"
    assert [built[x] for x in ("Uniform", "GPT", "Precision", optimiser)] == [1, 2, 2, 1]
    assert facts == [Preflight().facts(spec) for spec in specs]


@pytest.mark.parametrize(
    ("optim", "copies"),
    [("adamw", 2.0), ("muon", (64 + 2 * 2) / 66)],  # a matrix of 8 x 8 and a bias of 2
)
def test_what_the_optimiser_keeps_is_counted(tiny: MakeSpec, optim: str, copies: float) -> None:
    assert Preflight().facts(tiny(f"optim={optim}")).optimiser_copies == copies


def test_memory_depends_on_how_a_run_is_carried_out(tiny: MakeSpec) -> None:
    large = (
        "optim=adamw",
        "size=355m",
        "task.length=1024",
        "task.vocab_size=50257",
        "budget.batch_size=2",
    )
    whole = Preflight().facts(tiny(*large, "host.recompute_above_gib=null"))
    twice = Preflight().facts(tiny(*large, "host.recompute_above_gib=0"))
    shared = Preflight().facts(tiny(*large, "host.recompute_above_gib=0", "host.strategy=fsdp"))
    assert 8 << 30 < whole.peak_bytes(1) < 10 << 30
    assert twice.peak_bytes(1) < whole.peak_bytes(1) - (1 << 30)
    assert shared.peak_bytes(2) < twice.peak_bytes(1) - (1 << 30)


def test_a_part_that_failed_fails_again(tiny: MakeSpec) -> None:
    preflight = Preflight()
    for _ in range(2):
        with pytest.raises(ValueError, match="not divisible"):
            preflight.facts(tiny("size.num_heads=5"))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (
            (
                "task=arithmetic",
                "task/split=operand",
                "task.split.digit=0",
                "task.largest_operand=0",
            ),
            "task.split leaves nothing to train on: it holds out all 2 problems",
        ),
        (("task=arithmetic", "task.split.fraction=0.001"), "holds out none of the 200 problems"),
        (("task=arithmetic", "task.modulus=1"), "task.modulus must be a whole number from 2 up"),
        (
            ("task=mixture", "task.ratio={arithmetic:0.5,facts:0.6}"),
            "task.ratio must sum to 1, and sums to 1.1",
        ),
        (
            ("task=mixture", "task.parts.facts.pairs=[[a,b],[a,c]]"),
            "task.pairs: 'a' occurs 2 times",
        ),
        (
            ("task=mixture", "task@task.parts.facts=random_labels"),
            "task.parts differ in scored_from: arithmetic 0, facts 16",
        ),
        (("measure=[exact_match]",), "asks for items, and Uniform has none"),
        (("task=canaries", "task@task.base=random_labels"), "no canary can be learnt"),
    ],
)
def test_a_task_that_cannot_be_is_refused_with_one_line(
    overrides: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        Preflight().facts(Spec.from_config(COMPOSER.config(overrides)))
    assert "\n" not in str(caught.value)


def test_memory_knows_dropout_and_gradients_of_single_sequences(tiny: MakeSpec) -> None:
    """DP-SGD: 32 gradients of 355 million weights in float32, and little of the activations."""
    large = ("size=355m", "task.length=256", "task.num_sequences=64", "budget.batch_size=64")
    plain, dropout, private = (
        Preflight().facts(tiny(*large, "host.recompute_above_gib=null", *control)).peak_bytes(1)
        for control in ((), ("control=[dropout]",), ("control=[dp_sgd]",))
    )
    # Masks of branches; weights, which no fused kernel drops, their mask, and what is left of them.
    kept = 24 * 64 * 256 * (2 * 1024 + 3 * 16 * 256) * 4
    assert dropout - plain == pytest.approx(1.45 * kept, rel=0.1)  # with holes in the heap
    assert private > 32 * 355e6 * 4
