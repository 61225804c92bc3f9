"""Ranks of canaries with known answers, and a real run that has learnt them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import COMPOSER, TINY
from tests.measures.known import CPU, Fixed
from tests.tasks.bytetext import ByteText
from torch import Tensor, nn

from rote.analysis.quantities.exposure import compare_with_chance, exposures
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.measures.exposure import Exposure
from rote.run.execute import execute
from rote.tasks.canaries.task import Canaries
from rote.tasks.uniform import Uniform

V = 6
TEXT = ByteText(num_sequences=5, length=64, vocab_size=256, num_heldout_sequences=1)


def planted(**changes: Any) -> Canaries:
    base = Uniform(num_sequences=5, length=12, vocab_size=V, num_heldout_sequences=1)
    values: dict[str, Any] = {
        "base": base, "kinds": ["tokens"], "secret_length": 3, "repeats": [2], "num_each": 4,
        "num_controls": 6,
    }  # fmt: skip
    return Canaries(**(values | changes))


def measured(task: Canaries, model: nn.Module, **settings: int) -> dict[str, np.ndarray]:
    measure = Exposure(**({"exact_up_to": V**3, "num_references": 100} | settings))
    return dict(measure(model, task, seed=1, device=CPU).arrays)


def test_ranks_are_those_of_counting_by_hand() -> None:
    """Tokens' bits are whole numbers, so that equal code lengths are equal exactly."""
    costs = [2, 2, 2, 3, 4, 4]  # 2^-cost adds up to 1
    logits = [-cost * np.log(2) for cost in costs]
    task = planted()
    arrays = measured(task, Fixed(logits))
    everything = [a + b + c for a in costs for b in costs for c in costs]
    for place, canary in enumerate(task.manifest(1).canaries):
        own = sum(costs[token] for token in canary.secret)
        as_likely = sum(other <= own for other in everything) - 1
        assert arrays["num_as_likely"][place] == pytest.approx(as_likely, abs=0)
        template = sum(costs[token] for token in canary.before)
        assert arrays["code_bits"][place] == pytest.approx(template + own, rel=1e-6)
    assert arrays["is_exact"].all()
    assert arrays["repeats"].tolist() == [2] * 4 + [0] * 6
    assert arrays["secret_bits"] == pytest.approx(np.full(10, 3 * np.log2(V)))
    assert arrays["reference_code_bits"].shape == (10 * (V**3 - 1),)


def test_a_model_that_knows_nothing_exposes_nothing() -> None:
    arrays = measured(planted(), Fixed([0.0] * V))
    assert exposures(arrays).bits_K == pytest.approx(np.zeros(10), abs=1e-9)


def test_references_are_drawn_where_there_are_too_many_and_never_the_canary_itself() -> None:
    task = planted(secret_length=1, num_controls=40)
    arrays = measured(task, Fixed([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), exact_up_to=2, num_references=64)
    assert not arrays["is_exact"].any()
    assert (arrays["num_references"] == 64).all()
    references_KR = arrays["reference_code_bits"].reshape(-1, 64)
    assert (references_KR != arrays["code_bits"][:, None]).all()
    likeliest = np.array([one.secret == (5,) for one in task.manifest(1).canaries])
    assert (arrays["num_as_likely"][likeliest] == 0).all()
    assert (arrays["num_as_likely"][~likeliest] > 0).all()


def test_only_the_canarys_own_tokens_count_however_long_the_others_are() -> None:
    """Words differ in length: a uniform guesser must charge eight bits for each byte."""
    task = planted(base=TEXT, kinds=["words"], secret_length=2, num_each=1, num_controls=1)
    arrays = measured(task, Fixed([0.0] * 256), num_references=50)
    for canary, code in zip(task.manifest(1).canaries, arrays["code_bits"], strict=True):
        sentence = f"{canary.before}{canary.secret}{canary.after}"
        assert code == pytest.approx(8 * len(sentence))
    assert len(set(arrays["reference_code_bits"].tolist())) > 3
    assert arrays["reference_code_bits"] % 8 == pytest.approx(np.zeros(100), abs=1e-3)


class Recites(nn.Module):
    """Expects, after each token, the one that came next in some sentences; they must agree."""

    def __init__(self, rows: Sequence[Sequence[int]], vocab_size: int) -> None:
        super().__init__()
        self.rows, self.vocab_size = rows, vocab_size

    def forward(self, tokens_BL: Tensor) -> Tensor:
        logits_BLV = torch.zeros(*tokens_BL.shape, self.vocab_size)
        for row_LV, tokens_L in zip(logits_BLV, tokens_BL[:, 1:].tolist(), strict=True):
            for position in range(len(row_LV)):
                known = (r for r in self.rows if list(r[:position]) == tokens_L[:position])
                row = next(known, ())
                if position < len(row):
                    row_LV[position, row[position]] = 5.0
        return logits_BLV


def test_extracted_is_what_greedy_decoding_recites_to_its_end() -> None:
    task = planted(base=TEXT, kinds=["words"], secret_length=1, num_each=3, num_controls=1)
    whole, cut, other, control = task.manifest(1).canaries
    rows = [
        whole.tokens(whole.secret, task.encode),
        cut.tokens(cut.secret, task.encode)[:-1],  # does not know where the secret ends
        other.tokens(other.secret[:-1] + "#", task.encode),
    ]
    assert rows[0][whole.first_of_secret(task.encode) :] == list(f"{whole.secret}.".encode())
    arrays = measured(task, Recites(rows, 256), exact_up_to=0, num_references=1)
    assert arrays["is_extracted"].tolist() == [1, 0, 0, 0]
    assert control.is_control


def test_tokens_that_reach_into_the_secret_are_not_given_away() -> None:
    """A tokeniser may join the template's last space with the secret's first letter."""
    canary = planted(
        base=TEXT, kinds=["words"], secret_length=1, num_each=1
    ).manifest(0).canaries[0]  # fmt: skip

    def by_pairs(text: str) -> list[int]:
        return [hash(text[i : i + 2]) for i in range(0, len(text), 2)]

    assert canary.first_of_secret(lambda text: list(text.encode())) == len(canary.before)
    shared = canary.first_of_secret(by_pairs)
    assert len(canary.before) // 2 <= shared <= (len(canary.before) + 1) // 2
    assert by_pairs(canary.before)[:shared] == by_pairs(canary.filled(canary.secret))[:shared]


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Fixed([0.0, 0.3, 0.1, 0.7, 0.2, 0.9])
    whole = measured(planted(), model)
    monkeypatch.setattr("rote.measures.cost.CPU_LOGITS_PER_BATCH", 101 * V * 9)
    for key, array in measured(planted(), model).items():
        np.testing.assert_array_equal(array, whole[key])


def test_a_task_without_canaries_is_refused() -> None:
    measure = Exposure(exact_up_to=10, num_references=10)
    with pytest.raises(ValueError, match="Uniform holds none: use task=canaries"):
        measure.check(planted().base)


def test_what_was_repeated_is_exposed_more_and_controls_no_more_than_by_chance(
    store: Store,
) -> None:
    own = [override for override in TINY if not override.startswith("task.")]
    spec = Spec.from_config(
        COMPOSER.config(
            [
                *own, "task=canaries", "task.base.num_sequences=96", "task.base.length=8",
                "task.base.vocab_size=16", "task.base.num_heldout_sequences=4",
                "task.secret_length=2", "task.repeats=[1,16]", "task.num_controls=40",
                "measure=[cost,exposure]", "budget.max_steps=200", "budget.batch_size=32",
                "optim.optimiser.lr=1e-2",
            ]
        )
    )  # fmt: skip
    record = execute(spec, store)
    assert record.measures["exposure"] == {
        "canaries": 48, "controls": 40, "references": 48 * 255,
    }  # fmt: skip
    found = exposures(store.run(spec.run_id).arrays())
    means = found.at_repeats
    assert list(means) == [0, 1, 16]
    assert means[16].value > means[1].value + 0.5
    assert means[16].value > 7  # of 8
    assert compare_with_chance(found.bits_K[found.is_control_K]).p_value > 1e-3
