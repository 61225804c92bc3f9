"""Near-verbatim bounds and greedy recall against enumeration of all continuations there are."""

import itertools
import math
from functools import cache

import numpy as np
import pytest
import torch
from tests.measures.known import CPU, PLAIN, Listed
from torch import Tensor, nn

from rote.measures.discoverable import suffix_log_p
from rote.measures.near_verbatim import NearVerbatim, greedy_distances, longest_matches, near_log_p
from rote.measures.protocol import Measurement
from rote.measures.sampling import Sampler

V, S, D = 4, 8, 3
TOP_3 = Sampler(temperature=0.8, top_k=3, top_p=None)
TRUE_L = torch.tensor([2, 0, 1, 1, 3, 2, 0, 3, 1])  # a prefix of one token and the rest
FEW = 5  # tokens of a rest, where the beam is to hold every continuation


class Planted(nn.Module):
    """Logits by position and last token; those of the true tokens are ``boost`` higher."""

    def __init__(self, seed: int, boost: float) -> None:
        super().__init__()
        self.logits_LVV = torch.randn(S + 1, V, V, generator=torch.Generator().manual_seed(seed))
        self.logits_LVV[torch.arange(S + 1), :, TRUE_L] += boost

    def forward(self, inputs_BL: Tensor) -> Tensor:
        return self.logits_LVV[torch.arange(inputs_BL.shape[1]), inputs_BL]


# One training sequence, twice, and another one held out.
ROWS = Listed(TRUE_L.repeat(2, 1), (TRUE_L[None] + 1) % V, vocab_size=V)


@cache
def continuations(num_tokens: int) -> Tensor:
    return torch.tensor([*itertools.product(range(V), repeat=num_tokens)])


@cache
def distances(num_tokens: int, *, is_edit: bool) -> np.ndarray:
    """Distance of every continuation to the rest; edits by the whole table, written plainly."""
    said_NS, rest_S = continuations(num_tokens).numpy(), TRUE_L[1 : 1 + num_tokens].numpy()
    if not is_edit:
        return (said_NS != rest_S).sum(axis=1)
    table = {(0, column): np.full(len(said_NS), column) for column in range(num_tokens + 1)}
    for row in range(1, num_tokens + 1):
        table[row, 0] = np.full(len(said_NS), row)
        for column in range(1, num_tokens + 1):
            differs_N = said_NS[:, row - 1] != rest_S[column - 1]
            ways = (
                table[row - 1, column] + 1, table[row, column - 1] + 1,
                table[row - 1, column - 1] + differs_N,
            )  # fmt: skip
            table[row, column] = np.min(ways, axis=0)
    return table[num_tokens, num_tokens]


def truth(
    model: nn.Module, num_tokens: int, sampler: Sampler = PLAIN, *, is_edit: bool
) -> np.ndarray:
    """p of all continuations within each distance, [D + 1]."""
    suffixes_NS = continuations(num_tokens)
    rows_NL = torch.cat([TRUE_L[:1].expand(len(suffixes_NS), 1), suffixes_NS], dim=1)
    p_N = suffix_log_p(model, rows_NL, prefix_tokens=1, samplers=[sampler])[0].exp().numpy()
    near_N = distances(num_tokens, is_edit=is_edit)
    return np.array([p_N[near_N <= distance].sum() for distance in range(D + 1)])


def bound(
    model: nn.Module, num_tokens: int, num_beams: int, sampler: Sampler = PLAIN, *, is_edit: bool
) -> tuple[np.ndarray, int]:
    found, num_read = near_log_p(
        model, TRUE_L[None, : 1 + num_tokens], prefix_tokens=1, distance_tokens=D,
        sampler=sampler, num_beams=num_beams,
    )  # fmt: skip
    return found["edit" if is_edit else "hamming"][0].exp().numpy(), num_read


@pytest.mark.parametrize("is_edit", [False, True], ids=["hamming", "edit"])
@pytest.mark.parametrize("sampler", [PLAIN, TOP_3], ids=["plain", "top_3"])
def test_no_bound_exceeds_the_truth_and_enough_beams_reach_it(
    sampler: Sampler, is_edit: bool
) -> None:
    for seed, boost in itertools.product(range(3), (0.0, 2.0)):
        model = Planted(seed, boost)
        true_D = truth(model, FEW, sampler, is_edit=is_edit)
        for num_beams in (1, 4, 30):
            found_D, _ = bound(model, FEW, num_beams, sampler, is_edit=is_edit)
            assert (found_D <= true_D * (1 + 1e-6)).all()
            assert found_D[0] == pytest.approx(true_D[0], rel=1e-6)  # p_z, however few beams
        found_D, _ = bound(model, FEW, V**FEW, sampler, is_edit=is_edit)
        assert found_D == pytest.approx(true_D, rel=1e-6)


@pytest.mark.parametrize("is_edit", [False, True], ids=["hamming", "edit"])
def test_a_hundredth_of_the_passes_finds_more_than_half(is_edit: bool) -> None:
    """Of a memorised rest; one sample is the rest itself with p near one half."""
    # Enumeration, at its cheapest, reads every beginning of every continuation once.
    assert (enumerated_tokens := sum(V**length for length in range(S))) == 21_845
    for seed in range(4):
        model = Planted(seed, boost=4.0)
        true_D = truth(model, S, is_edit=is_edit)
        found_D, num_read = bound(model, S, 30, is_edit=is_edit)
        # The prefix, 4 and 16 beginnings, then 30 at each of five steps.
        assert num_read == 1 + 4 + 16 + 5 * 30 == 171
        assert num_read <= enumerated_tokens / 100
        assert (found_D >= true_D / 2).all(), (found_D, true_D)


@pytest.mark.parametrize("is_edit", [False, True], ids=["hamming", "edit"])
def test_bounds_rise_with_distance_and_with_beams(is_edit: bool) -> None:
    for seed, boost in itertools.product(range(3), (0.0, 2.0)):
        model = Planted(seed, boost)
        bounds = [bound(model, S, number, is_edit=is_edit)[0] for number in (1, 8, 64, 128)]
        assert (np.diff(bounds, axis=1) >= 0).all()
        assert (np.diff(bounds, axis=0) >= -1e-12).all()
        assert bounds[-1][D] > bounds[0][D]


def test_distances_are_those_of_the_whole_table() -> None:
    said_NS = continuations(FEW)
    rest_NS = TRUE_L[1 : 1 + FEW].expand(len(said_NS), -1)
    hamming_N, edit_N = (distances(FEW, is_edit=each) for each in (False, True))
    assert (greedy_distances(said_NS, rest_NS, reach=0).numpy() == hamming_N).all()
    assert (greedy_distances(said_NS, rest_NS, reach=FEW).numpy() == edit_N).all()
    narrow_N = greedy_distances(said_NS, rest_NS, reach=2).numpy()
    assert (narrow_N[edit_N <= 2] == edit_N[edit_N <= 2]).all() and (narrow_N >= edit_N).all()
    assert (edit_N < hamming_N).any()


def test_the_longest_match_may_stand_elsewhere() -> None:
    said_BS = torch.tensor([[9, 1, 2, 3, 9, 9], [1, 2, 9, 4, 5, 6], [7, 7, 7, 7, 7, 7]])
    rest_BS = torch.tensor([1, 2, 3, 4, 5, 6]).expand(3, -1)
    assert longest_matches(said_BS, rest_BS).tolist() == [3, 3, 0]


def measured(model: nn.Module) -> Measurement:
    measure = NearVerbatim(
        prefix_tokens=[1, 4], num_sequences=9, distances_tokens=[1, 2], sampler=PLAIN, num_beams=16
    )
    return measure(model, ROWS, seed=0, device=CPU)


def test_totals_add_up_what_the_arrays_hold() -> None:
    """Greedy decoding says the true rest, except for one wrong token."""
    model = Planted(0, boost=20.0)
    model.logits_LVV[4, :, TRUE_L[4]] -= 40.0
    result = measured(model)
    assert (result.totals["train_tried"], result.totals["heldout_tried"]) == (2, 1)
    assert result.arrays["train_greedy_hamming_tokens_1"].tolist() == [1, 1]
    assert result.arrays["train_greedy_edit_tokens_4"].tolist() == [1, 1]
    assert result.arrays["train_longest_match_tokens_1"].tolist() == [4, 4]
    assert result.totals["train_longest_match_tokens_1"] == 8
    assert result.totals["train_rest_tokens_1"] == 2 * S
    assert result.totals["train_greedy_exact_1"] == 0
    assert result.totals["train_greedy_hamming_1_1"] == result.totals["train_greedy_edit_1_1"] == 2
    assert result.totals["heldout_greedy_edit_2_1"] == 0
    assert result.totals["train_expected_exact_1"] < 1e-6
    assert result.totals["train_expected_hamming_1_1"] == pytest.approx(2, rel=1e-3)
    for name, log_p_N in result.arrays.items():
        if "log_p" in name:
            assert log_p_N.dtype == np.float64 and (log_p_N <= 0).all()
            total = result.totals[name.replace("log_p", "expected")]
            assert np.exp(log_p_N).sum() == pytest.approx(total)
    assert (result.arrays["train_log_p_edit_2_1"] >= result.arrays["train_log_p_hamming_2_1"]).all()
    assert result.totals["train_search_tokens"] > 0


def test_a_token_that_is_never_drawn_leaves_only_what_lies_beside_it() -> None:
    model = Planted(0, boost=20.0)
    model.logits_LVV[4, :, TRUE_L[4]] = -math.inf
    (hamming_D, _), (edit_D, _) = (bound(model, S, 8, is_edit=each) for each in (False, True))
    assert hamming_D[0] == edit_D[0] == 0.0
    assert hamming_D[1] == pytest.approx(1.0, rel=1e-3)


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured(Planted(1, boost=1.0))
    monkeypatch.setattr("rote.measures.near_verbatim.sequences_at_once", lambda *_, **__: 1)
    one_by_one = measured(Planted(1, boost=1.0))
    assert one_by_one.totals == whole.totals
    for name, array in one_by_one.arrays.items():
        np.testing.assert_array_equal(array, whole.arrays[name])
