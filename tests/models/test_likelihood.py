"""Nats in chunks are the nats of whole logits, forwards and backwards, in every number format."""

import copy
from collections.abc import Iterator

import pytest
import torch
from tests.models.parity import noisy
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from rote.models import likelihood
from rote.models.gpt import GPT
from rote.models.likelihood import is_chunked, token_nats
from rote.precision import Precision

V, L, B = 97, 16, 5
LOGITS_BYTES = 4 * B * L * V
FORMATS = {
    name: Precision(name=name, weights=weights, autocast=autocast, matmul="highest")
    for name, weights, autocast in (
        ("fp32", "float32", None),
        ("bf16_mixed", "float32", "bfloat16"),
        ("bf16_true", "bfloat16", None),
    )
}
Result = tuple[Tensor, dict[str, Tensor]]
TOKENS = (V, B, L)  # V, B, L


def model() -> GPT:
    torch.manual_seed(0)
    return noisy(GPT(num_layers=2, width=8, num_heads=2, vocab_size=V, max_length=L), 0.2)


@pytest.fixture(params=[(1, 1), (7, 1), (7, 64), (80, 1), (80, 64)])
def in_chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So many positions a chunk; a head of a multiple of so many rows, as on a GPU."""
    positions, rows = request.param
    with monkeypatch.context() as patched:
        patched.setattr(likelihood, "ROWS_MULTIPLE", {"cpu": rows})
        patched.setattr(likelihood, "WHOLE_LOGITS_BYTES", 0)
        patched.setattr(likelihood, "CHUNK_LOGITS_BYTES", positions * 4 * V)
        yield


def result(precision: Precision, tokens_BL: Tensor) -> Result:
    """Nats, and gradients of a sum in which every position weighs differently."""
    made = precision.cast(model())
    with precision.active("cpu"):
        nats_BL = token_nats(made, tokens_BL)
        (nats_BL * torch.linspace(-1, 2, B * L).view(B, L)).sum().backward()
    return nats_BL.detach(), {name: p.grad for name, p in made.named_parameters()}


@pytest.fixture(params=list(FORMATS))
def whole(request: pytest.FixtureRequest, tokens_BL: Tensor) -> tuple[Precision, Result]:
    """What whole logits give; set up before ``in_chunks``."""
    precision = FORMATS[request.param]
    return precision, result(precision, tokens_BL)


def test_chunks_give_what_whole_logits_give(
    whole: tuple[Precision, Result], in_chunks: None, tokens_BL: Tensor
) -> None:
    precision, (nats_BL, gradients) = whole
    chunked_BL, chunked = result(precision, tokens_BL)
    exact = precision.name == "fp32"
    assert chunked_BL.dtype == torch.float32
    tolerance = 1e-5 if exact else 2e-2  # bfloat16 keeps eight bits
    torch.testing.assert_close(chunked_BL, nats_BL, atol=tolerance, rtol=tolerance)
    for name, gradient in gradients.items():
        scale = float(gradient.abs().max())
        assert chunked[name].dtype == gradient.dtype
        torch.testing.assert_close(
            chunked[name], gradient, atol=tolerance * scale, rtol=0,
            msg=lambda text, name=name: f"{name}: {text}",
        )  # fmt: skip


def test_bfloat16_chunks_are_added_up_in_float32(
    monkeypatch: pytest.MonkeyPatch, tokens_BL: Tensor
) -> None:
    """Against float64, eighty chunks are as good as one product."""
    precision = FORMATS["bf16_true"]
    exact_model = precision.cast(model()).double()
    nats_BL = token_nats(exact_model, tokens_BL)
    nats_BL.mean().backward()
    exact = exact_model.final_norm.weight.grad, exact_model.token_embedding.weight.grad
    errors = []
    for rows in (1, 80):
        monkeypatch.setattr(likelihood, "WHOLE_LOGITS_BYTES", 0)
        monkeypatch.setattr(likelihood, "CHUNK_LOGITS_BYTES", rows * 4 * V)
        made = precision.cast(model())
        token_nats(made, tokens_BL).mean().backward()
        ours = made.final_norm.weight.grad, made.token_embedding.weight.grad
        errors.append([float((a - b).norm()) for a, b in zip(ours, exact, strict=True)])
    assert errors[0] == pytest.approx(errors[1], rel=0.1)  # a sum in bfloat16: 4.3


def test_small_logits_stay_whole_and_models_without_a_head_too(tokens_BL: Tensor) -> None:
    made = model()
    limit = likelihood.WHOLE_LOGITS_BYTES // (4 * V)
    assert not is_chunked(made, limit)
    assert is_chunked(made, limit + 1)
    assert not is_chunked(nn.Linear(2, 2), 1 << 40)
    with torch.no_grad():
        assert torch.equal(made(tokens_BL), made.hidden(tokens_BL) @ made.head.T)


class Largest(TorchDispatchMode):
    """The largest tensor that any operation makes, in bytes."""

    num_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self.num_bytes = max(self.num_bytes, made.numel() * made.element_size())
        return made


@pytest.mark.parametrize("name", FORMATS)
def test_no_tensor_is_as_large_as_the_logits(
    name: str, monkeypatch: pytest.MonkeyPatch, tokens_BL: Tensor
) -> None:
    """Neither forwards nor backwards; the next largest tensor is a chunk of eight positions."""
    monkeypatch.setattr(likelihood, "CHUNK_LOGITS_BYTES", 8 * 4 * V)
    made = FORMATS[name].cast(model())
    seen = []
    for limit in (LOGITS_BYTES, LOGITS_BYTES - 1):
        monkeypatch.setattr(likelihood, "WHOLE_LOGITS_BYTES", limit)
        with Largest() as largest, FORMATS[name].active("cpu"):
            token_nats(copy.deepcopy(made), tokens_BL).mean().backward()
        seen.append(largest.num_bytes)
    assert seen[0] == LOGITS_BYTES
    assert seen[1] < LOGITS_BYTES / 2
