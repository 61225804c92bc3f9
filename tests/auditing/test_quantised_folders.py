"""Folders of quantised weights: turned back into floating-point ones, or refused by name."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.auditing.small_folders import (
    WEIGHTS,
    audited,
    byte_tokeniser,
    changed,
    llama,
    refusal,
    saved,
    sides,
)

from rote.auditing.targets import CheckpointTarget, precision_of

PROJECTION = "model.layers.0.self_attn.q_proj.weight"
E4M3_MOST = 448.0


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("quantised") / "dense", llama(hidden_size=64))


def torchao_int8(dense: Path, folder: Path) -> torch.Tensor:
    """Save int8 weights of torchao; return the largest error of each row that rounding makes."""
    quantization = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    from transformers import AutoModelForCausalLM, TorchAoConfig

    settings = TorchAoConfig(quantization.Int8WeightOnlyConfig())
    made = AutoModelForCausalLM.from_pretrained(dense, quantization_config=settings)
    made.save_pretrained(folder)
    byte_tokeniser().save_pretrained(folder)
    return load_file(dense / WEIGHTS)[PROJECTION].abs().amax(1, keepdim=True) / 127


def fp8(dense: Path, folder: Path) -> torch.Tensor:
    """Save weights in E4M3 with a scale a block of 128; return half the gap of the largest."""
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    shutil.copytree(dense, folder)
    stored = load_file(dense / WEIGHTS)
    for name in [name for name in stored if "proj" in name]:
        scale = stored[name].abs().amax() / E4M3_MOST
        stored[name] = (stored[name] / scale).to(torch.float8_e4m3fn)
        stored[f"{name}_scale_inv"] = scale.reshape(1, 1)
    save_file(stored, folder / WEIGHTS, metadata={"format": "pt"})
    settings = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    changed(folder / "config.json", quantization_config=settings)
    return 16 * stored[f"{PROJECTION}_scale_inv"]


@pytest.mark.parametrize("quantise", [torchao_int8, fp8])
def test_weights_are_turned_back_up_to_rounding(
    dense: Path, tmp_path: Path, quantise: Callable[[Path, Path], torch.Tensor]
) -> None:
    error = quantise(dense, tmp_path / "model")
    target = CheckpointTarget(tmp_path / "model", start_token=None, allow_pickle=False)
    wanted, found = load_file(dense / WEIGHTS), target.load(precision_of("fp32")).model.state_dict()
    assert found.keys() == wanted.keys()
    difference = (found[PROJECTION] - wanted[PROJECTION]).abs()
    assert (difference <= error).all() and difference.max() > 0
    assert torch.equal(found["model.norm.weight"], wanted["model.norm.weight"])
    lower = target.load(precision_of("bf16_true"))
    assert {weight.dtype for weight in lower.parameters()} == {torch.bfloat16}


def test_a_quantised_folder_is_audited(dense: Path, tmp_path: Path) -> None:
    fp8(dense, tmp_path / "model")
    words = sides(tmp_path)
    found = audited(tmp_path / "model", tmp_path / "out", [*words, "--reference", str(dense)])
    assert found["model"]["parameters"] == found["references"][0]["parameters"]
    gap = found["unintended"][0]["members"]["mean_bits"]["value"]
    assert 0 < gap < 1  # bits a document, of rounding alone


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, "quantised by 'gptq', and only those of torchao"),
        ({"quant_method": "awq"}, "quantised by 'awq'"),
        ({"bits": 4}, "quantised by 'None'"),
        ("int4", "cannot be read"),
    ],
)
def test_methods_that_are_not_turned_back_are_refused_by_name(
    dense: Path, tmp_path: Path, settings: object, words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(dense, tmp_path / "model")
    changed(tmp_path / "model" / "config.json", quantization_config=settings)
    assert words in refusal(tmp_path / "model", sides(tmp_path), capsys)


@pytest.mark.parametrize(
    "method", ["torchao", "bitsandbytes", "compressed-tensors", "fp8", "mxfp4"]
)
def test_a_missing_package_is_named(
    dense: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("rote.models.dequantise.find_spec", lambda name: None)
    shutil.copytree(dense, tmp_path / "model")
    changed(tmp_path / "model" / "config.json", quantization_config={"quant_method": method})
    with pytest.raises(ValueError, match=r"is not installed: pip install 'rote\[quantised\]'"):
        CheckpointTarget(tmp_path / "model", start_token=None, allow_pickle=False)


def test_bits_without_a_scale_are_refused(dense: Path, tmp_path: Path) -> None:
    """transformers reads such E4M3 bits as the numbers themselves."""
    fp8(dense, tmp_path / "model")
    stored = load_file(tmp_path / "model" / WEIGHTS)
    del stored[f"{PROJECTION}_scale_inv"]
    save_file(stored, tmp_path / "model" / WEIGHTS, metadata={"format": "pt"})
    target = CheckpointTarget(tmp_path / "model", start_token=None, allow_pickle=False)
    with pytest.raises(ValueError, match=f"'{PROJECTION}' is quantised, and its scale is missing"):
        target.load(precision_of("fp32"))
