"""One convention: on a model that has learnt its members by heart, every score finds them."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from rote.analysis.quantities.roc import auroc
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.scores.documents import Documents, Floats
from rote.scores.forward import documents, moments
from rote.scores.gradient import gradient_norm
from rote.scores.likelihood import (
    loss,
    min_k,
    min_k_plus_plus,
    neighbourhood,
    neighbours,
    recall,
    reference,
    zlib_bytes,
    zlib_ratio,
)
from rote.scores.shadow_models import (
    Shadows,
    lira_offline,
    lira_online,
    offline_prior,
    online_prior,
    rmia,
)

V, L, NUM, PREFIX = 32, 12, 40, 3
SHADOWS = 4


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads gain such small models nothing, and wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(seen_BL: Tensor, seed: int) -> GPT:
    torch.manual_seed(seed)
    made = GPT(num_layers=1, width=32, num_heads=2, vocab_size=V, max_length=L + PREFIX)
    optimiser = torch.optim.AdamW(made.parameters(), lr=1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        token_nats(made, seen_BL).mean().backward()
        optimiser.step()
    return made


@pytest.fixture(scope="module")
def tokens_BL() -> Tensor:
    """Members, then as many others."""
    return torch.randint(V, (2 * NUM, L), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def target(tokens_BL: Tensor) -> GPT:
    return trained(tokens_BL[:NUM], 0)


@pytest.fixture(scope="module")
def shadow_models(tokens_BL: Tensor) -> tuple[list[GPT], np.ndarray]:
    """Each document is in half of them, with another half each time."""
    first_B = np.arange(2 * NUM) % 2 == 0
    seen_SB = np.array([first_B, ~first_B] * (SHADOWS // 2))
    return [trained(tokens_BL[seen_B], 1 + n) for n, seen_B in enumerate(seen_SB)], seen_SB


def scored(model: GPT, tokens_BL: Tensor, *, from_position: int = 0) -> Documents:
    num_documents, length = tokens_BL.shape
    return documents(
        moments(model, tokens_BL),
        np.full(num_documents, length - from_position),
        zlib_bytes_B=zlib_bytes([bytes(row) for row in tokens_BL.tolist()]),
        from_position=from_position,
    )


def found(score_B: Floats) -> float:
    assert np.isfinite(score_B).all()
    return auroc(score_B[:NUM], score_B[NUM:])


@pytest.mark.parametrize(
    "score",
    [
        loss,
        zlib_ratio,
        lambda each: min_k(each, k_percent=20),
        lambda each: min_k_plus_plus(each, k_percent=20),
    ],
)
def test_scores_of_one_pass(
    score: Callable[[Documents], Floats], target: GPT, tokens_BL: Tensor
) -> None:
    assert found(score(scored(target, tokens_BL))) > 0.95


def test_scores_of_two_passes(target: GPT, tokens_BL: Tensor) -> None:
    documents = scored(target, tokens_BL)
    nats_B = documents.nats_per_token_B
    torch.manual_seed(1)
    untrained = GPT(num_layers=1, width=32, num_heads=2, vocab_size=V, max_length=L)
    others_B = scored(untrained, tokens_BL).nats_per_token_B
    assert found(reference(nats_B, others_B)) > 0.95
    prefix_BL = tokens_BL[-1:, :PREFIX].expand(2 * NUM, -1)
    behind = scored(target, torch.cat([prefix_BL, tokens_BL], dim=1), from_position=PREFIX)
    assert found(recall(nats_B, behind.nats_per_token_B)) > 0.8
    generator = np.random.default_rng(0)
    changed_WL = np.concatenate(
        [
            neighbours(
                row, tokens_BL.numpy().ravel(), num_neighbours=5, percent=15, generator=generator
            )
            for row in tokens_BL.numpy()
        ]
    )
    changed_W = scored(target, torch.from_numpy(changed_WL)).nats_per_token_B
    assert found(neighbourhood(nats_B, changed_W.reshape(2 * NUM, -1))) > 0.8


def test_the_gradient(target: GPT, tokens_BL: Tensor) -> None:
    assert found(gradient_norm(target, tokens_BL, np.full(2 * NUM, L))) > 0.95


def test_scores_of_shadow_models(
    target: GPT, shadow_models: tuple[list[GPT], np.ndarray], tokens_BL: Tensor
) -> None:
    models, trained_SB = shadow_models
    log_p_SB = np.array([loss(scored(model, tokens_BL)) for model in models])
    shadows = Shadows(log_p_SB=log_p_SB, trained_SB=trained_SB)
    log_p_B = loss(scored(target, tokens_BL))
    for fixed in (True, False):
        assert found(lira_online(log_p_B, shadows, fixed_variance=fixed)) > 0.95
        assert found(lira_offline(log_p_B, shadows, fixed_variance=fixed)) > 0.9
    population_BL = torch.randint(V, (50, L), generator=torch.Generator().manual_seed(9))
    unseen = Shadows(
        log_p_SB=np.array([loss(scored(model, population_BL)) for model in models]),
        trained_SB=np.zeros((SHADOWS, 50), dtype=bool),
    )
    population = loss(scored(target, population_BL)), offline_prior(unseen, a=1.0)
    for prior_B in (online_prior(shadows), offline_prior(shadows, a=0.3)):
        assert found(rmia(log_p_B, prior_B, *population, gamma=1.0)) > 0.9
