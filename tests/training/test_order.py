"""Every epoch reads every sequence once, and any step can be asked for alone."""

import torch

from rote.training.data import BatchOrder


def order(num_sequences: int = 10, batch_size: int = 4, seed: int = 0) -> BatchOrder:
    return BatchOrder(num_sequences=num_sequences, batch_size=batch_size, seed=seed)


def test_an_epoch_holds_each_sequence_once() -> None:
    stream = order().indices(range(5)).flatten()
    assert sorted(stream[:10].tolist()) == sorted(stream[10:].tolist()) == list(range(10))
    assert not torch.equal(stream[:10], stream[10:])


def test_any_stretch_of_steps_is_what_the_whole_gives() -> None:
    whole = order().indices(range(50))
    pieces = order()
    for start, stop in ((0, 7), (7, 8), (8, 50)):
        assert torch.equal(pieces.indices(range(start, stop)), whole[start:stop])
    assert torch.equal(order().indices(range(33, 34)), whole[33:34])


def test_a_small_data_set_is_read_whole_each_step() -> None:
    small = order(num_sequences=3, batch_size=8)
    assert small.batch_size == 3
    assert all(sorted(row) == [0, 1, 2] for row in small.indices(range(4)).tolist())


def test_seeds_give_other_orders() -> None:
    assert not torch.equal(order().indices(range(9)), order(seed=1).indices(range(9)))
