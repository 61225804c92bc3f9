"""Scores of a single pass, worked by hand or by a slower second way."""

import zlib

import numpy as np
import pytest
from tests.scores.conftest import MakeDocuments

from rote.scores.documents import LEAST_SPREAD_NATS
from rote.scores.likelihood import loss, min_k, min_k_plus_plus, zlib_bytes, zlib_ratio

LOG_P = [[-1.0, -2.0, -6.0], [-4.0], [-0.5, -0.5, -0.5, -0.5, -8.0]]


def test_loss_is_the_mean_over_tokens_whatever_pads_them(made: MakeDocuments) -> None:
    np.testing.assert_allclose(loss(made(LOG_P)), [-3.0, -4.0, -2.0])


def test_zlib_divides_the_mean_log_likelihood_by_compressed_bytes(made: MakeDocuments) -> None:
    texts = [b"a" * 1000, b"", "déjà vu".encode()]
    sizes = zlib_bytes(texts)
    assert sizes.tolist() == [len(zlib.compress(text)) for text in texts]
    assert sizes[1] == 8 and sizes[0] < 30
    found = zlib_ratio(made(LOG_P, zlib_bytes=[10, 8, 20]))
    np.testing.assert_allclose(found, [-3.0 / 10, -4.0 / 8, -2.0 / 20])
    twice = zlib_ratio(made([LOG_P[0] * 2], zlib_bytes=[10]))  # the sum would be twice as much
    np.testing.assert_allclose(twice, found[:1])
    with pytest.raises(ValueError, match="needs the text"):
        zlib_ratio(made(LOG_P))


def brute_force(values: list[float], k_percent: int) -> float:
    kept = sorted(values)[: max(1, len(values) * k_percent // 100)]
    return sum(kept) / len(kept)


@pytest.mark.parametrize("k_percent", [1, 20, 29, 40, 99, 100])
def test_min_k_against_sorting_each_document(k_percent: int, made: MakeDocuments) -> None:
    generator = np.random.default_rng(0)
    log_p = [list(-generator.exponential(2, n)) for n in (1, 2, 5, 10, 64, 100)]
    mean = [list(-generator.exponential(2, len(row))) for row in log_p]
    spread = [list(0.1 + generator.random(len(row))) for row in log_p]
    documents = made(log_p, mean, spread)
    np.testing.assert_allclose(
        min_k(documents, k_percent=k_percent), [brute_force(row, k_percent) for row in log_p]
    )
    standard = [
        [(x - mu) / sigma for x, mu, sigma in zip(*rows, strict=True)]
        for rows in zip(log_p, mean, spread, strict=True)
    ]
    np.testing.assert_allclose(
        min_k_plus_plus(documents, k_percent=k_percent),
        [brute_force(row, k_percent) for row in standard],
    )


def test_min_k_counts_tokens_in_whole_percents(made: MakeDocuments) -> None:
    """29 % of 100 tokens are 29; int(0.29 * 100) would be 28."""
    (found,) = min_k(made([[-1.0] * 71 + [-2.0] * 28 + [-3.0]]), k_percent=29)
    assert found == pytest.approx(-(28 * 2 + 3) / 29)


def test_one_token_and_no_spread_are_defined(made: MakeDocuments) -> None:
    documents = made([[-2.0]], [[-2.0]], [[0.0]])
    assert min_k(documents, k_percent=20) == [-2.0]
    assert min_k_plus_plus(documents, k_percent=20) == [0.0]
    surprised = made([[-2.0]], [[-1.0]], [[0.0]])
    assert min_k_plus_plus(surprised, k_percent=20) == [-1 / LEAST_SPREAD_NATS]


@pytest.mark.parametrize("k_percent", [0, 101, 0.2])
def test_other_shares_are_refused(k_percent: float, made: MakeDocuments) -> None:
    with pytest.raises(ValueError, match="k_percent must be a whole number from 1 to 100"):
        min_k(made(LOG_P), k_percent=k_percent)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("log_p", "message"),
    [
        ([[-1.0], []], "document 1 has 0 tokens"),
        ([[-1.0], [-1.0, -np.inf]], "document 1: the model gives no finite probability"),
    ],
)
def test_documents_without_a_score_are_refused(
    log_p: list[list[float]], message: str, made: MakeDocuments
) -> None:
    with pytest.raises(ValueError, match=message):
        made(log_p)
