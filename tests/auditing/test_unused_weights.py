"""Weights that the configured model does not use: refused, or harmless and listed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.auditing.small_folders import (
    SIZES,
    V,
    audited,
    changed,
    llama,
    refusal,
    saved,
    sides,
    with_weights,
)
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

from rote.auditing.targets import CheckpointTarget, precision_of
from rote.models.stored_weights import is_harmless


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    shape = {"n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(vocab_size=V, bos_token_id=0, eos_token_id=0, **shape))


def neox() -> GPTNeoXForCausalLM:
    torch.manual_seed(0)
    shape = {key: value for key, value in SIZES.items() if key != "num_key_value_heads"}
    return GPTNeoXForCausalLM(GPTNeoXConfig(**shape))


TOKENS = torch.arange(12).view(2, 6)


def loaded(folder: Path) -> Any:
    target = CheckpointTarget(folder, start_token=0, allow_pickle=False)
    return target.load(precision_of("fp32"))


SQUARE = torch.ones(1, 1, 64, 64)
HARMLESS = {
    "llama": (llama, {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}),
    "gpt2": (
        gpt2,
        {
            "transformer.h.0.attn.bias": SQUARE.bool(),
            "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
        },
    ),
    "neox": (
        neox,
        {
            "gpt_neox.layers.1.attention.bias": SQUARE,
            "gpt_neox.layers.1.attention.masked_bias": torch.tensor([-1e9]),
            "gpt_neox.layers.0.attention.rotary_emb.inv_freq": torch.ones(2),
        },
    ),
    "positions": (llama, {"model.position_ids": torch.arange(64)[None]}),
}


@pytest.mark.parametrize(
    "name",  # an audit each
    [name if name == "llama" else pytest.param(name, marks=pytest.mark.slow) for name in HARMLESS],
)
def test_harmless_leftovers_are_listed_and_change_nothing(name: str, tmp_path: Path) -> None:
    make, more = HARMLESS[name]
    folder = saved(tmp_path / "model", make())
    before = loaded(folder)
    assert before.unused_weights == []
    found = audited(with_weights(folder, more), tmp_path / "audits", sides(tmp_path))
    assert found["model"]["unused_weights"] == sorted(more)
    assert torch.equal(loaded(folder)(TOKENS), before(TOKENS))
    (page,) = (tmp_path / "audits").glob("*/audit.html")
    assert all(f"<code>{each}</code>" in page.read_text() for each in more)


UNUSED = {
    "model.layers.2.mlp.up_proj.weight": torch.ones(32, 16),  # config.json says two layers
    "model.layers.0.self_attn.q_proj.bias": torch.ones(16),
    "model.layers.0.mlp.gate_proj.bias": torch.ones(32),
    "model.layers.0.self_attn.bias": torch.ones(16),  # no mask: it is not square
    "model.layers.0.self_attn.q_norm.weight": torch.ones(8),
    "score.weight": torch.ones(2, 16),
    "v_head.summary.weight": torch.ones(1, 16),
    "model.vision_tower.weight": torch.ones(3),
    "model.masked_bias": torch.ones(5),
}


def said_of(folder: Path) -> str:
    with pytest.raises(ValueError) as caught:
        loaded(folder)
    return str(caught.value)


@pytest.mark.parametrize("name", UNUSED)
def test_weights_that_the_model_does_not_use_are_refused(name: str, tmp_path: Path) -> None:
    said = said_of(with_weights(saved(tmp_path / "model"), {name: UNUSED[name]}))
    assert (
        f"holds 1 weights that the model of its config.json does not use, such as '{name}'" in said
    )
    assert ("config.json says 2 layers" in said) == ("layers.2" in name)


def test_a_configuration_with_fewer_layers_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, words = saved(tmp_path / "model"), sides(tmp_path)
    changed(folder / "config.json", num_hidden_layers=1, layer_types=None)
    assert "config.json says 1 layers" in refusal(folder, words, capsys)
    # As a reference too.
    model = saved(tmp_path / "other", llama(tie_word_embeddings=True))
    assert "1 layers" in refusal(model, [*words, "--reference", str(folder)], capsys)


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.0.mlp.up_proj.lora_B.default.weight",
        "model.layers.0.mlp.adapter.down.weight",
        "model.layers.0.mlp.down_proj.ia3_l",
    ],
)
def test_adapters_that_are_not_merged_are_refused(name: str, tmp_path: Path) -> None:
    said = said_of(with_weights(saved(tmp_path / "model"), {name: torch.ones(2, 2)}))
    assert "holds an adapter that is not merged" in said and "merge_and_unload" in said


def test_a_head_beside_tied_embeddings_is_used_or_refused(tmp_path: Path) -> None:
    """transformers unties what is stored apart: the numbers are those of both."""
    folder = saved(tmp_path / "model")
    apart = loaded(folder)(TOKENS)
    changed(folder / "config.json", tie_word_embeddings=True)
    assert torch.equal(loaded(folder)(TOKENS), apart)


def test_missing_weights_are_named_with_what_is_there_instead(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace("layers.0", "blocks.0"): each for name, each in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    said = said_of(folder)
    assert "weight 'model.layers.0." in said and "'model.blocks.0." in said


@pytest.mark.parametrize(
    ("name", "shape", "wanted"),
    [
        ("h.0.attn.bias", (1, 1, 64, 64), True),
        ("h.0.attn.bias", (64, 64), True),
        ("h.0.attn.bias", (64,), False),
        ("h.0.attn.bias", (2, 3, 64, 64), False),
        ("h.0.attn.c_attn.bias", (64, 64), False),
        ("layers.0.attention.masked_bias", (), True),
        ("embeddings.position_ids", (1, 512), True),
        ("embeddings.position_ids", (512, 16), False),
        ("layers.3.self_attn.rotary_emb.inv_freq", (32,), True),
        ("rope.freqs", (32,), True),
        ("exploration.weight", (2, 2), False),
        ("mtp.layers.0.weight", (2, 2), True),
    ],
)
def test_what_is_harmless(name: str, shape: tuple[int, ...], wanted: bool) -> None:
    assert is_harmless(name, shape, [r"^mtp\."]) == wanted


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    whole = {name: (100 * each).to(torch.int8) for name, each in weights.items()}
    save_file(whole, folder / "model.safetensors", metadata={"format": "pt"})
    assert "holds whole numbers, as a quantised one does" in said_of(folder)
    # What a file of another kind holds besides is counted before it is gone through.
    names = {f"w{number}": torch.zeros(1) for number in range(25_000)}
    save_file(weights | names, folder / "model.safetensors", metadata={"format": "pt"})
    assert "holds 25,021 weights, and its config.json describes 21" in said_of(folder)
