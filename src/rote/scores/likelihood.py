"""Compute membership scores from likelihoods under one model, or against other likelihoods.

Loss: the mean ln p of a document (Yeom et al. 2018, arXiv 1709.01604).

Min-K% and Min-K%++: the mean over the least likely tokens of a document (Shi et al. 2023, arXiv
2310.16789; Zhang et al. 2024, arXiv 2404.02936). As in the authors' code, int(L k / 100) tokens
count, but here at least one, because their score is undefined for none.

Zlib: log-perplexity against the size from a general compressor (Carlini et al. 2021, 2012.07805).
The paper divides zlib's size by the logarithm of the perplexity, which is the MEAN loss per token;
mimir (Duan et al. 2024, arXiv 2402.07841) and Min-K%++ (2404.02936) divide that mean by the size.
All rank alike. The summed loss over the size is another score: it ignores the length.

Other scores compare a document's likelihood with another one, named under "Others". Neighbours are
copies of a document with a few tokens drawn anew. Mattern et al. 2023 (arXiv 2305.18462) sample
them from a masked language model; here they come from a pool of similar text, which needs no second
model.

Shapes: B documents, W neighbours, L tokens of the document, T tokens of the pool. All scores are
[B], higher = member; ``nats_B`` is the document's own mean loss in nats per token.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from rote.core.checks import require_whole
from rote.scores.documents import LEAST_NATS, LEAST_SPREAD_NATS, Documents, Floats, Integers


def min_k(documents: Documents, *, k_percent: int) -> Floats:
    """Return the mean of the lowest k % of ln p, in nats; [B]."""
    return _mean_of_lowest(documents, documents.log_p_BL, k_percent)


def min_k_plus_plus(documents: Documents, *, k_percent: int) -> Floats:
    """Return the mean of the lowest k % of (ln p - mu) / sigma; [B].

    mu and sigma are moments of ln p weighted by the model's probabilities. If all symbols are
    equally likely, ln p equals mu and the value is 0.
    """
    spread_BL = np.maximum(documents.spread_BL, LEAST_SPREAD_NATS)
    standard_BL = (documents.log_p_BL - documents.mean_BL) / spread_BL
    return _mean_of_lowest(documents, standard_BL, k_percent)


def _mean_of_lowest(documents: Documents, values_BL: Floats, k_percent: int) -> Floats:
    """Average the lowest floor(k L / 100) tokens of each document, at least one.

    Raises ValueError for a k that is no whole number from 1 to 100: 0.29 * 100 is 28.999...
    """
    require_whole("k_percent", k_percent, 1, 100)
    num_lowest_B = np.maximum(1, documents.lengths_B * k_percent // 100)
    ascending_BL = np.sort(np.where(documents.inside_BL, values_BL, np.inf), axis=1)
    is_lowest_BL = np.arange(values_BL.shape[1]) < num_lowest_B[:, None]
    return np.asarray(np.where(is_lowest_BL, ascending_BL, 0.0).sum(axis=1) / num_lowest_B)


def loss(documents: Documents) -> Floats:
    """Return the mean ln p per token in nats: the loss with its sign changed."""
    return -documents.nats_per_token_B


def zlib_bytes(texts: Sequence[bytes]) -> Integers:
    """Return the compressed size of each text at zlib's default level; 8 for an empty text."""
    return np.array([len(zlib.compress(text)) for text in texts], dtype=np.int64)


def zlib_ratio(documents: Documents) -> Floats:
    """Return the mean ln p of a token over the compressed size, in nats per token and byte; [B].

    Raises ValueError for documents without compressed sizes.
    """
    if documents.zlib_bytes_B is None:
        raise ValueError("the zlib score needs the text of each document, and none was given")
    return -documents.nats_per_token_B / documents.zlib_bytes_B


def reference(nats_B: Floats, others_B: Floats) -> Floats:
    """Return the mean loss under another model minus the model's own, in nats per token.

    Difficulty calibration of the loss (Watson et al. 2022, arXiv 2111.08440), as mimir (2402.07841)
    and Min-K%++ (2404.02936) compute it. Carlini et al. 2021 take the ratio of the two
    (`ratio_of_nats`, which ranks generations); `mem_U` is the sum over the document.

    Others: the same tokens under a model that was not trained on the documents.
    """
    return others_B - nats_B


def lowercase(nats_B: Floats, others_B: Floats) -> Floats:
    """Return the log-perplexity of the lower-cased document over its own.

    Source: Carlini et al. 2021, section 5.
    Others: the documents in lower case, nats per token; they may have more tokens.
    """
    return ratio_of_nats(others_B, nats_B)


def recall(nats_B: Floats, others_B: Floats) -> Floats:
    """Return ln p after a prefix over ln p alone (ReCaLL: Xie et al. 2024, arXiv 2406.15968).

    Others: the same tokens after a prefix of known non-members, which costs members more.
    """
    return ratio_of_nats(others_B, nats_B)


def neighbourhood(nats_B: Floats, others_BW: Floats) -> Floats:
    """Return the neighbours' mean loss minus the document's, in nats per token.

    Source: Mattern et al. 2023, 2305.18462. Others: W neighbours of each document. The paper draws
    them from a masked language model, `neighbours` below from a pool of tokens.
    """
    mean_B: Floats = others_BW.mean(axis=1)
    return mean_B - nats_B


def ratio_of_nats(over: Floats, under: Floats) -> Floats:
    """Return the ratio of two code lengths per token; 1 if the model is certain of both."""
    return (over + LEAST_NATS) / (under + LEAST_NATS)


def neighbours(
    tokens_L: Integers,
    pool_T: Integers,
    *,
    num_neighbours: int,
    percent: int,
    generator: np.random.Generator,
) -> Integers:
    """Return neighbours [W, L] with pool tokens at floor(percent L / 100) places, at least one.

    The places are drawn anew for each neighbour. Raises ValueError for an empty document or pool,
    and for numbers out of range.
    """
    require_whole("num_neighbours", num_neighbours, 1)
    require_whole("percent", percent, 1, 100)
    if not (len(tokens_L) and len(pool_T)):
        raise ValueError(f"neighbours of {len(tokens_L)} tokens from a pool of {len(pool_T)}")
    num_places = max(1, len(tokens_L) * percent // 100)
    changed_WL = np.tile(tokens_L, (num_neighbours, 1))
    for row_L in changed_WL:
        places = generator.choice(len(tokens_L), num_places, replace=False)
        row_L[places] = generator.choice(pool_T, num_places)
    return changed_WL
