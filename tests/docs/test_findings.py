"""Demos' numbers in docs/findings.md are generated, and name the commit that made them."""

import json
import re
import sys
from pathlib import Path

import pytest
from tests.docs.pages import ROOT

from rote.analysis.claims.claim import load_claims
from rote.analysis.claims.evidence import judge
from rote.analysis.claims.scorecard import markdown, read_earlier, summary


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch):
    """The script of `make findings` as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "findings", raising=False)
    import findings

    return findings


def test_every_demo_has_marks_and_what_stands_there_names_its_commit(findings) -> None:
    assert set(findings.DEMOS) == {path.stem for path in (ROOT / "sweeps").glob("*demo.yaml")}
    blocks = {name: _between(name, "docs/findings.md") for name in findings.DEMOS}
    made = {name: block for name, block in blocks.items() if block.strip()}
    assert "demo" in made  # its numbers are the README's
    for name, block in made.items():
        assert re.search(r"^Commit [0-9a-f]{7}, .+, torch \d", block, re.MULTILINE), name
        assert re.search(r"^\d+ runs in \d+ s", block, re.MULTILINE), name
        assert re.search(r"^- .+", block, re.MULTILINE), name


def test_rows_are_of_numbers_with_an_interval(findings) -> None:
    entry = {
        "bits_per_parameter": 3.14159,
        "interval_bits_per_parameter": [3.0, 3.25],
        "maximum_bits": 12.0,
        "interval_missing": None,
        "runs": ["a", "b"],
    }
    assert list(findings._rows("alpha fp32", entry)) == [
        "| alpha fp32, bits per parameter | 3.142 | 3 to 3.25 | 2 |"
    ]
    peak = {"data_per_capacity": 0.98765, "interval": [0.9, 1.1], "runs": ["a"]}
    assert list(findings._rows("peak", peak)) == ["| peak | 0.9877 | 0.9 to 1.1 | 1 |"]


def test_the_scorecard_and_the_summary_are_those_of_its_numbers(tmp_path: Path) -> None:
    earlier, damaged = read_earlier(ROOT / "docs" / "claims.json"), []
    judged = [judge(claim, tmp_path, earlier, damaged) for claim in load_claims()]
    content = json.loads((ROOT / "docs" / "claims.json").read_text())
    costs = {_sweep(each["command"]): each["cost"] for each in content["claims"] if each["cost"]}
    page, readme = (_between("claims", path) for path in ("docs/claims.md", "README.md"))
    assert page.strip() == markdown(judged, costs).strip()
    assert summary(judged) in readme


def _sweep(command: str) -> str:
    return command.split()[2].rstrip(";")


def _between(name: str, path: str) -> str:
    _, begun, rest = (ROOT / path).read_text().partition(f"<!-- {name}: make findings -->")
    block, ended, _ = rest.partition(f"<!-- end of {name} -->")
    assert begun and ended, name
    return block
