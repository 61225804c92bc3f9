"""Compute scores that set a token's probability against how frequent the token is elsewhere.

A document's frequencies are those of all other documents of the corpus, with one added to each
count. So whether a document is a member has no part in them, although the corpus holds members.

Shapes: B documents, L tokens of one document, U different tokens of it, V vocabulary.
"""

from collections.abc import Sequence

import numpy as np

from rote.scores.documents import Documents, Floats, Integers

# The bound a of the authors' code (github.com/zhang-wei-chao/DC-PDD), its default.
MOST_OF_A_TOKEN = 0.01


def dc_pdd(documents: Documents, tokens: Sequence[Integers], counts_V: Integers) -> Floats:
    """Return the mean of min(a, -p ln f) over the first occurrences of a document's tokens; [B].

    p is the model's probability of the token, f its frequency in other documents, a = 0.01. Source:
    DC-PDD (Zhang et al. 2024, arXiv 2409.14781), as in the authors' code. They count f in a large
    public corpus; ``counts_V`` counts the tokens of all documents, these included.
    """
    total, scores = int(counts_V.sum()), []
    for log_p_L, tokens_L in zip(documents.log_p_BL, tokens, strict=True):
        first_U, _, rarity_nats_U = _rarity(tokens_L, counts_V, total)
        scores.append(np.minimum(np.exp(log_p_L[first_U]) * rarity_nats_U, MOST_OF_A_TOKEN).mean())
    return np.array(scores)


def rarity_nats(tokens: Sequence[Integers], counts_V: Integers) -> Floats:
    """Return the mean of -ln f over a document's tokens, in nats; [B]."""
    total, means = int(counts_V.sum()), []
    for tokens_L in tokens:
        _, number_U, rarity_nats_U = _rarity(tokens_L, counts_V, total)
        means.append(number_U @ rarity_nats_U / len(tokens_L))
    return np.array(means)


def _rarity(
    tokens_L: Integers, counts_V: Integers, total: int
) -> tuple[Integers, Integers, Floats]:
    """Return, for each different token, its first place, its number here, and -ln f elsewhere."""
    token_U, first_U, number_U = np.unique(tokens_L, return_index=True, return_counts=True)
    log_others = np.log(total - len(tokens_L) + len(counts_V))
    return first_U, number_U, log_others - np.log1p(counts_V[token_U] - number_U)
