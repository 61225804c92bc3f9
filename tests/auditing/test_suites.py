"""Suites with known membership, in small look-alikes of their published files."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.auditing.conftest import Checkpoints, make_checkpoints, texts, write_texts
from tests.auditing.small_folders import V, audited, refusal, saved

from rote.analysis.audit.duplicates import paired_mean
from rote.auditing.document_sets import read_rows
from rote.auditing.suites import Suite, find_suite
from rote.core.progress import no_progress
from rote.tasks.canaries.manifest import CanaryPlacement

NUM, REPEATED, TIMES = 200, 20, 31  # of make_checkpoints: the first members occur more often


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    folder = tmp_path_factory.mktemp("suites")
    make_checkpoints(folder, num=NUM, steps=40)
    return Checkpoints(folder=folder)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("suites") / "model")


def hubble(folder: Path) -> Path:
    """The layout of a data set of the suite: parquet files of two splits, and a README."""
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    members, others = texts(1, NUM), texts(2, NUM)
    counts = [TIMES if number < REPEATED else 1 for number in range(NUM)]
    for split, lines, held in (("train", members, counts), ("test", others, [0] * NUM)):
        rows = {"text": lines, "meta": ["{}"] * NUM, "duplicates": held}
        pl.DataFrame(rows).write_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture(scope="module")
def output(trained: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an audit with all that one can have: a suite, a reference and canaries."""
    folder = tmp_path_factory.mktemp("output")
    words = ["--suite", "hubble", str(hubble(folder / "biographies"))]
    words += ["--standard", str(trained.untrained), "--canaries", str(trained.manifest)]
    audited(trained.trained, folder / "out", words)
    (made,) = (folder / "out").iterdir()
    return Path(made)


@pytest.fixture(scope="module")
def numbers(output: Path) -> dict[str, Any]:
    return dict(json.loads((output / "audit.json").read_text()))


def test_leakage_rises_with_the_number_of_duplicates(output: Path, numbers: dict[str, Any]) -> None:
    assert numbers["suite"] == "hubble" and numbers["digests"]["suite"]["name"] == "hubble"
    never, once, often = numbers["by_duplicates"]
    assert [row["duplicates"] for row in (never, once, often)] == [0, 1, TIMES]
    assert [row["num_documents"] for row in (never, once, often)] == [NUM, NUM - REPEATED, REPEATED]
    assert never["auroc"] is None and often["auroc"]["value"] > once["auroc"]["value"]
    assert often["auroc"]["interval"][0] > 0.5
    assert often["extracted"]["trials"] == REPEATED
    saved_bits = [row["saved_bits"]["reference"] for row in (never, once, often)]
    assert saved_bits[2]["interval"][0] > saved_bits[1]["interval"][1]
    scores = pl.read_parquet(output / "scores.parquet").filter(duplicates=TIMES)
    mean = (scores["reference.reference"] - scores["code_bits"]).mean()
    assert saved_bits[2]["value"] == pytest.approx(mean)
    assert "duplicates: AUROC" in numbers["headlines"][2]
    assert "By number of duplicates" in (output / "audit.html").read_text()


ROW = re.compile(r"^\| `([\w.\[\]]+)` \| (\w*) \|", re.MULTILINE)
# Parts with the keys of another part, as the table says.
AS_ANOTHER = (
    (r"^membership\.qualities\.\w+\.", "membership.blind."),
    (r"^unintended\[\]\.nonmembers\.", "unintended[].members."),
    (r"^references\[\]\.(?!score$)", "model."),
    (r"^nonmembers\.", "members."),
)
KINDS = {
    ("value", "interval"): "estimate",
    ("count", "trials", "interval"): "rate",
    ("successes", "trials", "times_asked"): "counts",
}
MAPS = ("eidetic", "saved_bits", "settings", "skipped", "digests", "versions")


def keys_of(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every key of the file with its type."""
    if isinstance(value, dict) and (kind := KINDS.get(tuple(value))):
        yield key, kind
    elif isinstance(value, dict) and key.rpartition(".")[2] in MAPS:
        yield key, "object"
    elif isinstance(value, dict):
        for name, held in value.items():
            yield from keys_of(held, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for held in value:
            yield from keys_of(held, f"{key}[]")
    else:
        yield key, type(value).__name__


def test_the_page_has_every_key_of_audit_json_with_its_type(numbers: dict[str, Any]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text().partition("## audit.json")
    written = {key: kind for key, kind in ROW.findall(page[2]) if kind}
    found: dict[str, set[str]] = {}
    for key, kind in keys_of(numbers):
        for pattern, other in AS_ANOTHER:
            key = re.sub(pattern, other, key)
        found.setdefault(key, set()).add(kind)
    assert found.keys() == written.keys()
    for key, kinds in found.items():
        assert kinds <= {written[key], "NoneType"} | ({"int"} if written[key] == "float" else set())
    assert f"`schema_version` is {numbers['schema_version']}." in page[2]


@pytest.mark.parametrize("is_text", [True, False])
def test_counts_may_stand_in_meta(tmp_path: Path, is_text: bool) -> None:
    """As in the files X_nodup.jsonl.gz of the suite."""
    lines = []
    for number in range(4):
        meta: Any = {"duplicates": 4 * (number % 2)}
        row = {"text": f"text {number}", "meta": json.dumps(meta) if is_text else meta}
        lines.append(json.dumps(row) + "\n")
    with gzip.open(tmp_path / "passages_nodup.jsonl.gz", "wt") as stream:
        stream.writelines(lines)
    suite = find_suite("hubble", tmp_path)
    assert isinstance(suite, Suite)
    members, others = suite.rows(no_progress)
    assert [(row.number, row.content, row.count) for row in members] == [
        (2, "text 1", 4), (4, "text 3", 4),
    ]  # fmt: skip
    assert [row.number for row in others] == [1, 3]


def mimir(folder: Path, *names: str) -> Path:
    """JSON texts a line, members below train, non-members below test."""
    for name in names:
        for seed, split in enumerate(("train", "test")):
            (folder / split).mkdir(parents=True, exist_ok=True)
            lines = "".join(json.dumps(text) + "\n" for text in texts(seed, 30))
            (folder / split / f"{name}.jsonl").write_text(lines)
    return folder


def test_pairs_of_files_of_mimir_are_members_and_nonmembers(tmp_path: Path) -> None:
    folder = mimir(tmp_path / "cache_100_200_1000_512", "arxiv_ngram_13_0.8")
    found = find_suite("pythia", folder)
    assert isinstance(found, tuple)
    for path, seed in zip(found, (0, 1), strict=True):
        rows = read_rows(path, "text", no_progress)
        assert [row.content for row in rows] == texts(seed, 30)
    mimir(folder, "github_ngram_13_0.8")
    train = folder / "train" / "github_ngram_13_0.8.jsonl"
    assert find_suite("pythia", train) == (train, folder / "test" / train.name)
    with pytest.raises(ValueError, match=r"holds 2 subsets \(arxiv_ngram_13_0.8.jsonl, github"):
        find_suite("pythia", folder)


def test_canaries_of_a_manifest_are_documents_with_their_repeats(
    untrained: Path, tmp_path: Path
) -> None:
    plan = CanaryPlacement(
        kinds=("tokens",), secret_length=1, vocab_size=V, repeats=(1, 8), num_each=10,
        num_controls=20,
    )  # fmt: skip
    plan.manifest(0, Random(0), 0).write(tmp_path / "run" / "manifest.json")
    words = ["--suite", "canaries", str(tmp_path / "run")]
    found = audited(untrained, tmp_path / "out", words)
    assert [row["duplicates"] for row in found["by_duplicates"]] == [0, 1, 8]
    assert found["canaries"] == {"file": "manifest.json"}
    assert sum(row["num_documents"] for row in found["by_duplicates"]) == 40


def test_canaries_of_rows_have_a_count(tmp_path: Path) -> None:
    rows = [{"text": "planted", "count": 3}, {"text": "control", "count": 0}]
    path = tmp_path / "canaries.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = find_suite("canaries", path)
    assert isinstance(suite, Suite) and suite.manifest is None
    (member,), (control,) = suite.rows(no_progress)
    assert (member.content, member.count, control.content) == ("planted", 3, "control")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give --members and --nonmembers, or --suite NAME FOLDER"),
        (["--members", "m"], "--nonmembers is missing"),
        (["--suite", "hubble", "{empty}", "--members", "m"], "or --suite NAME FOLDER"),
        (["--suite", "hubble", "{empty}", "--field", "body"], "leave out --field"),
        (["--suite", "huble", "{empty}"], "suite 'huble' is not known. Did you mean 'hubble'?"),
        (["--suite", "hubble", "{empty}/no"], "there is no file or folder"),
        (["--suite", "hubble", "{empty}"], "there is no file in the folder"),
        (["--suite", "hubble", "{other}"], "holds no .jsonl or .parquet with 'text' and"),
        (["--suite", "pythia", "{other}"], "holds no train/NAME.jsonl with a test/NAME.jsonl"),
        (["--suite", "pythia", "{other}/README.md"], "is no train/NAME.jsonl"),
        (["--suite", "canaries", "{plain}"], "'count' must be a whole number of 0 or more, got"),
        (["--suite", "hubble", "{few}"], "has 1 documents to score as members"),
    ],
)
def test_what_is_no_suite_is_refused_in_one_line(
    untrained: Path, tmp_path: Path, words: list[str], said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("empty", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "other" / "README.md").write_text("nothing")
    write_texts(tmp_path / "plain.jsonl", texts(0, 30))
    few = [{"text": "one", "duplicates": 1}, {"text": "none", "duplicates": 0}]
    (tmp_path / "few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in few))
    places = {name: str(tmp_path / name) for name in ("empty", "other")}
    places |= {name: str(tmp_path / f"{name}.jsonl") for name in ("plain", "few")}
    assert said in refusal(untrained, [word.format(**places) for word in words], capsys)


def test_paired_means_have_the_interval_of_normal_differences() -> None:
    drawn = np.random.default_rng(0).normal(2.0, 1.0, 400)
    found = paired_mean(drawn, seed=0)
    assert found.value == pytest.approx(drawn.mean())
    low, high = found.ends
    assert high - low == pytest.approx(2 * 1.966 * drawn.std(ddof=1) / 20, rel=0.06)
    assert paired_mean(np.ones(5), seed=0).why_none == "no spread"
