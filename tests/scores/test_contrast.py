"""Scores that compare two passes: by hand, and higher for members."""

import numpy as np

from rote.scores.likelihood import lowercase, neighbourhood, recall, reference


def test_reference_subtracts_mean_losses() -> None:
    nats_B, others_B = np.array([2.0, 3.0]), np.array([5.0, 2.5])
    np.testing.assert_allclose(reference(nats_B, others_B), [3.0, -0.5])


def test_ratios_are_higher_where_the_other_text_costs_more() -> None:
    alone_B, other_B = np.array([1.0, 2.0]), np.array([1.5, 1.5])
    for score in (lowercase, recall):
        np.testing.assert_allclose(score(alone_B, other_B), [1.5, 0.75], rtol=1e-7)


def test_neighbourhood_is_how_much_worse_neighbours_are() -> None:
    nats_B, others_BW = np.array([1.0, 3.0]), np.array([[2.0, 4.0], [1.0, 2.0]])
    np.testing.assert_allclose(neighbourhood(nats_B, others_BW), [2.0, -1.5])


def test_ratios_of_a_certain_model_are_defined() -> None:
    certain_B, unsure_B = np.array([0.0]), np.array([1.0])
    assert lowercase(certain_B, certain_B) == [1.0]
    assert np.isfinite(recall(certain_B, unsure_B)).all()
