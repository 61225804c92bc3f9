"""A record names the commit that made it; a sweep of several versions of the code says so."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from rote.cli.main import main
from rote.core import provenance
from rote.core.provenance import code_versions
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.site.site import build_site
from tests.conftest import COMPOSER, TINY
from tests.site.planted import CIRCUMSTANCES, plant

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the sources are no checkout")
def test_a_checkout_has_the_commit_that_git_names() -> None:
    head = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert provenance.commit() == head.stdout.strip()


def test_sources_that_are_no_checkout_have_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance._git("rev-parse", "HEAD") is None


def run(commit: str | None, changes: str | None = None, copy: str | None = None) -> dict[str, Any]:
    versions = {"rote": "0.4.0"}
    return {"commit": commit, "uncommitted_digest": changes, "snapshot": copy, "versions": versions}


ONE, OTHER, COPY, EDITED = "a" * 40, "b" * 40, "c" * 16, "d" * 16


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [run(ONE), run(ONE)],
        [run(None), run(None)],
        [run(ONE), run(ONE, copy=COPY)],  # on this machine, and as it was sent
        [run(ONE, copy=COPY), run(OTHER, copy=COPY)],  # a commit of docs
    ],
)
def test_runs_of_one_version_of_the_code_say_nothing(runs: list[dict[str, Any]]) -> None:
    assert code_versions(runs) == ""


def test_several_versions_of_the_code_are_one_line_the_most_frequent_first() -> None:
    runs = [
        run(ONE, copy=COPY), run(ONE, EDITED), run(OTHER), run(OTHER), run(None),
        *[run(ONE, copy=EDITED)] * 1000,
    ]  # fmt: skip
    assert code_versions(runs) == (
        "trained by 5 versions of the code: commit aaaaaaa, copy ddddddd (1,000 runs); commit "
        "bbbbbbb (2 runs); commit aaaaaaa, copy ccccccc (1 run); commit aaaaaaa with changes "
        "ddddddd (1 run); 1 more"
    )


def test_status_report_and_site_say_that_versions_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    base = Spec.from_config(COMPOSER.config(list(TINY)))
    plan = plant(tmp_path, base, name="mixed", num_runs=9)
    first = Store(tmp_path).run(plan.run_ids[0])
    first.finish(first.record(), first.arrays(), {**CIRCUMSTANCES, "commit": OTHER})
    line = "trained by 2 versions of the code: commit 0123abc (8 runs); commit bbbbbbb (1 run)"
    for words in (["status", "mixed"], ["report", "mixed"]):
        assert main(words) == 0
        assert line in capsys.readouterr().out
    page = (tmp_path / "reports" / "mixed" / "report.html").read_text()
    assert f"These runs were {line}." in page
    data = build_site(tmp_path).index.parent / "data" / "sweeps" / "mixed.js"
    assert line in data.read_text()
