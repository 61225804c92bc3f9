"""Scores that hold a document's likelihood against another one; each says what the others are.

Reference and lower case: Carlini et al. 2021, arXiv 2012.07805. Shapes: B documents, W neighbours.
"""

from rote.scores.documents import Documents, Floats, ratio_of_nats


def reference(documents: Documents, others: Documents) -> Floats:
    """ln p under the model minus ln p under another, nats.

    Others: the same documents under a model that was not trained on them.
    Raises ValueError where the two do not hold the same tokens.
    """
    if (documents.lengths_B != others.lengths_B).any():
        raise ValueError("the reference scored other tokens: has it another tokeniser?")
    return documents.log_likelihood_B - others.log_likelihood_B


def lowercase(documents: Documents, others: Documents) -> Floats:
    """Log-perplexity of the lower-cased document over its own.

    Others: the documents in lower case, which may have more tokens.
    """
    return ratio_of_nats(others.nats_per_token_B, documents.nats_per_token_B)


def recall(documents: Documents, others: Documents) -> Floats:
    """ln p behind a prefix over ln p alone (ReCaLL: Xie et al. 2024, arXiv 2406.15968).

    Others: the same tokens behind a prefix of known non-members, which costs members more.
    """
    return ratio_of_nats(others.nats_per_token_B, documents.nats_per_token_B)


def neighbourhood(documents: Documents, others: Documents) -> Floats:
    """Mean loss of neighbours minus the document's, nats a token (Mattern et al. 2023, 2305.18462).

    Others: W neighbours of the first document, then W of the second, and so on.
    Raises ValueError where not every document has as many.
    """
    num_documents, num_neighbours = len(documents.lengths_B), len(others.lengths_B)
    if not num_neighbours or num_neighbours % num_documents:
        raise ValueError(f"{num_neighbours} neighbours do not go into {num_documents} documents")
    neighbours_BW = others.nats_per_token_B.reshape(num_documents, -1)
    mean_B: Floats = neighbours_BW.mean(axis=1)
    return mean_B - documents.nats_per_token_B
