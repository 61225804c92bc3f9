"""Probabilities of suffixes against counting by hand and against drawing."""

import math

import pytest
import torch

from rote.measures.sampling import Sampler

LOGITS = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()


def shares(**settings: float | int | None) -> list[float]:
    values = {"temperature": 1.0, "top_k": None, "top_p": None}
    return Sampler(**(values | settings)).log_probabilities(LOGITS[None, None]).exp()[0, 0].tolist()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.4, 0.3, 0.2, 0.1]),
        ({"temperature": 0.5}, [16 / 30, 9 / 30, 4 / 30, 1 / 30]),
        ({"top_k": 2}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_k": 9}, [0.4, 0.3, 0.2, 0.1]),
        ({"top_p": 0.6}, [4 / 7, 3 / 7, 0, 0]),  # the token that reaches 0.6 is kept
        ({"top_p": 0.3}, [1, 0, 0, 0]),
        ({"top_p": 1.0}, [0.4, 0.3, 0.2, 0.1]),
        ({"top_k": 3, "top_p": 0.5}, [4 / 7, 3 / 7, 0, 0]),  # 4/9 of the three do not reach 0.5
        ({"temperature": 0.5, "top_p": 0.6}, [16 / 25, 9 / 25, 0, 0]),
    ],
)
def test_shares_are_those_worked_by_hand(settings: dict[str, float], expected: list[float]) -> None:
    assert shares(**settings) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.95, 1.0])
def test_few_tokens_tried_first_change_nothing(
    top_p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits_BSV = 3 * torch.randn(2, 9, 50, generator=torch.Generator().manual_seed(0))
    sampler = Sampler(temperature=1.0, top_k=None, top_p=top_p)
    whole_BSV = sampler.log_probabilities(logits_BSV)
    monkeypatch.setattr("rote.measures.sampling.FEW", 5)
    assert torch.equal(sampler.log_probabilities(logits_BSV[:, :1]), whole_BSV[:, :1])
    assert torch.equal(sampler.log_probabilities(logits_BSV), whole_BSV)
    assert (whole_BSV > -torch.inf).any(dim=-1).all()


def test_equal_logits_are_kept_together() -> None:
    sampler = Sampler(temperature=1.0, top_k=2, top_p=None)
    logs = sampler.log_probabilities(torch.tensor([[[1.0, 0.0, 0.0, -9.0]]]))
    assert logs.exp()[0, 0, 1] == logs.exp()[0, 0, 2] > 0
    assert logs[0, 0, 3] == -torch.inf


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature must be a number above 0, got 0.0"),
        ({"temperature": math.nan}, "temperature must be a number above 0, got nan"),
        ({"top_k": 0}, "top_k must be a whole number from 1 up, got 0"),
        ({"top_p": 1.1}, "top_p must be a number above 0 and up to 1, got 1.1"),
    ],
)
def test_nonsense_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shares(**settings)
