"""ln p of a true rest against counting by hand, against drawing, and in real runs."""

import math

import numpy as np
import pytest
import torch
from tests.conftest import MakeSpec
from tests.measures.known import CPU, PLAIN, Fixed, Listed
from tests.models.parity import noisy
from torch import nn

from rote.analysis.quantities.generations import num_extractable
from rote.ledger.store import Store
from rote.measures.discoverable import Discoverable, suffix_log_p
from rote.measures.protocol import Measurement
from rote.measures.sampling import Sampler
from rote.models.gpt import GPT
from rote.run.execute import execute

V, S = 4, 6
TOP_2 = Sampler(temperature=1.0, top_k=2, top_p=None)
TOP_P = Sampler(temperature=0.5, top_k=None, top_p=0.6)
SHARES = torch.tensor([0.4, 0.3, 0.2, 0.1])


SAYS = Fixed(SHARES.log().tolist())
# Three training rows, likelier and less likely ones, and the least likely one held out.
ROWS = torch.tensor([[3, 3, 0, 0, 0, 0], [3, 3, 0, 1, 0, 1], [0, 0, 0, 0, 2, 0]])
TASK = Listed(ROWS, torch.full((1, S), 3), vocab_size=V)


def measured(num_beams: int | None = None, num_sequences: int = 9) -> Measurement:
    measure = Discoverable(
        prefix_tokens=[2, 4],
        num_sequences=num_sequences,
        samplers={"plain": PLAIN, "top_2": TOP_2},
        num_beams=num_beams,
    )
    return measure(SAYS, TASK, seed=0, device=CPU)


def test_logarithms_are_those_worked_by_hand() -> None:
    result = measured()
    plain = [4 * math.log(0.4), 2 * math.log(0.4 * 0.3), math.log(0.4**3 * 0.2)]
    assert result.arrays["train_log_p_plain_2"] == pytest.approx(plain, rel=1e-6)
    assert result.arrays["train_log_p_plain_2"].dtype == np.float64
    assert result.arrays["train_log_p_plain_4"] == pytest.approx(
        [2 * math.log(0.4), math.log(0.4 * 0.3), math.log(0.2 * 0.4)], rel=1e-6
    )
    of_two = [4 * math.log(4 / 7), 2 * math.log(4 / 7 * 3 / 7), -math.inf]
    assert result.arrays["train_log_p_top_2_2"] == pytest.approx(of_two, rel=1e-6)
    assert result.arrays["heldout_log_p_top_2_2"].tolist() == [-math.inf]
    assert result.totals["train_expected_top_2_2"] == pytest.approx((4 / 7) ** 4 + (12 / 49) ** 2)
    assert result.totals["heldout_expected_top_2_2"] == 0.0
    assert (result.totals["train_tried"], result.totals["heldout_tried"]) == (3, 1)
    assert all(math.isfinite(total) for total in result.totals.values())


def test_beams_are_asked_where_they_are_wanted() -> None:
    assert not any("beam" in name for name in measured().arrays)
    result = measured(num_beams=2)
    # Behind any two tokens the beams are 0000 and, of equally likely ones, 0001.
    assert result.arrays["train_beam_rank_2"].tolist() == [0, -1, -1]
    assert result.arrays["train_beam_rank_4"].tolist() == [0, 1, -1]
    assert result.totals["train_beam_first_4"] == 1
    assert result.totals["train_beam_among_4"] == 2
    assert result.totals["heldout_beam_among_4"] == 0


def test_only_the_first_sequences_are_tried() -> None:
    result = measured(num_beams=2, num_sequences=2)
    assert {len(array) for name, array in result.arrays.items() if "train" in name} == {2}
    assert result.totals["train_tried"] == 2


@pytest.mark.parametrize("sampler", [PLAIN, TOP_2, TOP_P], ids=["plain", "top_2", "top_p"])
def test_one_pass_gives_what_each_distribution_gives_alone(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of three positions, against the sampler on whole logits."""
    monkeypatch.setattr("rote.scores.forward.CPU_CHUNK_LOGITS", 3 * V)
    torch.manual_seed(0)
    gpt = noisy(GPT(num_layers=1, width=16, num_heads=2, vocab_size=V, max_length=S), 0.3)
    tokens_BL = torch.randint(V, (7, S))
    found_KB = suffix_log_p(gpt, tokens_BL, prefix_tokens=3, samplers=[PLAIN, sampler])
    with torch.inference_mode():
        logits_BLV = gpt(nn.functional.pad(tokens_BL[:, :-1], (1, 0)))
        log_p_BLV = sampler.log_probabilities(logits_BLV[:, 3:]).double()
        expected_B = log_p_BLV.gather(-1, tokens_BL[:, 3:, None]).sum(dim=(1, 2))
    assert found_KB.dtype == torch.float64
    torch.testing.assert_close(found_KB[1], expected_B, rtol=1e-5, atol=0)


def test_a_long_rest_does_not_underflow() -> None:
    tokens_1L = torch.full((1, 2000), 3)
    (found_1,) = suffix_log_p(SAYS, tokens_1L, prefix_tokens=0, samplers=[PLAIN])
    assert found_1.item() == pytest.approx(2000 * math.log(0.1), rel=1e-6)


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured(num_beams=2).arrays
    monkeypatch.setattr("rote.measures.cost.CPU_LOGITS_PER_BATCH", V * S)
    monkeypatch.setattr("rote.measures.discoverable.sequences_at_once", lambda *_, **__: 2)
    for name, array in measured(num_beams=2).arrays.items():
        np.testing.assert_array_equal(array, whole[name])


def test_a_model_that_has_memorised_says_its_sequences_in_one_draw(
    tiny: MakeSpec, store: Store
) -> None:
    shape = (
        "measure=[discoverable]", "task.num_sequences=8", "measure.discoverable.num_beams=4",
        "measure.discoverable.prefix_tokens=[3,5]", "optim.optimiser.lr=1e-2", "size.width=32",
    )  # fmt: skip
    memorised = execute(tiny("budget.max_steps=800", *shape), store)
    totals = memorised.measures["discoverable"]
    arrays = store.run(memorised.run_id).arrays()
    for sampler in ("plain", "top_k", "top_p"):
        log_p_N = arrays[f"discoverable.train_log_p_{sampler}_3"]
        assert len(log_p_N) == 8
        assert np.exp(log_p_N).min() > 0.9
        assert totals[f"train_expected_{sampler}_3"] == pytest.approx(np.exp(log_p_N).sum())
        assert num_extractable(log_p_N, 1, 0.9) == 8
        heldout_N = arrays[f"discoverable.heldout_log_p_{sampler}_3"]
        assert num_extractable(heldout_N, 1, 0.1) == 0
    assert totals["train_beam_first_3"] == totals["train_beam_among_3"] == 8
    assert totals["heldout_beam_first_3"] == 0
    new = execute(tiny("budget.max_steps=1", *shape), store)
    assert new.measures["discoverable"]["train_expected_plain_3"] < 0.1
