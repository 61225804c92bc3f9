"""LoRA adapters as PEFT saves them, merged into their base by our own arithmetic."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.auditing.small_folders import (
    V,
    audited,
    byte_tokeniser,
    changed,
    llama,
    refusal,
    saved,
    sides,
)
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from rote.auditing.targets import CheckpointTarget, precision_of

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
QUERY = "model.layers.0.self_attn.q_proj"
PEFT = "base_model.model."
LORA = {"peft_type": "LORA", "base_model_name_or_path": "some/base", "r": 2, "lora_alpha": 6}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("adapters") / "base")


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def adapter(folder: Path, weights: Mapping[str, torch.Tensor], **config: Any) -> Path:
    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps(LORA | config))
    save_file({PEFT + name: each.contiguous() for name, each in weights.items()}, folder / WEIGHTS)
    return folder


def on_query(folder: Path, **config: Any) -> Path:
    pair = {f"{QUERY}.lora_A.weight": drawn(2, 16), f"{QUERY}.lora_B.weight": drawn(16, 2, seed=1)}
    return adapter(folder, pair, **config)


def loaded(folder: Path, base: Path | None) -> Any:
    target = CheckpointTarget(folder, start_token=None, allow_pickle=False, base=base)
    return target.load(precision_of("fp32")).model


def refused(folder: Path, base: Path | None) -> str:
    with pytest.raises(ValueError) as caught:
        CheckpointTarget(folder, start_token=None, allow_pickle=False, base=base)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("config", "scale"),
    [({}, 3.0), ({"use_rslora": True}, 6 / math.sqrt(2)), ({"alpha_pattern": {"q_proj": 1}}, 0.5)],
)
def test_alpha_over_rank_times_b_a_is_added(
    base: Path, tmp_path: Path, config: dict[str, Any], scale: float
) -> None:
    found = loaded(on_query(tmp_path / "a", **config), base).state_dict()
    before = llama().state_dict()
    change = scale * drawn(16, 2, seed=1) @ drawn(2, 16)
    torch.testing.assert_close(found[f"{QUERY}.weight"], before[f"{QUERY}.weight"] + change)
    assert all(torch.equal(found[name], before[name]) for name in before if QUERY not in name)


def test_whole_modules_and_embeddings_are_replaced_and_changed(base: Path, tmp_path: Path) -> None:
    embedding, head = "model.embed_tokens", drawn(V, 16, seed=2)
    weights = {
        f"{embedding}.lora_embedding_A": drawn(2, V),
        f"{embedding}.lora_embedding_B": drawn(16, 2, seed=1),
        f"{embedding}.base_layer.weight": torch.zeros(V, 16),
        "lm_head.weight": head,
    }
    found = loaded(adapter(tmp_path / "a", weights, modules_to_save=["lm_head"]), base)
    assert torch.equal(found.lm_head.weight, head)
    change = 3.0 * (drawn(16, 2, seed=1) @ drawn(2, V)).T
    torch.testing.assert_close(found.model.embed_tokens.weight.data, change)


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(
        vocab_size=V, n_positions=64, n_embd=16, n_layer=1, n_head=2, bos_token_id=0,
        eos_token_id=0,
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (llama, {"target_modules": ["q_proj", "down_proj"], "modules_to_save": ["lm_head"],
                 "use_rslora": True, "alpha_pattern": {"down_proj": 3},
                 "rank_pattern": {"down_proj": 3}}),
        (llama, {"target_modules": ["embed_tokens", "v_proj"]}),
        (gpt2, {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True}),
    ],
)  # fmt: skip
def test_the_merged_model_is_that_of_peft(
    make: Callable[[], PreTrainedModel], settings: dict[str, Any], tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    folder = saved(tmp_path / "base", make())
    made = peft.get_peft_model(make(), peft.LoraConfig(r=2, lora_alpha=6, **settings))
    torch.manual_seed(1)
    for name, weight in made.named_parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
        assert weight.requires_grad == ("lora" in name or "modules_to_save" in name)
    made.save_pretrained(tmp_path / "a")
    tokens = torch.arange(12).view(1, 12)
    made.eval()
    with torch.inference_mode():
        wanted = made(input_ids=tokens).logits
        found = loaded(tmp_path / "a", folder)(input_ids=tokens).logits
    torch.testing.assert_close(found, wanted)


def test_an_adapter_is_audited_with_its_base_as_the_reference(base: Path, tmp_path: Path) -> None:
    folder = on_query(tmp_path / "a")
    words = [*sides(tmp_path), "--base", str(base), "--reference", str(base)]
    found = audited(folder, tmp_path / "out", words)
    assert found["model"]["kind"] == "LoRA adapter of base, llama"
    assert {CONFIG, WEIGHTS} <= {name.rpartition("/")[2] for name in found["digests"]["model"]}
    assert found["references"][0]["name"] == "base"
    assert found["unintended"][0]["members"]["mean_bits"]["value"] > 0


def test_a_local_base_is_found_and_nothing_is_downloaded(base: Path, tmp_path: Path) -> None:
    there = on_query(tmp_path / "a", base_model_name_or_path=str(base))
    assert torch.equal(loaded(there, None).lm_head.weight, loaded(base, None).lm_head.weight)
    assert "give --base FOLDER" in refused(on_query(tmp_path / "b"), None)
    assert "is no folder" in refused(there, tmp_path / "nowhere")


def test_its_own_tokeniser_goes_before_that_of_the_base(base: Path, tmp_path: Path) -> None:
    folder = on_query(tmp_path / "a")
    byte_tokeniser().save_pretrained(folder)
    found = CheckpointTarget(folder, start_token=None, allow_pickle=False, base=base)
    assert "adapter/tokenizer.json" in found.digests() and found.has_text


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"peft_type": "IA3"}, "an adapter of kind 'IA3', and only LORA is merged"),
        ({"use_dora": True}, "sets use_dora, which is not merged here"),
        ({"layer_replication": [[0, 2]]}, "sets layer_replication"),
        ({"init_lora_weights": "pissa"}, "sets init_lora_weights 'pissa'"),
        ({"bias": "all"}, "sets bias 'all'"),
        ({"lora_alpha": "six"}, "lora_alpha must be a number, got 'six'"),
        ({"alpha_pattern": {"(a+)+": 1}}, "is more than the end of a name"),
        ({"alpha_pattern": [1]}, "alpha_pattern must be an object"),
        ({"fan_in_fan_out": True, "target": 1}, "sets target"),
    ],
)
def test_other_adapters_are_refused_by_name(
    base: Path, tmp_path: Path, config: dict[str, Any], words: str
) -> None:
    assert words in refused(on_query(tmp_path / "a", **config), base)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"model.layers.7.mlp.up_proj.lora_A.weight": (2, 16),
          "model.layers.7.mlp.up_proj.lora_B.weight": (32, 2)}, "which its base lacks"),
        ({f"{QUERY}.lora_A.weight": (2, 32), f"{QUERY}.lora_B.weight": (32, 2)},
         "is [32, 32], the base's weight is [16, 16]: it belongs to another base"),
        ({f"{QUERY}.lora_A.weight": (2, 16), f"{QUERY}.lora_B.weight": (16, 3)},
         "they make no product"),
        ({f"{QUERY}.lora_A.weight": (2, 16)}, "they make no product"),
        ({f"{QUERY}.lora_B.weight": (16, 2)}, "neither an A or B of LoRA"),
        ({f"{QUERY}.lora_magnitude_vector.weight": (16,)}, "neither an A or B of LoRA"),
    ],
)  # fmt: skip
def test_an_adapter_of_another_base_is_refused_before_anything_is_loaded(
    base: Path, tmp_path: Path, weights: dict[str, tuple[int, ...]], words: str
) -> None:
    folder = adapter(tmp_path / "a", {name: drawn(*shape) for name, shape in weights.items()})
    assert words in refused(folder, base)


def test_a_tied_weight_is_not_changed_in_one_place_alone(base: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / "tied", llama(tie_word_embeddings=True))
    weights = {"lm_head.weight": drawn(V, 16)}
    made = adapter(tmp_path / "a", weights, modules_to_save=["lm_head"])
    assert "which the base ties to another weight" in refused(made, folder)
    assert torch.equal(loaded(made, base).lm_head.weight, weights["lm_head.weight"])


def test_a_base_without_an_adapter_and_an_adapter_as_base_are_refused(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*sides(tmp_path), "--base", str(base)]
    assert "is no adapter" in refusal(base, words, capsys)
    folder = on_query(tmp_path / "a")
    assert "which holds only a part of a model" in refused(folder, on_query(tmp_path / "b"))
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    assert "--allow-pickle" in refused(folder, base)
    changed(folder / CONFIG, peft_type=None)
    assert "an adapter of kind None" in refused(folder, base)
