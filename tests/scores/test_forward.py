"""One pass gives what token by token, in float64, the whole distribution says."""

import numpy as np
import pytest
import torch
from tests.measures.known import Fixed
from tests.models.parity import noisy
from torch import Tensor, nn

from rote.models import likelihood
from rote.models.gpt import GPT
from rote.models.likelihood import START_TOKEN, token_nats
from rote.precision import Precision
from rote.scores import forward
from rote.scores.forward import documents, moments
from rote.scores.likelihood import loss, min_k, min_k_plus_plus

V, L, B = 97, 16, 5


@pytest.fixture
def tokens_BL() -> Tensor:
    return torch.randint(V, (B, L), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def gpt() -> GPT:
    torch.manual_seed(0)
    return noisy(GPT(num_layers=2, width=8, num_heads=2, vocab_size=V, max_length=L), 0.2)


@torch.no_grad()
def by_hand(model: nn.Module, tokens_BL: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The definitions, symbol by symbol."""
    starts_B1 = torch.full_like(tokens_BL[:, :1], START_TOKEN)
    logits_BLV = model(torch.cat([starts_B1, tokens_BL[:, :-1]], dim=1)).double()
    log_p_BLV = logits_BLV.log_softmax(-1)
    p_BLV = log_p_BLV.exp()
    mean_BL = (p_BLV * log_p_BLV).sum(-1)
    variance_BL = (p_BLV * (log_p_BLV - mean_BL[..., None]) ** 2).sum(-1)
    token_BL = log_p_BLV.gather(-1, tokens_BL[..., None])[..., 0]
    return token_BL.numpy(), mean_BL.numpy(), variance_BL.sqrt().numpy()


@torch.no_grad()
def greedy(model: nn.Module, tokens_BL: Tensor) -> Tensor:
    starts_B1 = torch.full_like(tokens_BL[:, :1], START_TOKEN)
    best_BL: Tensor = model(torch.cat([starts_B1, tokens_BL[:, :-1]], dim=1)).argmax(-1)
    return best_BL


@pytest.mark.parametrize("limits", [None, (7 * 4 * V, 3 * V), (4, 1)], ids=str)
def test_moments_are_those_of_the_definition_in_whole_and_in_chunks(
    limits: tuple[int, int] | None, gpt: GPT, tokens_BL: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_BL, mean_BL, spread_BL = by_hand(gpt, tokens_BL)
    if limits:
        monkeypatch.setattr(likelihood, "WHOLE_LOGITS_BYTES", 0)
        monkeypatch.setattr(likelihood, "CHUNK_LOGITS_BYTES", limits[0])
        monkeypatch.setattr(forward, "CPU_CHUNK_LOGITS", limits[1])
    found = moments(gpt, tokens_BL)
    np.testing.assert_allclose(found.log_p_BL, token_BL, rtol=1e-5)
    np.testing.assert_allclose(found.mean_BL, mean_BL, rtol=1e-5)
    np.testing.assert_allclose(found.spread_BL, spread_BL, rtol=1e-4)
    best_BL = greedy(gpt, tokens_BL)
    assert found.is_greedy_BL.equal(best_BL == tokens_BL)
    assert moments(gpt, best_BL).is_greedy_BL[:, 0].all()  # all read the same start


@pytest.mark.parametrize(
    ("weights", "autocast"), [("float32", None), ("float32", "bfloat16"), ("bfloat16", None)]
)
def test_log_probabilities_are_those_of_training(
    weights: str, autocast: str | None, gpt: GPT, tokens_BL: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    precision = Precision(name="any", weights=weights, autocast=autocast, matmul="highest")
    made = precision.cast(gpt)
    for whole_bytes in (likelihood.WHOLE_LOGITS_BYTES, 0):
        monkeypatch.setattr(likelihood, "WHOLE_LOGITS_BYTES", whole_bytes)
        with precision.active("cpu"), torch.no_grad():
            found_BL = moments(made, tokens_BL).log_p_BL
            torch.testing.assert_close(found_BL, -token_nats(made, tokens_BL), atol=1e-5, rtol=1e-5)
        assert found_BL.dtype == torch.float32


def test_padding_changes_nothing_and_a_prefix_is_left_out(gpt: GPT, tokens_BL: Tensor) -> None:
    lengths_B = np.array([1, 3, 16, 7, 2])
    padded_BL = tokens_BL.clone()
    padded_BL[torch.arange(L) >= torch.from_numpy(lengths_B)[:, None]] = 5
    found = documents(moments(gpt, padded_BL), lengths_B)
    for row, length in enumerate(lengths_B):
        alone = documents(moments(gpt, tokens_BL[row : row + 1, :length]), np.array([length]))
        for score in (loss, lambda each: min_k_plus_plus(each, k_percent=20)):
            assert score(found)[row] == pytest.approx(score(alone)[0], rel=1e-4)
    behind = documents(moments(gpt, tokens_BL), np.full(B, 4), from_position=10)
    token_BL, *_ = by_hand(gpt, tokens_BL)
    np.testing.assert_allclose(behind.log_likelihood_B, token_BL[:, 10:14].sum(1), rtol=1e-5)


@pytest.mark.parametrize("level", [0.0, 1e4, -1e4])
def test_a_guesser_has_no_spread_and_defined_scores(level: float, tokens_BL: Tensor) -> None:
    found = moments(Fixed([level] * V), tokens_BL)
    assert (found.spread_BL == 0).all()
    torch.testing.assert_close(found.mean_BL, torch.full((B, L), -np.log(V)))
    scored = documents(found, np.full(B, L))
    assert (min_k_plus_plus(scored, k_percent=20) == 0).all()
    np.testing.assert_allclose(min_k(scored, k_percent=20), -np.log(V), rtol=1e-6)


def test_a_certain_model_that_is_wrong_gives_finite_scores(tokens_BL: Tensor) -> None:
    logits_V = torch.zeros(V)
    logits_V[3] = 300.0  # all other probabilities underflow
    scored = documents(moments(Fixed(logits_V.tolist()), tokens_BL), np.full(B, L))
    assert np.isfinite(min_k_plus_plus(scored, k_percent=20)).all()
    np.testing.assert_allclose(min_k(scored, k_percent=20), -300.0)


def test_logits_that_are_not_numbers_are_refused(tokens_BL: Tensor) -> None:
    found = moments(Fixed([np.nan] * V), tokens_BL)
    with pytest.raises(ValueError, match="document 0: the model gives no finite probability"):
        documents(found, np.full(B, L))
