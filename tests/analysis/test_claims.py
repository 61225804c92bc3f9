"""Published claims are judged by whole intervals, at the printed settings before others."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rote.analysis.claims.claim import PRINTED, SMALLER, Claim, ClaimTest, load_claims, read_claim
from rote.analysis.claims.evidence import FAILS, HOLDS, UNDECIDED, UNTESTED, judge
from rote.analysis.claims.scorecard import command, markdown, read_earlier, scorecard_json, summary
from rote.config import folders
from rote.config.folders import sweep_files
from tests.inprocess import rote

CLAIM = """\
topic: capacity
says: Large models hold more.
source: Nobody 2026, arXiv 0000.00000
printed: 2
about: models
tests:
  - sweep: tiny
    settings: smaller
    number: alpha fp32
    value: bits_per_parameter
    rule: {above: -1000}
"""
TINY = """\
question: How much does a tiny model hold?
report: capacity
fixed:
  task.length: 8
  task.vocab_size: 16
  size: demo_s
  precision: fp32
  budget: demo
  budget.max_steps: 20
  budget.batch_size: 8
  log: none
grid:
  product:
    task.num_sequences: [8, 16]
    seed: [0, 1]
"""


def write_report(
    reports: Path, name: str, converged: Sequence[int] = (1, 2), **numbers: Any
) -> None:
    (reports / name).mkdir(parents=True)
    manifest = {"runs_converged": converged, "commits": ["abcdef0123"], "numbers": numbers}
    (reports / name / "manifest.json").write_text(json.dumps(manifest))


def a_test(rule: dict[str, Any], settings: str = SMALLER, **more: Any) -> ClaimTest:
    return ClaimTest(**{
        "sweep": "s", "settings": settings, "number": "x*", "value": "size", "rule": rule, **more,
    })  # fmt: skip


def a_claim(*tests: ClaimTest) -> Claim:
    return Claim(
        name="c", topic="capacity", says="It is so.", source="Nobody", printed="1", about="all",
        tests=tests,
    )  # fmt: skip


def verdict_of(tmp_path: Path, rule: dict[str, Any], *numbers: dict[str, Any]) -> str:
    write_report(tmp_path, "s", **{f"x{place}": one for place, one in enumerate(numbers)})
    return judge(a_claim(a_test(rule)), tmp_path, [], []).verdict


def between(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"size": (low + high) / 2, "interval_size": [low, high], "runs": ["a", "b"], **more}


BOUND = between(2, 3, lower_bound=True)  # it can exceed another, but never stay below


@pytest.mark.parametrize(
    ("rule", "number", "verdict"),
    [
        ({"above": 1}, between(1.1, 2), HOLDS),
        ({"above": 1}, between(0.2, 0.9), FAILS),
        ({"above": 1}, between(0.9, 1.1), UNDECIDED),
        ({"above": 1}, {"size": 100.0, "runs": []}, UNDECIDED),  # without an interval
        ({"above": 1}, BOUND, HOLDS),
        ({"below": 1}, between(0.2, 0.9), HOLDS),
        ({"below": 1}, between(1.1, 2), FAILS),
        ({"below": 1}, between(0.9, 1.1), UNDECIDED),
        ({"below": 4}, BOUND, UNDECIDED),
        ({"below": 1}, BOUND, FAILS),
        ({"within": [1, 2]}, between(1.2, 1.8), HOLDS),
        ({"within": [1, 2]}, between(2.2, 2.8), FAILS),
        ({"within": [1, 2]}, between(0.2, 0.8), FAILS),
        ({"within": [1, 2]}, between(0.2, 2.8), UNDECIDED),
        ({"within": [1, 2]}, between(1.8, 2.2), UNDECIDED),
        ({"within": [1, 4]}, BOUND, UNDECIDED),
    ],
)
def test_a_rule_is_judged_on_the_whole_interval(
    tmp_path: Path, rule: dict[str, Any], number: dict[str, Any], verdict: str
) -> None:
    assert verdict_of(tmp_path, rule, number) == verdict


@pytest.mark.parametrize(
    ("rule", "intervals", "verdict"),
    [
        ({"above": 1}, [(2, 3), (3, 4)], HOLDS),
        ({"above": 1}, [(2, 3), (0, 0.5)], FAILS),  # one that contradicts is enough
        ({"above": 1}, [(2, 3), (0, 3)], UNDECIDED),
        ({"alike": 0.1}, [(2.9, 3.0), (3.0, 3.1)], HOLDS),
        ({"alike": 0.1}, [(2.0, 2.1), (3.0, 3.1)], FAILS),
        ({"alike": 0.1}, [(2.0, 4.0), (3.0, 3.1)], UNDECIDED),
        ({"alike": 0.1}, [(2.9, 3.0)], UNDECIDED),
    ],
)
def test_a_rule_is_judged_on_all_numbers_together(
    tmp_path: Path, rule: dict[str, Any], intervals: Sequence[tuple[float, float]], verdict: str
) -> None:
    assert verdict_of(tmp_path, rule, *(between(*each) for each in intervals)) == verdict


def test_the_verdict_of_a_report_is_taken_over(tmp_path: Path) -> None:
    for said in (HOLDS, FAILS, UNDECIDED):
        write_report(tmp_path / said, "s", x={"verdict": said})
        test = a_test({"says": "holds"}, value="verdict")
        assert judge(a_claim(test), tmp_path / said, [], []).verdict == said


def test_evidence_at_the_printed_settings_precedes_other_evidence(tmp_path: Path) -> None:
    printed = a_test({"above": 1}, PRINTED, sweep="large")
    smaller = a_test({"above": 1}, SMALLER, sweep="small")
    claim = a_claim(smaller, printed)
    assert judge(claim, tmp_path, [], []).verdict == UNTESTED
    write_report(tmp_path, "small", x=between(2, 3))
    small = judge(claim, tmp_path, [], [])
    assert (small.verdict, small.settings) == (HOLDS, SMALLER)
    assert command(small) == "rote sweep large; rote report large"
    write_report(tmp_path, "large", x=between(0, 0.5))
    large = judge(claim, tmp_path, [], [])
    assert (large.verdict, large.settings) == (FAILS, PRINTED)
    assert command(large) is None


def test_a_printed_setting_that_decides_nothing_leaves_the_smaller_one(tmp_path: Path) -> None:
    tests = a_test({"above": 1}, PRINTED, sweep="large"), a_test({"above": 1}, sweep="small")
    write_report(tmp_path, "large", x=between(0, 2))
    write_report(tmp_path, "small", x=between(2, 3))
    judged = judge(a_claim(*tests), tmp_path, [], [])
    assert (judged.verdict, judged.settings) == (HOLDS, SMALLER)


def test_an_earlier_scorecard_stands_in_for_reports_that_are_not_here(tmp_path: Path) -> None:
    """Two claims rest on the same number, which is read once."""
    write_report(tmp_path / "there", "s", x=between(2, 3))
    claims = [a_claim(a_test({rule: 1})) for rule in ("above", "below")]
    judged = [judge(claim, tmp_path / "there", [], []) for claim in claims]
    (tmp_path / "claims.json").write_text(json.dumps(scorecard_json(judged, {})))
    earlier = read_earlier(tmp_path / "claims.json")
    assert [judge(claim, tmp_path / "here", earlier, []) for claim in claims] == judged
    write_report(tmp_path / "here", "s", x=between(0, 0.5))
    assert judge(claims[0], tmp_path / "here", earlier, []).verdict == FAILS


def test_markdown_and_summary_count_the_same_verdicts(tmp_path: Path) -> None:
    write_report(tmp_path, "s", x=between(2, 3))
    judged = [
        judge(a_claim(a_test({rule: 1})), tmp_path, [], []) for rule in ("above", "above", "below")
    ]
    said = summary(judged)
    assert said.startswith("3 claims: 2 hold (2 of them as a direction, at small scale), 1 do not")
    rows = [line for line in markdown(judged, {}).splitlines() if line.startswith("| It is so")]
    assert [FAILS in row for row in rows] == [False, False, True]
    assert all(
        "2.5 (2 to 3)" in row and "1 of 2 runs converged, commit abcdef0" in row for row in rows
    )


def test_a_report_that_decides_nothing_is_no_objection_to_one_that_does(tmp_path: Path) -> None:
    write_report(tmp_path, "s", x=between(0, 3), y=between(2, 3))
    write_report(tmp_path, "t", x=between(2, 3))
    tests = [a_test({"above": 1}), a_test({"above": 1}, sweep="t")]
    assert [judge(a_claim(each), tmp_path, [], []).verdict for each in tests] == [UNDECIDED, HOLDS]
    assert judge(a_claim(*tests), tmp_path, [], []).verdict == HOLDS
    wide = a_test({"above": 1}, number="*")
    assert judge(a_claim(wide), tmp_path, [], []).verdict == UNDECIDED


def test_runs_without_a_test_of_convergence_are_said_so(tmp_path: Path) -> None:
    write_report(tmp_path, "s", converged=(0, 0), x=between(2, 3))
    judged = judge(a_claim(a_test({"above": 1})), tmp_path, [], [])
    assert "s, a set number of steps, commit abcdef0" in markdown([judged], {})


def test_every_claim_of_the_project_names_sweeps_that_exist() -> None:
    known, sweeps = load_claims(), sweep_files()
    assert len({each.says for each in known}) == len(known) > 30
    for claim in known:
        for test in claim.tests:
            assert test.sweep in sweeps, f"{claim.name}: {test.sweep}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("topic: capacity", "topic: cooking"), "topic 'cooking' is not known"),
        (("rule: {above: -1000}", "rule: {over: 1}"), "rule 'over' is not known"),
        (("rule: {above: -1000}", "rule: {above: much}"), "the rule above cannot take 'much'"),
        (("rule: {above: -1000}", "rule: {within: [2, 1]}"), "the rule within cannot take [2, 1]"),
        (("rule: {above: -1000}", "rule: {above: 1, below: 2}"), "a rule is one of"),
        (("settings: smaller", "settings: tiny"), "settings 'tiny' is not known"),
        (("says:", "said:"), "key 'said' is not known"),
        (("    number: alpha fp32\n", ""), "number"),
        (("says: Large models hold more.", "says: 3"), "says must be text: 3"),
        (("tests:", "tests: []\nabout:"), "is not a claim"),
    ],
)
def test_a_file_that_is_no_claim_is_named(
    tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(CLAIM.replace("printed: 2", 'printed: "2"').replace(*change))
    with pytest.raises(ValueError, match="is not a claim") as raised:
        read_claim(path)
    assert str(raised.value).startswith(str(path))
    assert reason in str(raised.value)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one claim and its sweep, without the project's claims."""
    for kind, text in (("claims", CLAIM.replace("printed: 2", 'printed: "2"')), ("sweeps", TINY)):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "tiny.yaml").write_text(text)
    own = {"tiny": tmp_path / "claims" / "tiny.yaml"}
    monkeypatch.setattr(folders, "claim_files", lambda: own)
    monkeypatch.setattr("rote.analysis.claims.claim.claim_files", lambda: own)
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path


def test_a_person_runs_what_is_small_and_reads_the_scorecard(own_folder: Path) -> None:
    done = rote(own_folder, "claims", "--run", "small", "--bill")
    assert done.returncode == 0, done.stderr
    assert "1 claim: " in done.stdout
    made = own_folder / "outputs" / "claims"
    content = json.loads((made / "claims.json").read_text())
    (claim,) = content["claims"]
    (evidence,) = claim["evidence"]
    manifest = own_folder / "outputs" / "reports" / "tiny" / "manifest.json"
    alpha = json.loads(manifest.read_text())["numbers"]["alpha fp32"]
    assert evidence["measured"]["value"] == alpha["bits_per_parameter"]
    assert claim["verdict"] == (HOLDS if alpha["interval_bits_per_parameter"] else UNDECIDED)
    assert evidence["measured"]["num_runs"] == 4
    assert "on this machine" in claim["cost"]
    assert evidence["measured"]["trained_until"] > "2020-01-01"
    for name in ("claims.html", "claims.md"):
        assert "Large models hold more." in (made / name).read_text()


def test_a_damaged_report_is_named_and_the_scorecard_written(own_folder: Path) -> None:
    manifest = own_folder / "outputs" / "reports" / "tiny" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{")
    done = rote(own_folder, "claims")
    assert done.returncode == 2
    assert "manifest.json" in done.stderr
    assert (own_folder / "outputs" / "claims" / "claims.json").exists()


@pytest.mark.parametrize("content", ["{", "{}", '{"version": 1, "claims": [{"evidence": [{}]}]}'])
def test_a_file_that_is_no_scorecard_is_refused(own_folder: Path, content: str) -> None:
    (own_folder / "old.json").write_text(content)
    done = rote(own_folder, "claims", "--with", "old.json")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "old.json" in done.stderr or "evidence" in done.stderr


def test_a_sweep_that_cannot_be_planned_here_has_no_bill_and_stops_nothing(
    own_folder: Path,
) -> None:
    sweep = own_folder / "sweeps" / "tiny.yaml"
    sweep.write_text(
        TINY.replace("size: demo_s", "size: demo_s\n  task: text\n  task/source: files")
    )
    done = rote(own_folder, "claims", "--bill")
    assert done.returncode == 0, done.stderr
    (claim,) = json.loads((own_folder / "outputs" / "claims" / "claims.json").read_text())["claims"]
    assert claim["cost"].startswith("not known here: ")
