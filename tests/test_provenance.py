"""A record names the commit that made it; an installed package has none."""

import subprocess
from pathlib import Path

import pytest

from rote.core import provenance

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
