"""Scores that hold a document's likelihood against another one; each says what the others are.

Shapes: B documents, W neighbours. All give [B], higher = member; ``nats_B`` is the document's own
mean loss, nats per token.
"""

from rote.scores.documents import LEAST_NATS, Floats


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
    a masked language model, those of `rote.scores.neighbours` from a pool of tokens.
    """
    mean_B: Floats = others_BW.mean(axis=1)
    return mean_B - nats_B


def ratio_of_nats(over: Floats, under: Floats) -> Floats:
    """Of two code lengths per token; 1 where the model is certain of both."""
    return (over + LEAST_NATS) / (under + LEAST_NATS)
