"""Where GPT drops numbers, how many, and that a model which is measured drops none."""

import pytest
import torch
from torch import nn

from rote.models.attention import PLACES
from rote.models.gpt import GPT
from rote.training.controls.dropout import Dropout


def model(length: int = 300) -> GPT:
    torch.manual_seed(0)
    return GPT(num_layers=2, width=8, num_heads=2, vocab_size=5, max_length=length)


TOKENS = torch.randint(5, (3, 10), generator=torch.Generator().manual_seed(1))


def test_measured_it_is_the_model_without() -> None:
    plain, dropping = model(), model()
    Dropout(rate=0.5, places=PLACES).change_model(dropping)
    assert torch.equal(plain.eval()(TOKENS), dropping.eval()(TOKENS))
    assert not torch.equal(plain.train()(TOKENS), dropping.train()(TOKENS))


@pytest.mark.parametrize("place", PLACES)
def test_each_place_alone_changes_what_training_sees(place: str) -> None:
    plain, dropping = model(), model()
    Dropout(rate=0.5, places=[place]).change_model(dropping)
    assert not torch.equal(plain(TOKENS), dropping(TOKENS))
    Dropout(rate=0.0, places=[place]).change_model(dropping)
    assert torch.equal(plain(TOKENS), dropping(TOKENS))


def test_embeddings_are_dropped_at_the_rate_and_the_rest_grows() -> None:
    plain, dropping = model(), model()
    Dropout(rate=0.25, places=["embedding"]).change_model(dropping)
    tokens = TOKENS.repeat(100, 1)
    kept, whole = dropping.embedded(tokens, 0), plain.embedded(tokens, 0)
    assert (kept == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    torch.testing.assert_close(kept[kept != 0], whole[kept != 0] / 0.75)


@pytest.mark.parametrize("length", [10, 300], ids=["written out", "fused"])
def test_attention_is_right_on_average(length: int) -> None:
    """Values are mixed linearly in the weights that are dropped."""
    attention = model().blocks[0].attention
    residual_BLD = torch.randn(1, length, 8).expand(1000 if length == 10 else 200, -1, -1)
    with torch.no_grad():
        expected_D = attention.eval()(residual_BLD[:1])[0, 9]
        attention.weights_dropout = 0.3
        many_BD = attention.train()(residual_BLD)[:, 9]
    assert many_BD.std(dim=0).min() > 0
    error_D = many_BD.std(dim=0) / len(many_BD) ** 0.5
    assert ((many_BD.mean(dim=0) - expected_D).abs() < 5 * error_D).all()


def test_a_branch_is_dropped_before_it_is_added() -> None:
    block = model().blocks[0]
    assert isinstance(block, nn.Module)
    block.residual_dropout = 0.999999  # practically nothing is added
    residual_BLD = torch.randn(2, 10, 8)
    torch.testing.assert_close(block(residual_BLD), residual_BLD)
