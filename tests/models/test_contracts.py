"""A user's model is checked before anything trains; right ones train and are measured."""

from pathlib import Path

import pytest
from tests.conftest import COMPOSER, TINY

from rote.config.trust import allow
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.models.contracts import require_causal
from rote.models.gpt import GPT
from rote.run.execute import execute
from rote.run.preflight import Preflight

HERE = "tests.models.own_models"
FAULTS = {
    "ModuleAsHead": r"ModuleAsHead.head must be a tensor \[V, D\], .* not a Linear",
    "OtherVocabulary": r"OtherVocabulary.head must be of shape \[\d+, D\]",
    "HeadAlone": r"HeadAlone has `head` and no method `hidden",
    "GivesTuple": r"GivesTuple.forward must give logits as one tensor, not a tuple",
    "GivesLast": r"GivesLast.forward gives \[2, \d+\], wanted \[2, \d+, \d+\]",
    "LooksAhead": r"LooksAhead is not causal",
    "Fails": r"Fails.forward fails on tokens \[2, \d+\]: RuntimeError",
}


def spec_of(name: str, *more: str) -> Spec:
    config = COMPOSER.config([*TINY, "optim=adamw", *more])
    config["model"] = {"_target_": f"{HERE}.{name}", "width": 8}
    spec = Spec.from_config(config)
    allow([spec.what, spec.how])
    return spec


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_before_anything_trains(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=FAULTS[name]) as raised:
        Preflight().facts(spec_of(name))
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match=FAULTS[name]):
        execute(spec_of(name), Store(tmp_path))
    assert not list(tmp_path.glob("runs/*/record.json"))


@pytest.mark.parametrize("name", ["Recurrent", "Mixing"])
def test_models_without_attention_are_counted_trained_and_measured(
    name: str, tmp_path: Path
) -> None:
    spec = spec_of(name, "measure=[cost,extraction]", "measure.extraction.prefix_tokens=[2]")
    facts = Preflight().facts(spec)
    assert facts.peak_bytes(1) > 0
    record = execute(spec, Store(tmp_path))
    assert record.parameters == facts.parameters
    assert any(key.startswith("train") for key in record.measures["extraction"]), record.measures


def test_sequences_of_one_token_have_nothing_to_look_ahead_at() -> None:
    model = GPT(num_layers=1, width=8, num_heads=1, vocab_size=5, max_length=1)
    require_causal(model, vocab_size=5, length=1)
