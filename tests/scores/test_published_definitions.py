"""Scores as the papers' code computes them, on documents of different length."""

import zlib

import numpy as np
import pytest
from scipy.stats import spearmanr
from tests.scores.conftest import MakeDocuments

from rote.scores.likelihood import loss, reference, zlib_bytes, zlib_ratio

NUM = 2000


@pytest.mark.slow
def test_zlib_and_reference_do_not_know_how_long_a_document_is(made: MakeDocuments) -> None:
    """Carlini et al. 2021 rank by zlib's size over the log of the perplexity, a mean.

    Words cost 1 to 8 nats each, independently of how many there are, under both models.
    """
    random = np.random.default_rng(0)
    words = [f"w{n}" for n in range(200)]
    lengths = random.integers(5, 400, NUM)
    texts = [" ".join(random.choice(words, length)).encode() for length in lengths]
    rows = [-random.uniform(1, 8) * random.exponential(1, length) for length in lengths]
    documents = made([list(row) for row in rows], zlib_bytes=zlib_bytes(texts).tolist())
    log_perplexity = np.array([-row.mean() for row in rows])
    sizes = np.array([len(zlib.compress(text)) for text in texts])
    np.testing.assert_allclose(zlib_ratio(documents), -log_perplexity / sizes)
    ranks = spearmanr(zlib_ratio(documents), sizes / log_perplexity).statistic
    assert ranks == pytest.approx(1.0)
    summed = np.array([row.sum() for row in rows]) / sizes
    assert spearmanr(zlib_ratio(documents), summed).statistic < 0.5
    harder = -loss(documents) + random.normal(0, 1, NUM)
    apart = np.abs(reference(-loss(documents), harder))  # of sums it would grow with the length
    assert abs(spearmanr(apart, lengths).statistic) < 0.1
