"""Name the commands that check a plan's projected leakage on the trained model and its data."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rote.analysis.metrics import METRICS
from rote.planner.plan import TrainingPlan
from rote.planner.projection import Projection, Value

AUDIT = "rote audit MODEL --members TRAIN.jsonl --nonmembers HELDOUT.jsonl"
PREFIX_TOKENS = SUFFIX_TOKENS = 50  # Carlini et al. 2022, arXiv 2202.07646
FEWEST, MOST = 2_000, 100_000  # 1,998 non-members are the fewest for a false-positive rate of 0.1 %
NORMAL = 1.96  # half a 95 % interval, in standard errors
CHANCE = 0.5


@dataclass(frozen=True, kw_only=True)
class Check:
    """One test of the trained model: what it measures, what the plan expects, how to run it."""

    measures: str
    expects: str
    command: str
    needs: str


def checks(plan: TrainingPlan) -> Iterator[Check]:
    """Yield membership, extraction and long-tail tests of the recommended size, or the first."""
    row = plan.rows[plan.best or 0]
    form = METRICS["f1"].form
    yield Check(
        measures="membership inference",
        expects=_words("F1", row.f1, form),
        command=AUDIT,
        needs=f"{_documents(row):,} documents of each file, of one source and one time",
    )
    yield Check(
        measures="extraction of windows",
        expects=_words("extracted share", row.extracted, "{:.1%}"),
        command=f"{AUDIT} --prefix-tokens {PREFIX_TOKENS} --suffix-tokens {SUFFIX_TOKENS}",
        needs=f"documents of {PREFIX_TOKENS + SUFFIX_TOKENS} tokens or more",
    )
    yield Check(
        measures="the long tail: secrets that were planted before training",
        expects=_words("exposure in bits", row.exposure_bits, "{:.2f}"),
        command=f"{AUDIT} --canaries PLANTED/manifest.json",
        needs="secrets planted 1, 2, 4, ... times, and as many that were not (task=canaries)",
    )


def _words(name: str, value: Value | None, form: str) -> str:
    if value is None:
        return f"{name}: no law in this plan, rote plan --from SWEEP takes one of your runs"
    return f"{name} {value.words(form)}"


def _documents(row: Projection) -> int:
    """Return how many documents tell the projected F1 from chance.

    By chance F1 of n and n documents has a standard error of 1 / sqrt(6.4 n), by the delta method
    for two binomials of one half.
    """
    if row.f1 is None or row.f1.value <= CHANCE:
        return MOST
    needed = math.ceil((NORMAL / (row.f1.value - CHANCE)) ** 2 / 6.4)
    return min(max(needed, FEWEST), MOST)
