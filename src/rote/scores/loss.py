"""Loss: how likely the model finds a document (Yeom et al. 2018, arXiv 1709.01604)."""

from rote.scores.documents import Documents, Floats


def loss(documents: Documents) -> Floats:
    """Mean ln p per token, nats: the loss with its sign changed."""
    return -documents.nats_per_token_B
