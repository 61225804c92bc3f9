"""Folders that hold no model to audit: one line each, within seconds, before anything is loaded."""

import json
import os
import shutil
import tracemalloc
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.auditing.small_folders import WEIGHTS, changed, refusal, saved, sides

from rote.auditing.targets import CheckpointTarget, precision_of

CONFIG, INDEX = "config.json", "model.safetensors.index.json"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("original") / "model")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """One of its own, to break."""
    return Path(shutil.copytree(original, tmp_path / "model"))


def said_of(folder: Path, *, allow_pickle: bool = False) -> str:
    """What is refused before any document is read."""
    with pytest.raises(ValueError) as caught:
        CheckpointTarget(folder, start_token=None, allow_pickle=allow_pickle)
    said = str(caught.value)
    assert len(said.splitlines()) == 1 and len(said) < 600
    return said


def split(folder: Path) -> dict[str, str]:
    """Into two files and an index; the map of the latter."""
    weights = load_file(folder / WEIGHTS)
    names = sorted(weights)
    parts = {"one.safetensors": names[:5], "two.safetensors": names[5:]}
    for part, held in parts.items():
        save_file({name: weights[name] for name in held}, folder / part, metadata={"format": "pt"})
    (folder / WEIGHTS).unlink()
    placed = {name: part for part, held in parts.items() for name in held}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    return placed


def test_parts_inside_of_the_folder_are_read(folder: Path) -> None:
    split(folder)
    found = CheckpointTarget(folder, start_token=None, allow_pickle=False)
    assert set(found.digests()) >= {INDEX, "one.safetensors", "two.safetensors"}


@pytest.mark.parametrize(
    "content",
    [
        {"metadata": {}},
        {"weight_map": None},
        {"weight_map": []},
        {"weight_map": {}},
        {"weight_map": {"a": 3}},
        {"weight_map": {"a": None}},
        {"weight_map": {"a": ""}},
        {"weight_map": {"a": ["one.safetensors"]}},
    ],
)
def test_an_index_without_a_map_is_refused(folder: Path, content: object) -> None:
    split(folder)
    (folder / INDEX).write_text(json.dumps(content))
    assert "has no weight_map that says which file holds which weight" in said_of(folder)


@pytest.mark.parametrize("content", [b"[1]", b"", b"{", b"null", b"\xff\xfe{", b"[" * 100_000])
@pytest.mark.parametrize("name", [INDEX, CONFIG])
def test_json_that_is_none_is_refused(folder: Path, name: str, content: bytes) -> None:
    split(folder)
    (folder / name).write_bytes(content)
    assert name in said_of(folder)


@pytest.mark.parametrize("way", ["up", "absolute", "link", "linked folder", "through"])
def test_a_part_outside_of_the_folder_is_refused(folder: Path, way: str) -> None:
    placed = split(folder)
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / "two.safetensors").rename(outside / "two.safetensors")
    name = {
        "up": "../outside/two.safetensors",
        "absolute": str(outside / "two.safetensors"),
        "link": "two.safetensors",
        "linked folder": "sub/two.safetensors",
        "through": "../model/../outside/two.safetensors",
    }[way]
    if way == "link":
        (folder / "two.safetensors").symlink_to(outside / "two.safetensors")
    if way == "linked folder":
        (folder / "sub").symlink_to(outside)
    moved = {key: name if part == "two.safetensors" else part for key, part in placed.items()}
    (folder / INDEX).write_text(json.dumps({"weight_map": moved}))
    assert "names a file outside of its folder, which is not read" in said_of(folder)


def test_a_download_of_the_hub_links_to_its_blobs(folder: Path, tmp_path: Path) -> None:
    split(folder)
    snapshot = tmp_path / "models--x" / "snapshots" / "0123"
    blobs = tmp_path / "models--x" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for path in folder.iterdir():
        path.rename(blobs / path.name)
        (snapshot / path.name).symlink_to(Path("../../blobs") / path.name)
    assert CheckpointTarget(snapshot, start_token=None, allow_pickle=False).vocab_size


def test_parts_that_do_not_agree_are_refused(folder: Path) -> None:
    split(folder)
    shutil.copy(folder / "one.safetensors", folder / "three.safetensors")
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"]["more"] = "three.safetensors"
    (folder / INDEX).write_text(json.dumps(index))
    assert "is in another file as well" in said_of(folder)
    shutil.copy(folder / "one.safetensors", folder / WEIGHTS)
    assert f"holds {WEIGHTS} and {INDEX}: remove the one" in said_of(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "tokenizer.json", "generation_config.json"])
def test_pipes_are_not_opened(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert f"{name} is neither a file nor a folder: it is not opened" in said_of(folder)


def test_devices_and_folders_are_not_opened(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to("/dev/zero")
    assert "neither a file nor a folder" in said_of(folder)
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()
    assert f"{WEIGHTS} is not a regular file" in said_of(folder)
    (folder / CONFIG).unlink()
    (folder / CONFIG).mkdir()
    assert f"{CONFIG} is not a regular file" in said_of(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "tokenizer.json", "one.safetensors", INDEX])
def test_pointers_of_git_lfs_are_named(folder: Path, name: str) -> None:
    if name in ("one.safetensors", INDEX):
        split(folder)
    (folder / name).write_text(POINTER)
    said = said_of(folder)
    assert f"{name} is a pointer of git-lfs" in said and "run git lfs pull" in said


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"vocab_size": 60_000_000}, "larger model than"),
        ({"num_hidden_layers": 90_000}, "larger model than"),
        ({"num_hidden_layers": 1_000_000}, "says num_hidden_layers=1,000,000"),
        ({"num_hidden_layers": 10**12}, "says num_hidden_layers=1,000,000,000,000"),
        ({"hidden_size": 1 << 22}, "larger model than"),
        ({"intermediate_size": 1 << 30}, "larger model than"),
        ({"num_labels": 10**9}, "says num_labels=1,000,000,000"),
        ({"vocab_size": 10**30}, "config.json"),
        ({"vocab_size": 0}, "config.json makes no model"),
        ({"vocab_size": -5}, "config.json makes no model"),
        ({"vocab_size": "many"}, "config.json"),
        ({"vocab_size": [1]}, "config.json"),
        ({"hidden_size": 0}, "a size in it is 0"),
        ({"num_attention_heads": 0}, "config.json"),
        ({"max_position_embeddings": 0}, "context 0"),
        ({"model_type": ["llama"]}, "knows no model_type"),
        ({"hidden_act": "evil"}, "config.json makes no model"),
        ({"rope_parameters": {"rope_type": "evil"}}, "config.json"),
    ],
)
def test_sizes_are_bounded_by_what_the_weights_hold(
    folder: Path, values: dict, expected: str
) -> None:
    changed(folder / CONFIG, **values)
    tracemalloc.start()
    assert expected in said_of(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 << 20


def test_positions_that_nobody_stores_are_bounded(tmp_path: Path) -> None:
    from transformers import GPTJConfig, GPTJForCausalLM

    model = GPTJForCausalLM(
        GPTJConfig(vocab_size=260, n_positions=64, n_embd=16, n_layer=1, n_head=2, rotary_dim=4)
    )
    folder = saved(tmp_path / "model", model)
    changed(folder / CONFIG, n_positions=1_000_000_000)
    assert CONFIG in said_of(folder)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "it is an encoder,"),
        ({"architectures": ["BertModel"], "model_type": "bert"}, "it is an encoder,"),
        ({"architectures": None, "model_type": "roberta"}, "it is an encoder,"),
        ({"architectures": ["DistilBertForMaskedLM"], "model_type": "distilbert"}, "an encoder,"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "it is a classifier,"),
        ({"architectures": ["LlamaForTokenClassification"]}, "it is a classifier,"),
        ({"architectures": ["LlamaForQuestionAnswering"]}, "it is a classifier,"),
        ({"architectures": ["GPT2ForSequenceClassification"], "model_type": "gpt2"}, "classifier"),
        ({"is_encoder_decoder": True, "model_type": "bart"}, "it is an encoder-decoder,"),
        ({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}, "encoder-decoder"),
        ({"architectures": ["MBartForConditionalGeneration"], "model_type": "mbart"}, "encoder-de"),
        ({"architectures": ["ViTModel"], "model_type": "vit"}, "'vit' is no causal language model"),
    ],
)  # fmt: skip
def test_other_kinds_of_model_are_named(folder: Path, config: dict, expected: str) -> None:
    changed(folder / CONFIG, bos_token_id=None, eos_token_id=None, **config)
    said = said_of(folder)
    assert expected in said and "--start-token" not in said


def test_folders_without_a_model_say_what_they_hold(folder: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    assert "adapter_config.json is not a regular file" in said_of(adapter)
    (adapter / "adapter_config.json").write_text("{}")
    assert "an adapter of kind None, and only LORA is merged" in said_of(adapter)
    (folder / WEIGHTS).rename(folder / "model.fp16.safetensors")
    (folder / "model.gguf").write_bytes(b"GGUF")
    said = said_of(folder)
    assert (
        "there is no model.safetensors, and model.fp16.safetensors, model.gguf is not read" in said
    )


def test_config_json_leads_to_no_other_file_and_no_kernel(folder: Path) -> None:
    changed(
        folder / CONFIG,
        attn_implementation="somebody/kernel",
        transformers_weights="other.safetensors",
    )
    shutil.copy(folder / WEIGHTS, folder / "shard-00001-model-00001-of-00001.safetensors")
    found = CheckpointTarget(folder, start_token=None, allow_pickle=False)
    model = found.load(precision_of("fp32"))
    held = load_file(folder / WEIGHTS)["model.embed_tokens.weight"]
    assert torch.equal(model.model.get_input_embeddings().weight, held)
    assert model.model.config._attn_implementation in ("sdpa", "eager")


def test_a_mark_before_config_json_is_passed_over_or_named(folder: Path) -> None:
    (folder / CONFIG).write_bytes(b"\xef\xbb\xbf" + (folder / CONFIG).read_bytes())
    assert CONFIG in said_of(folder)


def test_the_line_of_a_command_stands_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = sides(tmp_path)
    (folder / INDEX).write_text('{"metadata": {}}')
    (folder / WEIGHTS).unlink()
    assert "has no weight_map" in refusal(folder, words, capsys)
    (folder / INDEX).write_text(POINTER)
    assert "git lfs pull" in refusal(folder, words, capsys)
