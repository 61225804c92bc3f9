"""Code lengths of a trained model in fewer bits; the model is left as it was."""

import numpy as np
import pytest
import torch
from tests.conftest import COMPOSER
from torch import nn

from rote.config.build import build
from rote.measures.cost import Cost
from rote.measures.protocol import Measurement
from rote.measures.quantised import Quantised
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.models.quantise import Float8, Integers, Ternary
from rote.tasks.uniform import Uniform

CPU = torch.device("cpu")
TASK = Uniform(num_sequences=48, length=8, vocab_size=32, num_heldout_sequences=16)
SETTINGS = COMPOSER.config(["measure=[quantised]"])["measure"]["quantised"]
NAMES = [*SETTINGS["formats"], *(f"{name}_gptq" for name in SETTINGS["gptq"])]


def measured(model: nn.Module) -> Measurement:
    measure: Quantised = build(SETTINGS)
    return measure(model, TASK, seed=0, device=CPU)


@pytest.fixture(scope="module")
def trained() -> GPT:
    """Knows about half of its data."""
    torch.manual_seed(0)
    model = GPT(num_layers=1, width=16, num_heads=2, vocab_size=32, max_length=8)
    tokens_BL = TASK.train(0).tokens(torch.arange(48))
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(150):
        optimiser.zero_grad()
        token_nats(model, tokens_BL).mean().backward()
        optimiser.step()
    return model


@pytest.fixture(scope="module")
def result(trained: GPT) -> Measurement:
    return measured(trained)


def memorised(result: Measurement, name: str) -> float:
    return TASK.entropy_bits() - result.totals[f"train_code_bits_{name}"]


def test_the_model_is_left_as_it_was(trained: GPT) -> None:
    before = {name: one.clone() for name, one in trained.named_parameters()}
    measured(trained)
    after = dict(trained.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], one) for name, one in before.items())
    assert all(one.requires_grad for one in after.values())


def test_eight_bits_change_little_and_fewer_bits_more(trained: GPT, result: Measurement) -> None:
    own = Cost()(trained, TASK, seed=0, device=CPU).totals["train_code_bits"]
    whole = TASK.entropy_bits() - own
    assert whole > 0.4 * TASK.entropy_bits()
    assert memorised(result, "int8") == pytest.approx(whole, rel=0.01)
    falling = [memorised(result, name) for name in ("int8", "int4_g32", "int3_g32", "int2_g32")]
    assert falling == sorted(falling, reverse=True)
    assert memorised(result, "int2_g32") < 0.7 * whole


@pytest.mark.parametrize("name", SETTINGS["gptq"])
def test_gptq_moves_code_lengths_and_no_stored_bit(result: Measurement, name: str) -> None:
    """At four bits it may keep less: the embedding, rounded to nearest, is most of the model."""
    if name == "int4_g32":
        assert memorised(result, f"{name}_gptq") != memorised(result, name)
    else:
        assert memorised(result, f"{name}_gptq") > memorised(result, name)
    assert result.totals[f"stored_bits_{name}_gptq"] == result.totals[f"stored_bits_{name}"]


def test_stored_bits_are_a_hand_count(result: Measurement) -> None:
    weights = (32 + 8 + 48 + 16 + 64) * 16 + 16 * 64
    rows = 32 + 8 + 48 + 16 + 64 + 16
    vectors = 3 * 2 * 16 + 48 + 16 + 64 + 16
    totals = result.totals
    assert totals["unquantised_parameters"] == vectors
    assert totals["stored_bits_int8"] == 8 * weights + 16 * rows + 32 * vectors
    groups = rows - 16 + 16 * 2  # one a row of 16 columns, two a row of 64
    for bits in (2, 3, 4):
        counted = bits * weights + (16 + bits) * groups + 32 * vectors
        assert totals[f"stored_bits_int{bits}_g32"] == counted
    assert totals["stored_bits_fp8_e4m3"] == 8 * weights + 32 * 6 + 32 * vectors


def test_arrays_hold_every_sequence_and_add_up(result: Measurement) -> None:
    for name in NAMES:
        for split, number in (("train", 48), ("heldout", 16)):
            bits_N = result.arrays[f"{split}_code_bits_{name}"]
            assert (bits_N.shape, bits_N.dtype) == ((number,), np.float32)
            total = result.totals[f"{split}_code_bits_{name}"]
            assert bits_N.astype(np.float64).sum() == pytest.approx(total, rel=1e-6)


def test_a_model_of_equal_probabilities_stays_one_in_every_format() -> None:
    model = GPT(num_layers=1, width=16, num_heads=2, vocab_size=32, max_length=8)
    for weight in model.parameters():
        nn.init.zeros_(weight)
    result = measured(model)
    assert [memorised(result, name) for name in NAMES] == pytest.approx(
        [0.0] * len(NAMES), abs=1e-3
    )


def test_under_autocast_each_format_is_itself(trained: GPT) -> None:
    """Copies in 16 bits of the trained weights must not stand in for the rounded ones."""
    with torch.autocast("cpu", torch.bfloat16):
        Cost()(trained, TASK, seed=0, device=CPU)
        result = measured(trained)
    assert memorised(result, "int2_g32") < 0.8 * memorised(result, "int8")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"formats": {}}, "formats must hold at least one"),
        ({"formats": None}, "formats must hold at least one"),
        ({"gptq": None}, "gptq must be a list such as"),
        ({"gptq": "int4_g32"}, "gptq must be a list such as"),
        ({"gptq": ["ternary"]}, "'ternary' is no format of integers: choose from \\['int8'"),
        ({"gptq": ["int5"]}, "'int5' is no format of integers"),
        ({"calibration_sequences": 0}, "calibration_sequences must be a whole number from 1 up"),
    ],
)
def test_settings_that_measure_nothing_are_refused(
    settings: dict[str, object], message: str
) -> None:
    usual: dict[str, object] = {
        "formats": {
            "int8": Integers(bits=8, group_size=None, is_symmetric=True), "fp8": Float8(),
            "ternary": Ternary(),
        },
        "gptq": ["int8"], "calibration_sequences": 8,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        Quantised(**(usual | settings))  # type: ignore[arg-type]
