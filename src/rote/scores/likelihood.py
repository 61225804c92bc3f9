"""Min-K% and Min-K%++: the mean over the least likely tokens of a document.

Sources: Shi et al. 2023, arXiv 2310.16789; Zhang et al. 2024, arXiv 2404.02936. As in the authors'
code int(L k / 100) tokens of a document count, though one at least, where theirs is undefined.

Loss: how likely the model finds a document (Yeom et al. 2018, arXiv 1709.01604).

Zlib: log-perplexity against what a general compressor needs (Carlini et al. 2021, 2012.07805).

The paper's ratio is zlib's size over the logarithm of the perplexity, which is the MEAN loss per
token; mimir (Duan et al. 2024, arXiv 2402.07841) and Min-K%++ (2404.02936) divide that mean by the
size. All rank alike. The sum of the loss over the size is another score: it forgets the length.

Scores that hold a document's likelihood against another one; each says what the others are.

Shapes: B documents, W neighbours. All give [B], higher = member; ``nats_B`` is the document's own
mean loss, nats per token.

Neighbours of a document: a few of its tokens drawn anew, for the score that compares with them.

Mattern et al. 2023 (arXiv 2305.18462) ask a masked language model for likely words; here they are
drawn from a pool of the same kind of text, which needs no second model. Shapes: L tokens of the
document, W neighbours, T tokens of the pool.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from rote.core.checks import require_whole
from rote.scores.forward import LEAST_NATS, LEAST_SPREAD_NATS, Documents, Floats, Integers


def min_k(documents: Documents, *, k_percent: int) -> Floats:
    """Mean of the lowest k % of ln p, nats."""
    return _mean_of_lowest(documents, documents.log_p_BL, k_percent)


def min_k_plus_plus(documents: Documents, *, k_percent: int) -> Floats:
    """Mean of the lowest k % of (ln p - mu) / sigma, both weighted by the model's probabilities.

    Where all symbols are equally likely ln p is mu, and the value 0.
    """
    spread_BL = np.maximum(documents.spread_BL, LEAST_SPREAD_NATS)
    standard_BL = (documents.log_p_BL - documents.mean_BL) / spread_BL
    return _mean_of_lowest(documents, standard_BL, k_percent)


def _mean_of_lowest(documents: Documents, values_BL: Floats, k_percent: int) -> Floats:
    """Over floor(k L / 100) tokens, but one at least.

    Raises ValueError for a k that is no whole number from 1 to 100: 0.29 * 100 is 28.999...
    """
    require_whole("k_percent", k_percent, 1, 100)
    num_lowest_B = np.maximum(1, documents.lengths_B * k_percent // 100)
    ascending_BL = np.sort(np.where(documents.inside_BL, values_BL, np.inf), axis=1)
    is_lowest_BL = np.arange(values_BL.shape[1]) < num_lowest_B[:, None]
    return np.asarray(np.where(is_lowest_BL, ascending_BL, 0.0).sum(axis=1) / num_lowest_B)


def loss(documents: Documents) -> Floats:
    """Mean ln p per token, nats: the loss with its sign changed."""
    return -documents.nats_per_token_B


def zlib_bytes(texts: Sequence[bytes]) -> Integers:
    """Compressed size of each text at zlib's default level; 8 for an empty one."""
    return np.array([len(zlib.compress(text)) for text in texts], dtype=np.int64)


def zlib_ratio(documents: Documents) -> Floats:
    """Mean ln p of a token over the document's compressed bytes, nats per token and byte; [B].

    Raises ValueError for documents that carry no compressed sizes.
    """
    if documents.zlib_bytes_B is None:
        raise ValueError("the zlib score needs the text of each document, and none was given")
    return -documents.nats_per_token_B / documents.zlib_bytes_B


def reference(nats_B: Floats, others_B: Floats) -> Floats:
    """Mean loss under another model less the model's own, nats per token.

    Difficulty calibration of the loss (Watson et al. 2022, arXiv 2111.08440), as mimir (2402.07841)
    and Min-K%++ (2404.02936) compute it. Carlini et al. 2021 take the ratio of the two
    (`ratio_of_nats`, by which generations are ranked), `mem_U` the sum over the document.
    Others: the same tokens under a model that was not trained on the documents.
    """
    return others_B - nats_B


def lowercase(nats_B: Floats, others_B: Floats) -> Floats:
    """Log-perplexity of the lower-cased document over its own (Carlini et al. 2021, section 5).

    Others: the documents in lower case, nats per token; they may have more tokens.
    """
    return ratio_of_nats(others_B, nats_B)


def recall(nats_B: Floats, others_B: Floats) -> Floats:
    """ln p behind a prefix over ln p alone (ReCaLL: Xie et al. 2024, arXiv 2406.15968).

    Others: the same tokens behind a prefix of known non-members, which costs members more.
    """
    return ratio_of_nats(others_B, nats_B)


def neighbourhood(nats_B: Floats, others_BW: Floats) -> Floats:
    """Mean loss of neighbours less the document's, nats a token (Mattern et al. 2023, 2305.18462).

    Others: W neighbours of each document. Which these are is another matter: the paper's come from
    a masked language model, those of `rote.scores.likelihood` from a pool of tokens.
    """
    mean_B: Floats = others_BW.mean(axis=1)
    return mean_B - nats_B


def ratio_of_nats(over: Floats, under: Floats) -> Floats:
    """Of two code lengths per token; 1 where the model is certain of both."""
    return (over + LEAST_NATS) / (under + LEAST_NATS)


def neighbours(
    tokens_L: Integers,
    pool_T: Integers,
    *,
    num_neighbours: int,
    percent: int,
    generator: np.random.Generator,
) -> Integers:
    """[W, L]: in each another floor(percent L / 100) places, one at least, hold pool tokens.

    Raises ValueError for an empty document or pool, and for numbers out of range.
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
