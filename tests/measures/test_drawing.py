"""Samples whose random numbers are known, against shares by hand and a plain second way."""

import pytest
import torch
from tests.measures.known import PLAIN, Fixed
from tests.models.parity import noisy
from torch import Tensor
from torch.nn import functional

from rote.measures.discoverable import suffix_log_p
from rote.measures.drawing import Drawing, drawn
from rote.measures.sampling import Sampler
from rote.models.gpt import GPT

V = 4
SHARES = torch.tensor([0.1, 0.2, 0.3, 0.4])
SAYS = Fixed(SHARES.log().tolist())


def drawing(sampler: Sampler = PLAIN, **settings: float | int | None) -> Drawing:
    values = {"first_temperature": None, "decay_tokens": 0, "prompt_tokens": 0}
    return Drawing(sampler=sampler, **(values | settings))  # type: ignore[arg-type]


def said(how: Drawing, uniform_NS: Tensor) -> Tensor:
    nothing_NP = torch.empty(len(uniform_NS), 0, dtype=torch.int64)
    return drawn(SAYS, nothing_NP, uniform_NS, how, vocab_size=V)


def test_evenly_spread_numbers_give_each_token_its_share() -> None:
    even_NS = (torch.arange(1000, dtype=torch.float64)[:, None] + 0.5) / 1000
    assert said(drawing(), even_NS)[:, 0].bincount().tolist() == [100, 200, 300, 400]
    # At temperature 1/2 shares are squared: 1, 4, 9 and 16 of 30.
    cold = drawing(Sampler(temperature=0.5, top_k=None, top_p=None))
    assert said(cold, even_NS)[:, 0].bincount().tolist() == [33, 134, 300, 533]


def test_what_is_cut_is_never_drawn() -> None:
    edges_NS = torch.tensor([[0.0], [1.0 - 2.0**-53]], dtype=torch.float64)
    of_two = drawing(Sampler(temperature=1.0, top_k=2, top_p=None))
    assert said(of_two, edges_NS).tolist() == [[2], [3]]
    assert said(drawing(), edges_NS).tolist() == [[0], [3]]


def test_the_temperature_falls_to_the_samplers_own() -> None:
    how = drawing(first_temperature=10.0, decay_tokens=20)
    temperatures = [how.sampler_at(position).temperature for position in (0, 10, 19, 20, 50)]
    assert temperatures == pytest.approx([10.0, 5.5, 1.45, 1.0, 1.0])
    # Hot, a number of 0.2 falls on token 0 no more: its share is (0.1)^0.1 of all, 0.228.
    numbers_NS = torch.full((1, 21), 0.2, dtype=torch.float64)
    tokens = said(how, numbers_NS)[0].tolist()
    assert (tokens[0], tokens[20]) == (0, 1)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_each_sequence_is_what_it_is_when_drawn_alone(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against one that reads everything anew for each token."""
    monkeypatch.setattr("rote.measures.drawing.sequences_at_once", lambda *_, **__: size)
    torch.manual_seed(0)
    gpt = noisy(GPT(num_layers=2, width=16, num_heads=2, vocab_size=9, max_length=10), 0.3)
    prompts_NP = torch.randint(9, (7, 3))
    uniform_NS = torch.rand(7, 6, dtype=torch.float64)
    how = drawing(first_temperature=3.0, decay_tokens=2, prompt_tokens=3)
    found_NL = drawn(gpt, prompts_NP, uniform_NS, how, vocab_size=9)
    for prompt_P, uniform_S, found_L in zip(prompts_NP, uniform_NS, found_NL, strict=True):
        tokens_L = prompt_P
        for temperature, number in zip([3.0, 2.0, 1, 1, 1, 1], uniform_S.tolist(), strict=True):
            logits_V = gpt(functional.pad(tokens_L[None], (1, 0)))[0, -1].double()
            shares = (logits_V / temperature).softmax(-1).tolist()
            token = next(n for n in range(9) if sum(shares[: n + 1]) > number)
            tokens_L = torch.cat([tokens_L, torch.tensor([token])])
        assert found_L.tolist() == tokens_L.tolist()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"decay_tokens": -1}, "decay_tokens must be a whole number from 0 up, got -1"),
        ({"prompt_tokens": 0.5}, "prompt_tokens must be a whole number from 0 up, got 0.5"),
        ({"first_temperature": 10.0}, "first_temperature needs decay_tokens of 1 or more"),
        ({"first_temperature": 0.0, "decay_tokens": 2}, "temperature must be a number above 0"),
    ],
)
def test_nonsense_is_refused(settings: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        drawing(**settings)


@pytest.mark.parametrize("sampler", [PLAIN, Sampler(temperature=0.7, top_k=2, top_p=0.9)])
def test_suffixes_are_drawn_as_often_as_their_probability_says(sampler: Sampler) -> None:
    """What `drawn` does and what `suffix_log_p` claims, for all continuations of one prefix."""
    torch.manual_seed(0)
    gpt = noisy(GPT(num_layers=1, width=16, num_heads=2, vocab_size=3, max_length=6), 0.5)
    number, prompt_P = 4000, torch.tensor([2, 0])
    uniform_NS = torch.rand(number, 3, dtype=torch.float64)
    said_NL = drawn(gpt, prompt_P.expand(number, -1), uniform_NS, drawing(sampler), vocab_size=3)
    places = torch.tensor([9, 3, 1])
    counts = (said_NL[:, 2:] * places).sum(dim=1).bincount(minlength=27).tolist()
    suffixes_NS = torch.cartesian_prod(*[torch.arange(3)] * 3)
    rows_NL = torch.cat([prompt_P.expand(27, -1), suffixes_NS], dim=1)
    (p_N,) = suffix_log_p(gpt, rows_NL, prefix_tokens=2, samplers=[sampler]).exp()
    assert p_N.sum().item() == pytest.approx(1.0, abs=1e-6)
    for count, p in zip(counts, p_N.tolist(), strict=True):
        assert abs(count - number * p) <= 4 * (number * p * (1 - p)) ** 0.5


def test_the_top_of_the_distribution_is_its_last_token() -> None:
    """Also 1 itself, to which float32 rounds the greatest float64 below it."""
    below = 1.0 - 2.0**-53
    tops_NS = torch.tensor([[below, 1.0]], dtype=torch.float64)
    assert tops_NS.float().tolist() == [[1.0, 1.0]]
    assert said(drawing(), tops_NS).tolist() == [[V - 1, V - 1]]
    assert said(drawing(), tops_NS.float()).tolist() == [[V - 1, V - 1]]
