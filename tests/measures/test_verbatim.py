"""Documents that hold a piece of a sample, counted by hand."""

import numpy as np
import pytest
import torch
from tests.measures.known import CPU
from tests.tasks.bytetext import ByteText

from rote.measures.generation import among_sequences, among_texts, num_documents
from rote.tasks.occurrences import Occurrences
from rote.tasks.uniform import Uniform
from rote.training.data import TokensInMemory

TASK = Uniform(num_sequences=1, length=6, vocab_size=300, num_heldout_sequences=1)
TEXT = ByteText(num_sequences=1, length=6, vocab_size=256, num_heldout_sequences=1)


def tokens(text: str) -> np.ndarray:
    return np.array([TEXT.encode(text)])


def test_the_rarest_window_that_stands_somewhere_counts() -> None:
    rows = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 9, 9, 9], [1, 2, 3, 9, 9, 9]]
    holding = among_sequences(TokensInMemory(torch.tensor(rows)), TASK, CPU)
    samples_NL = np.array([[1, 2, 3, 0, 0], [0, 1, 2, 3, 4], [1, 2, 9, 9, 0], [299, 9, 9, 9, 1]])
    found = num_documents(samples_NL, match_tokens=3, holding=holding)
    assert (found.tolist(), found.dtype) == ([3, 1, 0, 2], np.int64)
    assert num_documents(samples_NL, match_tokens=5, holding=holding).tolist() == [0, 0, 0, 0]


def test_sequences_are_indexed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rote.measures.generation.SEQUENCES_AT_ONCE", 2)
    rows_NL = torch.arange(30).view(5, 6)
    holding = among_sequences(TokensInMemory(rows_NL), TASK, CPU)
    assert [holding(row) for row in rows_NL.tolist()] == [1] * 5
    assert holding([5, 6]) == 0  # of two sequences


def test_a_window_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="no window of 4 tokens fits into samples of 3"):
        num_documents(np.zeros((1, 3), np.int64), match_tokens=4, holding=lambda _: 0)


def test_text_is_found_by_its_bytes_and_cut_characters_do_not_matter() -> None:
    holding = among_texts(Occurrences.of_bytes(["un déjà vu".encode(), b"vu d'ici"]), TEXT)
    assert holding(tokens("vu")[0].tolist()) == 2
    assert holding(tokens("déjà")[0].tolist()) == 1
    cut_L = tokens("é déjà")[0]
    assert holding(cut_L[1:].tolist()) == 1  # half of é at its beginning
    assert holding(tokens("é")[0][:1].tolist()) == 0  # half of it alone
    assert holding(tokens("deja")[0].tolist()) == 0
