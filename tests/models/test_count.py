"""Which parameters are embeddings, against the closed form."""

from tests.models.formulas import gpt_parameters

from rote.models.contracts import embedding_parameters
from rote.models.gpt import GPT


def test_embeddings_are_what_the_blocks_are_not() -> None:
    shape = {"num_layers": 2, "width": 16, "vocab_size": 7, "max_length": 5}
    model = GPT(num_heads=2, **shape)
    blocks = gpt_parameters(**shape | {"vocab_size": 0, "max_length": 0})
    assert embedding_parameters(model) == gpt_parameters(**shape) - blocks == (7 + 5) * 16
