"""Whole audits of a checkpoint whose training data are known: what they say, and what they keep."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.auditing.conftest import COPIES, NUM, REPEATED, Checkpoints, texts, write_texts
from transformers import AutoTokenizer, GPT2LMHeadModel

from rote.cli.main import main


def numbers(folder: Path) -> dict:
    return json.loads((folder / "audit.json").read_text())


@pytest.fixture(scope="module")
def quick(checkpoints: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("quick")
    return checkpoints.audit(
        checkpoints.trained, output, "--quick", "--canaries", str(checkpoints.manifest),
        "--reference", str(checkpoints.untrained),
    )  # fmt: skip


def test_a_trained_model_leaks_its_members_and_repeats_what_was_repeated(quick: Path) -> None:
    found = numbers(quick)
    membership, regurgitation = found["membership"], found["regurgitation"]
    assert membership["verdict"] == "leaks"
    assert membership["auroc"]["interval"][0] > 0.55
    assert membership["over_blind"]["interval"][0] > 0.05
    assert membership["blind"]["auroc"]["interval"][0] < 0.5
    assert found["members"]["duplicates"] == REPEATED * COPIES
    assert (membership["num_members"], membership["num_nonmembers"]) == (NUM // 2, NUM // 2)
    assert regurgitation["verdict"] == "regurgitates"
    # The first lines of the file are those that stand in it again and again.
    scores = pl.read_parquet(quick / "scores.parquet")
    extracted = scores.filter(pl.col("extracted"))
    by_samples = [each["member"]["count"] for each in regurgitation["discoverable"]]
    assert by_samples == sorted(by_samples) and by_samples[-1] >= extracted.height
    assert regurgitation["members"]["count"] == extracted.height > REPEATED // 2
    assert set(extracted["set"]) == {"member"} and extracted["line"].max() <= REPEATED
    assert set(extracted["suffix_documents"]) == {COPIES + 1}
    assert regurgitation["eidetic"] == {"1": 0, "10": 0, "100": extracted.height}


def test_canaries_are_exposed_and_controls_are_at_chance(quick: Path) -> None:
    canaries = numbers(quick)["regurgitation"]["canaries"]
    controls, inserted = canaries["at_repeats"]
    assert (controls["repeats"], inserted["repeats"]) == (0, 40)
    assert inserted["mean_bits"] > 8 and inserted["extracted"]["count"] >= 3
    assert controls["extracted"]["count"] == 0
    assert canaries["chance"]["num_controls"] == 8


def test_members_save_more_bits_than_non_members_under_a_reference(quick: Path) -> None:
    (under,) = numbers(quick)["unintended"]
    members, others = under["members"], under["nonmembers"]
    assert members["mean_bits"]["interval"][0] > others["mean_bits"]["interval"][1]
    assert members["mixture_code_bits"] < members["max_code_bits"]
    assert members["mixture_code_bits"] > members["max_code_bits"] - NUM


def test_an_untrained_model_shows_no_evidence(checkpoints: Checkpoints, tmp_path: Path) -> None:
    found = numbers(checkpoints.audit(checkpoints.untrained, tmp_path, "--quick"))
    membership, regurgitation = found["membership"], found["regurgitation"]
    assert membership["verdict"] == "no evidence"
    assert membership["auroc"]["interval"][0] < 0.5
    assert regurgitation["verdict"] == "no evidence"
    assert regurgitation["members"]["count"] == 0
    # Clopper and Pearson's end of 0 of n is 1 - (0.05 / 2)^(1 / n).
    assert regurgitation["members"]["interval"][1] == pytest.approx(1 - 0.025 ** (1 / NUM))


def test_members_that_differ_by_a_word_are_confounded(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    later = write_texts(tmp_path / "later.jsonl", texts(2, 300, opening="after"))
    output = tmp_path / "audits"
    words = ["--members", str(checkpoints.members), "--nonmembers", str(later)]
    assert (
        main(["audit", str(checkpoints.trained), *words, "--quick", "--output", str(output)]) == 0
    )
    found = numbers(next(output.iterdir()))
    assert found["membership"]["verdict"] == "confounded"
    assert found["membership"]["blind"]["auroc"]["value"] > 0.99
    assert "differ by themselves" in found["headlines"][0]
    # Documents of 12 tokens are too short for 50 + 50.
    assert found["regurgitation"]["verdict"] == "not measured"
    assert "no document has 100 tokens" in found["skipped"]["extraction"]


def test_scores_are_those_of_a_slower_second_way(quick: Path, checkpoints: Checkpoints) -> None:
    model = GPT2LMHeadModel.from_pretrained(checkpoints.trained).eval()
    tokeniser = AutoTokenizer.from_pretrained(checkpoints.trained)
    lines = checkpoints.nonmembers.read_text().splitlines()
    scores = pl.read_parquet(quick / "scores.parquet").filter(pl.col("set") == "nonmember")
    for row in scores.head(5).iter_rows(named=True):
        ids = tokeniser(json.loads(lines[row["line"] - 1])["text"])["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[0, *ids[:-1]]])).logits[0].double()
        log_p_LV = logits.log_softmax(-1)
        log_p_L = log_p_LV[range(len(ids)), ids]
        mean_L = (log_p_LV.exp() * log_p_LV).sum(-1)
        spread_L = ((log_p_LV.exp() * log_p_LV**2).sum(-1) - mean_L**2).sqrt()
        assert row["suffix_log_p"] == pytest.approx(float(log_p_L[4:12].sum()), rel=1e-4)
        lowest = max(1, len(ids) * 20 // 100)
        wanted = {
            "loss": log_p_L.mean(),
            "min_k": log_p_L.sort().values[:lowest].mean(),
            "min_k_plus_plus": ((log_p_L - mean_L) / spread_L).sort().values[:lowest].mean(),
        }
        assert row["tokens"] == len(ids)
        assert row["code_bits"] == pytest.approx(float(-log_p_L.sum()) / np.log(2), rel=1e-4)
        for name, value in wanted.items():
            assert row[f"score.{name}"] == pytest.approx(float(value), rel=1e-3), name


def test_nothing_of_the_text_and_no_gap_in_the_numbers(quick: Path) -> None:
    for name in ("audit.json", "audit.html", "facts.json"):
        assert "baran" not in (quick / name).read_text()
    scores = pl.read_parquet(quick / "scores.parquet")
    assert not [
        name for name, dtype in scores.schema.items() if dtype == pl.String and name != "set"
    ]
    values = scores.select(pl.col(pl.Float64)).to_numpy()
    assert np.isfinite(values).all()
    page = (quick / "audit.html").read_text()
    assert page.count("<svg ") == 3 and "$" not in page and "nan" not in page.lower().split()


def test_every_score_of_a_full_audit(checkpoints: Checkpoints, tmp_path: Path) -> None:
    sides = {}
    for name, path in (("members", checkpoints.members), ("nonmembers", checkpoints.nonmembers)):
        sides[name] = tmp_path / f"{name}.txt"
        lines = [json.loads(line)["text"] for line in path.read_text().splitlines()[:80]]
        sides[name].write_text("\n".join(lines) + "\n\n \nx\n")
    words = ["--members", str(sides["members"]), "--nonmembers", str(sides["nonmembers"])]
    other = tmp_path / "other"
    other.mkdir()
    for path in checkpoints.untrained.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / "tokenizer_config.json").write_text(
        (other / "tokenizer_config.json").read_text() + "\n"
    )
    references = ["--reference", str(checkpoints.untrained), str(other)]
    output = ["--output", str(tmp_path / "audits")]
    assert main(["audit", str(checkpoints.trained), *words, *references, *output]) == 0
    (folder,) = (tmp_path / "audits").iterdir()
    found = numbers(folder)
    assert set(found["membership"]["qualities"]) == {
        "loss", "zlib", "min_k", "min_k_plus_plus", "gradient_norm", "lowercase", "recall",
        "neighbourhood", "reference_1", "reference_2", "rmia", "lira", "dc_pdd", "ez", "wbc",
    }  # fmt: skip
    assert found["aside"] == 8 and found["prefix_of_recall_tokens"] == 4
    for side in ("members", "nonmembers"):
        assert (found[side]["empty"], found[side]["too_short"]) == (2, 1)
    scores = pl.read_parquet(folder / "scores.parquet")
    evaluated = scores.filter(~pl.col("aside"))
    every = evaluated.select("code_bits", "blind", pl.col(r"^(score|reference)\..*$"))
    assert every.width == 19 and every.null_count().sum_horizontal().item() == 0
    assert scores.filter(pl.col("aside"))["score.recall"].null_count() == 8
    for row in evaluated.filter(set="member").head(4).iter_rows(named=True):
        text = sides["members"].read_text().splitlines()[row["line"] - 1]
        ez, wbc = against_a_reference(checkpoints, text)
        assert row["score.ez"] == pytest.approx(ez, rel=1e-3)
        assert row["score.wbc"] == pytest.approx(wbc)
    # Neither reference was trained: two that are equal leave LiRA with the least spread there is.
    assert evaluated["score.reference_1"].to_list() == evaluated["score.reference_2"].to_list()


def against_a_reference(checkpoints: Checkpoints, text: str) -> tuple[float, float]:
    """EZ-MIA and WBC of one text, position by position."""
    ids = AutoTokenizer.from_pretrained(checkpoints.trained)(text)["input_ids"]
    log_p, greedy = [], []
    for folder in (checkpoints.trained, checkpoints.untrained):
        model = GPT2LMHeadModel.from_pretrained(folder).eval()
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[0, *ids[:-1]]])).logits[0].double()
        log_p.append(logits.log_softmax(-1)[range(len(ids)), ids])
        greedy.append(logits.argmax(-1).tolist())
    shifts = (log_p[0] - log_p[1]).tolist()
    wrong = [one for one, token, best in zip(shifts, ids, greedy[0], strict=True) if token != best]
    up, down = sum(x for x in wrong if x > 0), -sum(x for x in wrong if x < 0)
    votes = []
    for size in (2, 3, 4, 5, 8, 11, 15, 21, 29, 40):
        windows = [shifts[at : at + size] for at in range(len(shifts) - size + 1)]
        if windows:
            votes.append(sum(sum(window) > 0 for window in windows) / len(windows))
    return up / down if len(wrong) > 1 and down else 0.0, sum(votes) / len(votes)


@pytest.mark.parametrize("precision", ["bf16_true", "bf16_mixed"])
def test_bfloat16_says_about_the_same(
    checkpoints: Checkpoints, quick: Path, tmp_path: Path, precision: str
) -> None:
    """It keeps 8 bits: a document of 12 tokens costs some 70 bits, give or take one."""
    lines = [
        path.read_text().splitlines()[:40] for path in (checkpoints.members, checkpoints.nonmembers)
    ]
    for name, some in zip(("m", "n"), lines, strict=True):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(some))
    words = ["--members", str(tmp_path / "m.jsonl"), "--nonmembers", str(tmp_path / "n.jsonl")]
    output = ["--quick", "--precision", precision, "--output", str(tmp_path / "audits")]
    assert main(["audit", str(checkpoints.trained), *words, *output]) == 0
    (folder,) = (tmp_path / "audits").iterdir()
    assert numbers(folder)["settings"]["precision"] == precision
    found = pl.read_parquet(folder / "scores.parquet").filter(pl.col("set") == "member")
    wanted = pl.read_parquet(quick / "scores.parquet").filter(pl.col("set") == "member").head(40)
    assert found["line"].to_list() == wanted["line"].to_list()
    apart = (found["code_bits"] - wanted["code_bits"]).abs()
    assert 0 < apart.max() < 2
