"""How many training documents hold a piece of what a model has said, word for word.

k-eidetic memorisation: Carlini et al. 2021 (arXiv 2012.07805), definition 2. Shapes: N samples,
L tokens in each.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from rote.tasks.occurrences import Occurrences
from rote.tasks.protocol import HasText, Sequences, Task

NumDocuments = Callable[[Sequence[int]], int]  # that contain these tokens

SEQUENCES_AT_ONCE = 4096
CUT = "\N{REPLACEMENT CHARACTER}"


def num_documents(
    samples_NL: np.ndarray, *, match_tokens: int, holding: NumDocuments
) -> np.ndarray:
    """Of each sample's windows of ``match_tokens`` that stand in the data the rarest's documents.

    int64 [N]; 0 where none does. Raises ValueError where samples are shorter than a window.
    """
    length = samples_NL.shape[1]
    if not 1 <= match_tokens <= length:
        raise ValueError(f"no window of {match_tokens} tokens fits into samples of {length}")
    known: dict[bytes, int] = {}  # what a model has memorised it says again and again
    rarest_N = np.zeros(len(samples_NL), dtype=np.int64)
    for row, sample_L in enumerate(samples_NL):
        windows = np.lib.stride_tricks.sliding_window_view(sample_L, match_tokens)
        keys = [window.tobytes() for window in windows]
        for key, window in zip(keys, windows, strict=True):
            if key not in known:
                known[key] = holding(window.tolist())
        rarest_N[row] = min((known[key] for key in keys if known[key]), default=0)
    return rarest_N


def among_sequences(sequences: Sequences, task: Task, device: torch.device) -> NumDocuments:
    """Counts those that contain tokens, repeats too; the index takes 5 bytes a packed byte."""
    starts = range(0, sequences.num_sequences, SEQUENCES_AT_ONCE)
    parts = (
        sequences.tokens(
            torch.arange(at, min(at + SEQUENCES_AT_ONCE, sequences.num_sequences), device=device)
        )
        for at in starts
    )
    rows = (row for part_BL in parts for row in part_BL.cpu().numpy())
    index = Occurrences.of_tokens(rows, vocab_size=task.vocab_size)
    return lambda tokens: index.count_tokens(tokens).documents


def among_texts(index: Occurrences, text: HasText) -> NumDocuments:
    """Counts the documents of an index of bytes that contain the tokens' text.

    Characters that the tokens cut are left out at both ends; nothing but such is found nowhere.
    """

    def holding(tokens: Sequence[int]) -> int:
        whole = text.decode(np.array([tokens]))[0].strip(CUT)
        return index.count_bytes(whole.encode()).documents if whole else 0

    return holding
