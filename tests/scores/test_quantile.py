"""Linear quantile regression on planted scores."""

import numpy as np
import pytest

from rote.analysis.quantities.roc import auroc
from rote.scores.quantile import FALSE_POSITIVE_RATE, above_quantile


def test_without_features_it_is_the_quantile_of_known_non_members() -> None:
    known = np.random.default_rng(0).permutation(np.arange(101.0))
    found = above_quantile(np.array([95.0, 100.0]), np.ones((2, 1)), known, np.ones((101, 1)))
    assert found == pytest.approx([0.0, 5.0])


def test_a_planted_plane_comes_back_and_the_promised_share_lies_above() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(600, 2))
    scores = 3 + features @ [2.0, -1.0] + random.exponential(1, 600)
    above = above_quantile(scores[200:], features[200:], scores[:200], features[:200])
    assert (above > 0).mean() == pytest.approx(FALSE_POSITIVE_RATE, abs=0.04)
    assert np.corrcoef(scores, features[:, 0])[0, 1] > 0.7
    assert abs(np.corrcoef(above, features[200:, 0])[0, 1]) < 0.5


def test_features_that_explain_the_score_make_members_stand_out() -> None:
    """A member gains 1; documents differ by 5 in ways that the features know."""
    random = np.random.default_rng(2)
    hardness = 5 * random.normal(size=(700, 1))
    scores = hardness[:, 0] + random.normal(size=700)
    scores[400:] += 1
    known = scores[:200], hardness[:200]
    found = above_quantile(scores[200:], hardness[200:], *known)
    assert auroc(found[200:], found[:200]) > 0.7
    assert auroc(scores[400:], scores[200:400]) < 0.65


def test_too_few_known_non_members_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 40 known non-members, got 39"):
        above_quantile(np.zeros(2), np.zeros((2, 1)), np.zeros(39), np.zeros((39, 1)))
