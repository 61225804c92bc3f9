"""DC-PDD and the rarity of tokens, worked by hand."""

import numpy as np
import pytest
from tests.scores.conftest import MakeDocuments

from rote.scores.token_frequency import dc_pdd, rarity_nats

TOKENS = [np.array([0, 1, 0]), np.array([2])]
COUNTS_V = np.bincount(np.concatenate(TOKENS), minlength=4)


def test_only_first_occurrences_count_and_each_at_most_a_hundredth(made: MakeDocuments) -> None:
    """The other document is one token 2: f of 0 and 1 is (0 + 1) / (1 + 4), rarity ln 5."""
    documents = made([np.log([0.001, 0.5, 0.9]), np.log([0.002])])
    first = (0.001 * np.log(5) + 0.01) / 2
    second = 0.002 * np.log(7)  # beside three tokens, and four that are added
    assert dc_pdd(documents, TOKENS, COUNTS_V) == pytest.approx([first, second])


def test_rarity_is_the_mean_surprise_under_the_other_documents() -> None:
    more = [np.array([1, 1, 3]), *TOKENS]
    counts_V = np.bincount(np.concatenate(more), minlength=4)
    found = rarity_nats(more, counts_V)
    others = np.array([2, 1, 1, 0]) + 1  # of the first document: 0, 1, 0, 2
    surprise_V = -np.log(others / others.sum())
    assert found[0] == pytest.approx((2 * surprise_V[1] + surprise_V[3]) / 3)


def test_membership_has_no_part_in_the_frequencies() -> None:
    """Leaving one out: of documents drawn alike, members are as rare as a handful of others."""
    random = np.random.default_rng(0)
    documents = list(random.integers(50, size=(220, 20)))
    counts_V = np.bincount(np.concatenate(documents), minlength=50)
    found = rarity_nats(documents, counts_V)
    members, others = found[:20], found[20:]
    error = found.std() * np.sqrt(1 / 20 + 1 / 200)
    assert abs(members.mean() - others.mean()) < 3 * error
