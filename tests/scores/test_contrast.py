"""Scores that compare two passes: by hand, and higher for members."""

import numpy as np
import pytest
from tests.scores.conftest import MakeDocuments

from rote.scores.contrast import lowercase, neighbourhood, recall, reference


def test_reference_subtracts_whole_log_likelihoods(made: MakeDocuments) -> None:
    target, other = made([[-1.0, -1.0], [-3.0]]), made([[-4.0, -1.0], [-2.5]])
    np.testing.assert_allclose(reference(target, other), [3.0, -0.5])
    with pytest.raises(ValueError, match="another tokeniser"):
        reference(target, made([[-4.0], [-2.5]]))


def test_lowercase_compares_perplexities_of_texts_of_other_lengths(made: MakeDocuments) -> None:
    original, lowered = made([[-1.0, -3.0]]), made([[-2.0, -4.0, -6.0]])
    np.testing.assert_allclose(lowercase(original, lowered), [4 / 2], rtol=1e-7)


def test_recall_is_higher_where_a_prefix_costs_more(made: MakeDocuments) -> None:
    alone, behind = made([[-1.0, -1.0], [-2.0, -2.0]]), made([[-2.0, -1.0], [-2.0, -1.0]])
    np.testing.assert_allclose(recall(alone, behind), [1.5, 0.75], rtol=1e-7)


def test_neighbourhood_is_how_much_worse_neighbours_are(made: MakeDocuments) -> None:
    documents = made([[-1.0], [-3.0, -3.0]])
    neighbours = made([[-2.0], [-4.0, -4.0], [-1.0], [-2.0]])
    np.testing.assert_allclose(neighbourhood(documents, neighbours), [2.0, -1.5])
    with pytest.raises(ValueError, match="3 neighbours do not go into 2 documents"):
        neighbourhood(documents, made([[-2.0]] * 3))


def test_ratios_of_a_certain_model_are_defined(made: MakeDocuments) -> None:
    certain, unsure = made([[0.0]]), made([[-1.0]])
    assert lowercase(certain, certain) == [1.0]
    assert np.isfinite(recall(certain, unsure)).all()
