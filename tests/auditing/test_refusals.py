"""Each mistake is one line and exit code 2, before any pass; no code in a folder is ever run."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.auditing.conftest import Checkpoints, texts, write_texts

from rote.cli.main import main


@pytest.fixture
def checkpoint(checkpoints: Checkpoints, tmp_path: Path) -> Path:
    """One of its own, to break."""
    return Path(shutil.copytree(checkpoints.untrained, tmp_path / "model"))


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line that is said of a model and two files."""

    def tried(model: object, members: object, nonmembers: object, *words: str) -> str:
        files = ["--members", str(members), "--nonmembers", str(nonmembers)]
        output = ["--quick", "--output", str(tmp_path / "audits")]
        assert main(["audit", str(model), *files, *output, *words]) == 2
        said = capsys.readouterr().err.strip()
        assert len(said.splitlines()) == 1
        assert not list(tmp_path.glob("audits/*/audit.json"))
        return said

    return tried


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_texts(tmp_path / "m.jsonl", texts(1, 30)),
        write_texts(tmp_path / "n.jsonl", texts(2, 30)),
    )


def changed(folder: Path, name: str, **values: object) -> None:
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **values}))


def test_folders_that_hold_no_such_model(
    checkpoint: Path, sides: tuple[Path, Path], tmp_path: Path, refused
) -> None:
    assert "'nowhere' is no folder, and as one of ours" in refused("nowhere", *sides)
    (tmp_path / "empty").mkdir()
    assert "is no model of Hugging Face" in refused(tmp_path / "empty", *sides)
    (checkpoint / "adapter_config.json").write_text("{}")
    assert "is an adapter" in refused(checkpoint, *sides)
    (checkpoint / "adapter_config.json").unlink()
    weights = load_file(checkpoint / "model.safetensors")
    name = "transformer.h.0.mlp.c_fc.weight"
    kept = {key: value for key, value in weights.items() if key != name}
    save_file(kept, checkpoint / "model.safetensors", metadata={"format": "pt"})
    assert f"weight '{name}' is missing (1 in all)" in refused(checkpoint, *sides)
    wrong = {**weights, name: torch.zeros(3, 4)}
    save_file(wrong, checkpoint / "model.safetensors", metadata={"format": "pt"})
    assert f"weight '{name}' is [3, 4]" in refused(checkpoint, *sides)
    infinite = {**weights, "transformer.ln_f.weight": torch.full((128,), torch.nan)}
    save_file(infinite, checkpoint / "model.safetensors", metadata={"format": "pt"})
    assert "logits that are not finite" in refused(checkpoint, *sides)
    (checkpoint / "model.safetensors").write_bytes(b"torn")
    assert "cannot be loaded" in refused(checkpoint, *sides)
    (checkpoint / "model.safetensors").unlink()
    assert "holds no weights" in refused(checkpoint, *sides)


def test_configurations_that_cannot_be_audited(
    checkpoint: Path, sides: tuple[Path, Path], refused
) -> None:
    changed(checkpoint, "config.json", bos_token_id=None, eos_token_id=None)
    assert "give --start-token N" in refused(checkpoint, *sides)
    assert "the start token 600 is none of the 512" in refused(
        checkpoint, *sides, "--start-token", "600"
    )
    changed(checkpoint, "config.json", model_type="t5")
    assert "'t5' is no causal language model" in refused(checkpoint, *sides)


def test_code_in_a_folder_is_never_run(
    checkpoint: Path, sides: tuple[Path, Path], tmp_path: Path, refused
) -> None:
    mark = tmp_path / "executed"
    (checkpoint / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass Evil: pass\n")
    classes = {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}
    changed(checkpoint, "config.json", model_type="evil", auto_map=classes)
    assert "code of its own, which is never run" in refused(checkpoint, *sides)
    changed(checkpoint, "config.json", model_type="gpt2", auto_map=classes)
    assert refused(checkpoint, sides[0], sides[0])  # known here: the folder's code is not asked
    assert not mark.exists()


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def test_a_pickle_is_refused_and_a_malicious_one_not_executed(
    checkpoint: Path, sides: tuple[Path, Path], tmp_path: Path, refused
) -> None:
    (checkpoint / "model.safetensors").unlink()
    mark = tmp_path / "executed"
    with (checkpoint / "pytorch_model.bin").open("wb") as stream:
        torch.save({"transformer.wte.weight": Evil(mark)}, stream)
    assert "which may run code" in refused(checkpoint, *sides)
    assert "cannot be loaded" in refused(checkpoint, *sides, "--allow-pickle")
    (checkpoint / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(mark)))
    assert "cannot be loaded" in refused(checkpoint, *sides, "--allow-pickle")
    assert not mark.exists()


def test_a_pickle_of_tensors_is_read_where_it_is_insisted_on(
    checkpoint: Path, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    torch.save(weights, checkpoint / "pytorch_model.bin")
    files = ["--members", str(sides[0]), "--nonmembers", str(sides[1])]
    words = ["--quick", "--allow-pickle", "--output", str(tmp_path / "audits")]
    assert main(["audit", str(checkpoint), *files, *words]) == 0


def test_documents_in_both_sets_are_told_with_their_lines(
    checkpoint: Path, sides: tuple[Path, Path], tmp_path: Path, refused
) -> None:
    members, others = sides
    both = members.read_text().splitlines()[3:5]
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text("\n" + "\n".join(both) + "\n" + others.read_text())
    expected = refused(checkpoint, members, mixed)
    assert (
        "2 documents are members and non-members" in expected
        and "lines 4 and 2, 5 and 3" in expected
    )
    # Equal in all tokens that are scored, though the texts go on differently.
    longer = tmp_path / "longer.jsonl"
    first = [json.loads(line)["text"] for line in members.read_text().splitlines()[:1]]
    longer.write_text(json.dumps({"text": first[0] + " baran"}) + "\n" + others.read_text())
    assert "lines 1 and 1" in refused(checkpoint, members, longer, "--max-tokens", "12")
    assert "are the same file" in refused(checkpoint, members, members)


def test_references_that_cannot_be_compared_with(
    checkpoint: Path, checkpoints: Checkpoints, sides: tuple[Path, Path], refused
) -> None:
    expected = refused(checkpoints.untrained, *sides, "--reference", str(checkpoint))
    assert "the reference is the model itself" in expected
    tokeniser = json.loads((checkpoint / "tokenizer.json").read_text())
    tokeniser["model"]["merges"] = []
    (checkpoint / "tokenizer.json").write_text(json.dumps(tokeniser))
    expected = refused(checkpoints.trained, *sides, "--reference", str(checkpoint))
    assert "the reference model has other tokens than trained" in expected


def test_a_model_without_a_tokeniser_takes_token_ids_alone(
    checkpoint: Path, sides: tuple[Path, Path], tmp_path: Path, refused, capsys
) -> None:
    for path in checkpoint.glob("tokenizer*"):
        path.unlink()
    assert "the model has no tokeniser: give token ids" in refused(checkpoint, *sides)
    drawn = np.random.default_rng(0).integers(1, 500, size=(2, 40, 10)).tolist()
    for name, rows in zip(("a", "b"), drawn, strict=True):
        lines = (json.dumps({"tokens": row}) for row in rows)
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    files = ["--members", str(tmp_path / "a.jsonl"), "--nonmembers", str(tmp_path / "b.jsonl")]
    output = ["--json", "--output", str(tmp_path / "audits")]
    assert main(["audit", str(checkpoint), *files, *output]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["is_text"]
    assert found["skipped"]["zlib"] == "the documents are token ids, not text"
    assert "neighbourhood" in found["membership"]["qualities"]


def test_settings_out_of_range(checkpoint: Path, sides: tuple[Path, Path], tmp_path: Path, refused):
    for words, expected in (
        (["--max-tokens", "1"], "--max-tokens must be a whole number from 2"),
        (["--prefix-tokens", "0"], "--prefix-tokens must be a whole number from 1"),
        (["--precision", "qat_int4"], "only a run that was trained in it has such weights"),
        (["--precision", "fp23"], "precision 'fp23' is not known. Did you mean 'fp32'?"),
        (["--canaries", str(tmp_path / "m.jsonl")], "is not a manifest of canaries"),
    ):
        assert expected in refused(checkpoint, *sides, *words)
    if not torch.cuda.is_available():
        assert "torch sees no CUDA device" in refused(checkpoint, *sides, "--accelerator", "gpu")
