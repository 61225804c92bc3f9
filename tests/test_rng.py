"""Named streams."""

import torch

from rote.core.rng import generator, stream_seed


def test_streams_are_pinned() -> None:
    assert stream_seed(0, "init") == 5704178808307460511
    assert stream_seed(0, "order", 3) != stream_seed(0, "order", 4)
    assert stream_seed(0, "init") != stream_seed(1, "init")


def test_a_generator_starts_where_its_names_say() -> None:
    first, second = (torch.rand(4, generator=generator(7, "data")) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.rand(4, generator=generator(7, "order")))
