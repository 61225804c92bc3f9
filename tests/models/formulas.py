"""How many parameters a model has, in closed form; embeddings counted, the tied one once."""


def gpt_parameters(*, num_layers: int, width: int, vocab_size: int, max_length: int) -> int:
    """P = V d + S d + L (12 d^2 + 13 d) + 2 d; equals Hugging Face's GPT-2 count exactly."""
    embeddings = (vocab_size + max_length) * width
    return embeddings + num_layers * (12 * width**2 + 13 * width) + 2 * width


def nanogpt_parameters(
    *, num_layers: int, width: int, mlp_ratio: int, vocab_size: int, max_length: int
) -> int:
    """P = V d + S d + L ((4 + 2 m) d^2 + 2 d) + d; nanoGPT itself prints P - S d."""
    embeddings = (vocab_size + max_length) * width
    block = (4 + 2 * mlp_ratio) * width**2 + 2 * width
    return embeddings + num_layers * block + width
