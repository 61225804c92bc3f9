"""Rounding of small matrices by hand, and bits counted by hand."""

import pytest
import torch
from torch import nn

from rote.models.gpt import GPT
from rote.models.llama import Llama
from rote.models.quantise import (
    Float8,
    Integers,
    Ternary,
    WeightFormat,
    matrices,
    replaced,
    rounded_weights,
    stored_bits,
)

INT8 = Integers(bits=8, group_size=None, is_symmetric=True)
INT4 = Integers(bits=4, group_size=2, is_symmetric=False)
INT2 = Integers(bits=2, group_size=None, is_symmetric=False)
FORMATS = {"int8": INT8, "int4": INT4, "int2": INT2, "fp8": Float8(), "ternary": Ternary()}


def gpt(width: int = 8) -> GPT:
    torch.manual_seed(0)
    return GPT(num_layers=1, width=width, num_heads=2, vocab_size=16, max_length=4)


@pytest.mark.parametrize(
    ("form", "weight", "rounded"),
    [
        # Rows have scales of their own: 127 / 127 = 1, and 2.
        (INT8, [[127.0, 0.4, -3.6], [-254.0, 3.2, 0.9]], [[127.0, 0.0, -4.0], [-254.0, 4.0, 0.0]]),
        # Groups of two and one left over, of 16 levels: 0 to 15 by 1; -7.5 to 7.5 by 1, whose zero
        # point, 7.5, is 8: -7.5 is nearest to -8, and 7.5 would be level 16, so it becomes 7.
        (INT4, [[15.0, 3.4, -7.5, 7.5, 30.0]], [[15.0, 3.0, -8.0, 7.0, 30.0]]),
        # Four levels from -1 to 2.
        (INT2, [[-1.0, 2.0, 0.6, 0.4, -0.4]], [[-1.0, 2.0, 1.0, 0.0, 0.0]]),
        # Largest 448: the scale is 1; from 16 to 32 e4m3 has steps of 2, from 1 to 2 of 1/8.
        (Float8(), [[448.0, 17.5], [-1.2, 0.0]], [[448.0, 18.0], [-1.25, 0.0]]),
        # Mean magnitude 2.
        (Ternary(), [[4.0, -3.0], [0.9, -0.1]], [[2.0, -2.0], [0.0, 0.0]]),
    ],
)  # fmt: skip
def test_a_small_matrix_is_rounded_as_by_hand(
    form: WeightFormat, weight: list[list[float]], rounded: list[list[float]]
) -> None:
    assert form.rounded(torch.tensor(weight)).tolist() == rounded


@pytest.mark.parametrize(
    ("form", "shape", "bits"),
    [
        (INT8, (3, 5), 3 * 5 * 8 + 3 * 16),
        (INT4, (3, 5), 3 * 5 * 4 + 3 * 3 * (16 + 4)),  # groups of 2, 2 and 1 in each row
        (Integers(bits=4, group_size=128, is_symmetric=False), (3, 5), 3 * 5 * 4 + 3 * (16 + 4)),
        (Float8(), (3, 5), 3 * 5 * 8 + 32),
        (Ternary(), (3, 5), 3 * 8 + 32),  # five in a byte
        (Ternary(), (3, 3), 2 * 8 + 32),  # nine take two bytes
        (Ternary(), (4, 3, 5), 4 * (3 * 8 + 32)),  # each expert is a matrix
    ],
)
def test_stored_bits_of_a_matrix_are_a_hand_count(
    form: WeightFormat, shape: tuple[int, ...], bits: int
) -> None:
    assert form.stored_bits(shape) == bits


def test_stored_bits_of_a_model_are_a_hand_count() -> None:
    """Tied embedding once; vectors in float32: two norms and a last one, four biases."""
    vectors = 3 * 2 * 8 + 24 + 8 + 32 + 8
    rows = 16 + 4 + 24 + 8 + 32 + 8  # tokens, positions, four layers of which one is 32 wide
    weights = (16 + 4 + 24 + 8 + 32) * 8 + 8 * 32
    assert stored_bits(gpt(), INT8) == weights * 8 + rows * 16 + vectors * 32


def test_all_matrices_are_quantised_and_no_vector() -> None:
    model = gpt()
    assert set(matrices(model)) == {
        name for name, one in model.named_parameters() if "norm" not in name and "bias" not in name
    }


@pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
def test_a_matrix_of_a_stack_is_rounded_as_alone(form: WeightFormat) -> None:
    stack = torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(form.rounded(stack), torch.stack([form.rounded(one) for one in stack]))


@pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
def test_zeros_stay_zeros(form: WeightFormat) -> None:
    assert torch.equal(form.rounded(torch.zeros(4, 3)), torch.zeros(4, 3))


def test_more_bits_err_less() -> None:
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    forms = [Integers(bits=bits, group_size=32, is_symmetric=False) for bits in (2, 3, 4, 8)]
    errors = [float((form.rounded(weight) - weight).square().mean()) for form in forms]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < errors[1] / 3  # half the step is a quarter of the error


def test_sixteen_bits_stay_sixteen() -> None:
    weight = torch.randn(4, 4).bfloat16()
    assert all(form.rounded(weight).dtype == torch.bfloat16 for form in FORMATS.values())


@pytest.mark.parametrize("autocast", [False, True])
def test_a_model_is_itself_again_after_its_weights_were_replaced(autocast: bool) -> None:
    """Under autocast copies in 16 bits are kept, and must be those of the weights in use."""
    model, tokens_BL = gpt(), torch.randint(16, (2, 4))
    before = {name: one.clone() for name, one in model.named_parameters()}
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        expected = model(tokens_BL)
        with replaced(model, rounded_weights(model, Ternary())):
            assert not torch.equal(model(tokens_BL), expected)
        assert torch.equal(model(tokens_BL), expected)
    assert all(torch.equal(one, before[name]) for name, one in model.named_parameters())


def test_weights_come_back_after_an_error() -> None:
    model = gpt()
    own = model.token_embedding.weight.clone()
    with pytest.raises(RuntimeError), replaced(model, rounded_weights(model, INT2)):
        raise RuntimeError
    assert torch.equal(model.token_embedding.weight, own)


def test_a_head_of_its_own_is_quantised_too() -> None:
    torch.manual_seed(0)
    llama = Llama(
        num_layers=1, width=8, num_heads=2, num_groups=1, mlp_width=8, rotary_base=1e4,
        is_tied=False, vocab_size=16, max_length=4,
    )  # fmt: skip
    assert sum(tuple(one.shape) == (16, 8) for one in matrices(llama).values()) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": 1}, "bits of an integer format must be a whole number from 2 to 8, got 1"),
        ({"bits": 4.0}, "bits of an integer format"),
        ({"group_size": 0}, "group_size of an integer format must be a whole number from 1 up"),
        ({"is_symmetric": 1}, "is_symmetric of an integer format must be true or false"),
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    usual: dict[str, object] = {"bits": 4, "group_size": None, "is_symmetric": True}
    with pytest.raises(ValueError, match=message):
        Integers(**(usual | settings))  # type: ignore[arg-type]


def test_any_module_is_quantised_by_its_matrices() -> None:
    layer = nn.Linear(3, 5)
    assert stored_bits(layer, INT8) == 3 * 5 * 8 + 5 * 16 + 5 * 32
