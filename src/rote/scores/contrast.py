"""Scores that hold a document's likelihood against another one; each says what the others are.

Reference and lower case: Carlini et al. 2021, arXiv 2012.07805. Shapes: B documents, W neighbours.
All give [B], higher = member; ``nats_B`` is the document's own mean loss, nats per token.
"""

from rote.scores.documents import LEAST_NATS, Floats


def reference(log_p_B: Floats, others_B: Floats) -> Floats:
    """ln p of the whole document less that of others, nats.

    Others: ln p of the same documents under a model that was not trained on them.
    """
    return log_p_B - others_B


def lowercase(nats_B: Floats, others_B: Floats) -> Floats:
    """Log-perplexity of the lower-cased document over its own.

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

    Others: W neighbours of each document.
    """
    mean_B: Floats = others_BW.mean(axis=1)
    return mean_B - nats_B


def ratio_of_nats(over: Floats, under: Floats) -> Floats:
    """Of two code lengths per token; 1 where the model is certain of both."""
    return (over + LEAST_NATS) / (under + LEAST_NATS)
