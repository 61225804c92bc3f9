"""Find the numbers that a claim's tests name, in manifests of reports, and judge them.

A number is judged by its whole 95 % interval. One that is a lower bound, of runs that had not
converged, has no upper end, so that it can exceed a bound but not stay below one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rote.analysis.claims.claim import PRINTED, SMALLER, Claim, ClaimTest
from rote.analysis.estimate import Interval
from rote.analysis.published import report_of
from rote.io.read import Damaged, read_json
from rote.io.shapes import (
    anything,
    flag,
    keyed,
    listed,
    mapped,
    number,
    optional,
    scalar,
    text,
    whole,
)

HOLDS, FAILS, UNDECIDED, UNTESTED = "holds", "does not hold", "not decided", "not tested"
VERDICTS = (HOLDS, FAILS, UNDECIDED, UNTESTED)
DECIDED = (HOLDS, FAILS)
REMEDY = "rote report writes it anew"
MANIFEST = keyed({"numbers": mapped(anything)})


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One number of a report, as a scorecard keeps it."""

    report: str
    number: str  # its name
    path: str  # of the value within it
    value: float | str | None
    interval: Interval | None
    is_lower_bound: bool
    num_runs: int
    runs_converged: Sequence[int]  # of the report's runs: how many, of how many tested
    commits: Sequence[str]
    trained_until: str

    @property
    def ends(self) -> Interval | None:
        """The interval to judge, without an upper end for a lower bound; None without one."""
        if self.interval is None:
            return None
        return self.interval[0], math.inf if self.is_lower_bound else self.interval[1]


def _interval_shape(value: Any, place: str) -> None:
    listed(number)(value, place)
    if len(value) != 2:
        raise ValueError(f"{place} must have two ends: {value!r}")


MEASURED = keyed(
    {
        "report": text, "number": text, "path": text, "value": scalar,
        "interval": optional(_interval_shape), "is_lower_bound": flag, "num_runs": whole,
        "runs_converged": listed(whole), "commits": listed(text), "trained_until": text,
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A number, and what it decides of a claim."""

    measured: Measured
    settings: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class JudgedClaim:
    """A claim with all its evidence."""

    claim: Claim
    evidence: Sequence[Evidence]

    @property
    def settings(self) -> str:
        """The settings whose evidence gives the verdict; "" without any."""
        for settings in (PRINTED, SMALLER):
            if self._verdict_at(settings) in DECIDED:
                return settings
        return self.evidence[0].settings if self.evidence else ""

    @property
    def is_small(self) -> bool:
        """Whether it is decided, but not at the printed settings."""
        return self.verdict in DECIDED and self.settings != PRINTED

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`; evidence at the printed settings precedes other evidence."""
        return self._verdict_at(self.settings) if self.evidence else UNTESTED

    @property
    def deciding(self) -> ClaimTest | None:
        """The test that would decide more: at the printed settings if there is one."""
        if self.verdict in DECIDED and not self.is_small:
            return None
        tests = sorted(self.claim.tests, key=lambda each: each.settings != PRINTED)
        return next((each for each in tests if not self.is_small or each.settings == PRINTED), None)

    def _verdict_at(self, settings: str) -> str:
        """A report holds where all its numbers do; one that decides nothing is no objection."""
        by_report: dict[str, set[str]] = {}
        for each in self.evidence:
            if each.settings == settings:
                by_report.setdefault(each.measured.report, set()).add(each.verdict)
        if any(FAILS in verdicts for verdicts in by_report.values()):
            return FAILS
        return HOLDS if {HOLDS} in by_report.values() else UNDECIDED


def judge(
    claim: Claim, reports: Path, earlier: Sequence[Measured], damaged: list[str]
) -> JudgedClaim:
    """Judge a claim by the reports in a folder, and by ``earlier`` numbers of reports not there.

    Manifests that cannot be read are left out, and the reasons added to ``damaged``.
    """
    evidence: list[Evidence] = []
    for test in claim.tests:
        try:
            found = list(_numbers(test, reports))
        except FileNotFoundError:
            found = [
                each
                for each in earlier
                if (each.report, each.path) == (test.folder, test.value)
                and fnmatchcase(each.number, test.number)
            ]
        except Damaged as error:
            damaged.append(str(error))
            continue
        found.sort(key=lambda each: each.number)  # reports and scorecards have orders of their own
        verdicts = _verdicts(test, found)
        evidence += [
            Evidence(measured=each, settings=test.settings, verdict=verdict)
            for each, verdict in zip(found, verdicts, strict=True)
        ]
    return JudgedClaim(claim=claim, evidence=evidence)


def measured_of(content: Mapping[str, Any]) -> Measured:
    """Build from JSON of the shape `MEASURED`."""
    interval = content["interval"]
    return Measured(**{**content, "interval": tuple(interval) if interval else None})


def _numbers(test: ClaimTest, reports: Path) -> Iterator[Measured]:
    """Yield what the test names in its report; raises FileNotFoundError without a report."""
    manifest = read_json(report_of(reports, test.folder), MANIFEST, REMEDY)
    for name, entry in manifest["numbers"].items():
        if not fnmatchcase(name, test.number):
            continue
        value = _at(entry, test.value)
        yield Measured(
            report=test.folder,
            number=name,
            path=test.value,
            value=value if isinstance(value, str | int | float) else None,
            interval=_interval(entry, test),
            is_lower_bound=bool(_at(entry, "lower_bound")),
            num_runs=len(_at(entry, "runs") or ()),
            runs_converged=manifest.get("runs_converged", ()),
            commits=manifest.get("commits", ()),
            trained_until=manifest.get("trained_until", ""),
        )


def _at(entry: Any, path: str) -> Any:
    """Return the value at a dotted path; None if there is none."""
    for key in path.split("."):
        entry = entry.get(key) if isinstance(entry, Mapping) else None
    return entry


def _interval(entry: Any, test: ClaimTest) -> Interval | None:
    outer, dot, leaf = test.value.rpartition(".")
    named = (f"{outer}{dot}interval_{leaf}", f"{outer}{dot}{leaf}_interval")
    for path in (test.interval,) if test.interval else named:
        match _at(entry, path):
            case [int() | float() as low, int() | float() as high]:
                return float(low), float(high)
    return None


def _verdicts(test: ClaimTest, found: Sequence[Measured]) -> list[str]:
    rule, bound = next(iter(test.rule.items()))
    if rule == "says":
        verdicts = {None: UNDECIDED, UNDECIDED: UNDECIDED, bound: HOLDS}
        return [verdicts.get(each.value, FAILS) for each in found]
    if rule == "alike":
        return [_alike([each.ends for each in found], bound)] * len(found)
    return [_judged(rule, bound, each.ends) for each in found]


def _judged(rule: str, bound: Any, ends: Interval | None) -> str:
    if ends is None:
        return UNDECIDED
    ranges = {"above": (bound, math.inf), "below": (-math.inf, bound), "within": bound}
    least, most = ranges[rule]
    if least <= ends[0] and ends[1] <= most:
        return HOLDS
    return FAILS if ends[1] < least or ends[0] > most else UNDECIDED


def _alike(intervals: Sequence[Interval | None], share: float) -> str:
    """Judge whether two or more numbers lie within a share of the middle of their intervals."""
    known = [each for each in intervals if each is not None]
    if len(known) < 2 or len(known) < len(intervals):
        return UNDECIDED
    middle = sum(low + high for low, high in known) / (2 * len(known))
    reach = abs(middle) * share
    if all(abs(end - middle) <= reach for each in known for end in each):
        return HOLDS
    apart = max(low for low, _ in known) - min(high for _, high in known)
    return FAILS if apart > 2 * reach else UNDECIDED
