"""Every report, fit, plan and comparison says what it said of the same runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cases import COMMANDS, SCALE
from tests.golden.outputs import HERE, answer, audit_answer, unpack
from tests.inprocess import rote

RELATIVE = 1e-6  # searches end a little elsewhere on another processor


@pytest.fixture(scope="module")
def capacity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Outputs with the capacity report, by which others scale, and what that says."""
    outputs = unpack(tmp_path_factory.mktemp("golden"))
    return outputs, answer(outputs, SCALE)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_said_of_the_same_runs_stays(
    capacity: tuple[Path, dict[str, Any]], name: str
) -> None:
    outputs, scale = capacity
    _require_equal(name, scale if name == SCALE else answer(outputs, name))


def test_what_an_audit_says_of_the_same_scores_stays(tmp_path: Path) -> None:
    _require_equal("audit", audit_answer(tmp_path))


def _require_equal(name: str, answered: dict[str, Any]) -> None:
    golden = json.loads((HERE / "answers" / f"{name}.json").read_text())
    differing = list(_differences(golden, json.loads(json.dumps(answered)), name))
    assert not differing, "\n".join(differing[:20])


def _differences(golden: Any, found: Any, at: str) -> Iterator[str]:
    if isinstance(golden, dict) and isinstance(found, dict):
        for key in sorted({*golden, *found}):
            if key in golden and key in found:
                yield from _differences(golden[key], found[key], f"{at}: {key}")
            else:
                yield f"{at}: {key} {'is new' if key in found else 'is gone'}"
    elif isinstance(golden, list) and isinstance(found, list) and len(golden) == len(found):
        for position, pair in enumerate(zip(golden, found, strict=True)):
            yield from _differences(*pair, f"{at}[{position}]")
    elif isinstance(golden, float) and isinstance(found, (int, float)):
        if found != pytest.approx(golden, rel=RELATIVE, nan_ok=True):
            yield f"{at}: {golden!r} -> {found!r}"
    elif golden != found:
        yield f"{at}: {golden!r} -> {found!r}"


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("nowhere", "has no report"),
        ("../capacity", "must be a name without slashes"),
        ("other", "states no capacity"),
    ],
)
def test_a_capacity_is_refused_where_none_is_stated(
    capacity: tuple[Path, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    named: str,
    reason: str,
) -> None:
    outputs, _ = capacity
    monkeypatch.setenv("ROTE_OUTPUTS", str(outputs))
    manifest = outputs / "reports" / "other" / "manifest.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text('{"name": "other", "numbers": {"slope": 1}}')
    done = rote(HERE, "report", "random_labels", "--capacity-from", named)
    assert done.returncode == 2 and reason in done.stderr
