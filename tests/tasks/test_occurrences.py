"""Counts of strings against counting by hand and by brute force."""

import numpy as np
import pytest

from rote.tasks.occurrences import OccurrenceCount, Occurrences


def test_overlapping_matches_count_and_none_spans_two_documents() -> None:
    index = Occurrences.of_bytes([b"banana", b"bandana", b"nab"])
    assert index.count_bytes(b"ana") == OccurrenceCount(occurrences=3, documents=2)
    assert index.count_bytes(b"an") == OccurrenceCount(occurrences=4, documents=2)
    assert index.count_bytes(b"ab") == OccurrenceCount(
        occurrences=1, documents=1
    )  # not of banana|bandana
    assert index.count_bytes(b"bandana") == OccurrenceCount(occurrences=1, documents=1)
    assert index.count_bytes(b"x") == OccurrenceCount(occurrences=0, documents=0)
    assert index.count_bytes(b"bandanana") == OccurrenceCount(occurrences=0, documents=0)


@pytest.mark.parametrize("vocab_size", [2, 300, 70_000])
def test_tokens_are_counted_as_brute_force_counts_them(vocab_size: int) -> None:
    """Few symbols, so that strings repeat; 70,000 take four bytes, of which parts repeat too."""
    random = np.random.default_rng(0)
    symbols = np.array([0, 1]) if vocab_size == 2 else np.array([0, 1, 256, vocab_size - 1])
    rows = [random.choice(symbols, size=random.integers(0, 30)).tolist() for _ in range(40)]
    index = Occurrences.of_tokens(rows, vocab_size=vocab_size)
    for length in (1, 2, 3, 5):
        for _ in range(20):
            wanted = random.choice(symbols, size=length).tolist()
            hits = [
                sum(row[i : i + length] == wanted for i in range(len(row) - length + 1))
                for row in rows
            ]
            expected = OccurrenceCount(occurrences=sum(hits), documents=sum(map(bool, hits)))
            assert index.count_tokens(wanted) == expected


def test_nothing_to_count_is_refused() -> None:
    for empty in ([], [b"", b""]):
        with pytest.raises(ValueError, match="the training data are empty"):
            Occurrences.of_bytes(empty)
    with pytest.raises(ValueError, match="an empty string"):
        Occurrences.of_bytes([b"a"]).count_bytes(b"")
    with pytest.raises(ValueError, match="tokens must be from 0 to 255, got 300"):
        Occurrences.of_tokens([[44]], vocab_size=256).count_tokens([300])
