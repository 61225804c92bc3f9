"""Hold published results to compare with measured ones, and the capacity scale of each precision.

Bits per parameter on random tokens are all of GPT-2 blocks, with `VOCAB_SIZE` symbols and `LENGTH`
tokens a sequence.

Exact matches of arithmetic and facts are from Barron and White 2025, arXiv 2506.09099: one seed,
four held-out problems, the checkpoint chosen on a score that contains them. "97.8 %" of arithmetic
is 890 of 910: all but the held-out ones.

The membership law and its validation are from Morris et al. 2025, arXiv 2505.24832, section 5. As
printed, F1 = (1 + 1.34 sigma(-0.034 (C / |D| - 33.14))) / 2, the law rises with |D| and tends to
1.006. The same constants with |D| / P in place of C / |D|, and slope and shift exchanged, give the
printed targets; so do constants of ours for C / |D| at 3.64 bits per parameter.

A statement that needs a capacity takes the measured bits per parameter, or else the published ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rote.analysis.fits.membership_law import LawReading, MembershipCurve
from rote.io.outputs import below
from rote.io.read import Damaged, read_json
from rote.io.shapes import anything, keyed, mapped, text

TABLE = "Morris et al. 2025, arXiv 2505.24832, capacity by model size"
MEANS = "Morris et al. 2025, arXiv 2505.24832, mean over 16 model sizes"
VOCAB_SIZE = 2048
LENGTH = 64
GPT2 = "rote.models.gpt.GPT"


@dataclass(frozen=True)
class PublishedAlpha:
    """One printed value; precision is "fp32" or "bf16", as the paper does not state which bf16."""

    model: str | None  # "1x32" is 1 layer, 32 wide; None for a mean over models
    parameters: int | None
    precision: str
    bits_per_parameter: float
    source: str

    def has_precision(self, precision: str) -> bool:
        """Whether it is comparable with a precision of ours; "bf16" is with both kinds of bf16."""
        return self.precision == precision.partition("_")[0]


def gpt2_parameters(num_layers: int, width: int) -> int:
    """Count all parameters, the tied embedding once, at the published vocabulary and length."""
    embeddings = (VOCAB_SIZE + LENGTH) * width
    return embeddings + num_layers * (12 * width**2 + 13 * width) + 2 * width


def is_comparable(run: Mapping[str, Any]) -> bool:
    """Whether a run (a row of the table) is of the published model class."""
    return bool(run.get("model._target_", GPT2) == GPT2)


def other_data(run: Mapping[str, Any]) -> str:
    """Describe how the published data differ from a run's; empty if they do not."""
    ours = run.get("task.vocab_size"), run.get("task.length")
    published = f"for {VOCAB_SIZE:,} symbols and {LENGTH} tokens a sequence"
    return "" if ours == (VOCAB_SIZE, LENGTH) else published


def published_mean(precision: str) -> PublishedAlpha | None:
    """Return the published mean to compare a precision with; None if there is none."""
    return next((each for each in PUBLISHED_MEANS if each.has_precision(precision)), None)


PUBLISHED_MEANS = (  # +- 0.1 as printed
    PublishedAlpha(None, None, "fp32", 3.83, MEANS),
    PublishedAlpha(None, None, "bf16", 3.51, MEANS),
)
PUBLISHED_ALPHAS = tuple(
    PublishedAlpha(f"{layers}x{width}", gpt2_parameters(layers, width), precision, bits, TABLE)
    for layers, width, of_precision in (
        (1, 32, {"fp32": 4.23, "bf16": 3.93}),
        (1, 128, {"fp32": 3.65, "bf16": 3.61}),
        (2, 64, {"fp32": 4.08, "bf16": 3.94}),
        (2, 128, {"fp32": 3.99, "bf16": 3.89}),
        (4, 256, {"fp32": 3.68, "bf16": 3.51}),
        (8, 32, {"fp32": 3.02, "bf16": 2.86}),
        (8, 256, {"fp32": 3.96, "bf16": 3.65}),
    )
    for precision, bits in of_precision.items()
)

SOURCE = "Barron and White 2025, arXiv 2506.09099"
# By layers and width: the name, then arithmetic (held-out answers), facts, joint (three numbers in
# the order printed, the last for facts: the others stop where held-out problems begin).
_MATCHES = {
    (1, 14): ("n14", "40 of 40 held-out", "8.2 %", "32.6 / 38.2 / 2.0 %"),
    (1, 28): ("n28", "0 of 40 held-out", "100 %", "94.5 / 96.7 / 88.4 %"),
    (1, 56): ("n56", "0 of 40 held-out", "100 %", "97.8 / 97.8 / 100 %"),
    (6, 384): ("10.6M", "0 of 40 held-out", "100 %", "97.8 / 97.8 / 100 %"),
}
_TRAINED_ON = ("name", "arithmetic", "facts", "joint")


def published_match(trained_on: str, num_layers: int, width: int) -> tuple[str, str] | None:
    """Return a model's name and printed result; None if the paper lacks the model or the task."""
    match = dict(zip(_TRAINED_ON, _MATCHES.get((num_layers, width), ()), strict=False))
    return (match["name"], match[trained_on]) if trained_on in match else None


BITS_PER_PARAMETER = 3.64  # for the capacities of the second reading

PUBLISHED_CURVES = (
    MembershipCurve(
        reading=LawReading.SAMPLES_PER_PARAMETER, height=1.34, slope=-33.14, offset=33.14 * 0.034
    ),
    MembershipCurve(
        reading=LawReading.CAPACITY_BITS_PER_SAMPLE, height=0.900, slope=0.0568, offset=-3.963
    ),
)


@dataclass(frozen=True)
class Validation:
    """One printed row: a data set for which the law predicts ``target_f1``, and the result."""

    parameters: int
    num_samples: int
    target_f1: float
    observed_f1: float
    observed_error: float  # as printed, +-


VALIDATIONS = (
    Validation(1_556_075_200, 170_654_583, 0.55, 0.5461, 0.013),
    Validation(1_556_075_200, 76_795_021, 0.75, 0.7108, 0.004),
    Validation(1_556_075_200, 18_851_574, 0.95, 0.9585, 0.008),
    Validation(123_702_528, 13_566_442, 0.55, 0.5344, 0.011),
    Validation(123_702_528, 6_104_935, 0.75, 0.6569, 0.006),
    Validation(123_702_528, 1_498_634, 0.95, 0.9798, 0.003),
)


def validation_error(curve: MembershipCurve) -> float:
    """Return the root mean square of observed minus predicted F1 over the printed rows.

    The law's constants come from other, smaller models: all rows are degrees of freedom.
    """
    misses = [each.observed_f1 - predicted for each, predicted in beside_observed(curve)]
    return float(np.sqrt(np.mean(np.square(misses))))


def published_size(reading: LawReading, parameters: int) -> float:
    """Return the size that `MembershipCurve.predict` takes for a model of so many parameters."""
    if reading is LawReading.SAMPLES_PER_PARAMETER:
        return float(parameters)
    return BITS_PER_PARAMETER * parameters


def beside_observed(curve: MembershipCurve) -> list[tuple[Validation, float]]:
    """Return each published observation with the prediction of a curve, published or fitted."""
    sizes = [published_size(curve.reading, each.parameters) for each in VALIDATIONS]
    predicted = curve.predict([each.num_samples for each in VALIDATIONS], sizes)
    return list(zip(VALIDATIONS, predicted.tolist(), strict=True))


MANIFEST = keyed({"name": text, "numbers": mapped(anything)})


@dataclass(frozen=True, kw_only=True)
class CapacityScale:
    """Capacity over parameters, on random tokens, and its source."""

    bits_per_parameter: float
    source: str


PUBLISHED = CapacityScale(
    bits_per_parameter=3.6, source="published: Morris et al. 2025, arXiv 2505.24832, abstract"
)


def report_of(reports: Path, name: str) -> Path:
    """Return the manifest of a sweep's report; raises ValueError for a name that is a path."""
    return below(reports, "a report's name", name) / "manifest.json"


def measured_alphas(
    reports: Path, name: str, damaged: list[str] | None = None
) -> dict[str, CapacityScale]:
    """Return bits per parameter by precision from capacity report ``name``, largest over settings.

    Values not above zero, of models that were hardly trained, are left out because they scale
    nothing. Empty if there is no such report; if one cannot be read, the reason is added to
    ``damaged``.
    """
    found: dict[str, CapacityScale] = {}
    try:
        manifest = read_json(report_of(reports, name), MANIFEST, "rote report writes it anew")
    except FileNotFoundError:
        return found
    except Damaged as error:
        if damaged is not None:
            damaged.append(str(error))
        return found
    for key, number in manifest["numbers"].items():
        kind, _, words = key.partition(" ")
        precision, _, _ = words.partition(",")  # a setting may follow
        bits = number.get("bits_per_parameter") if isinstance(number, dict) else None
        if kind != "alpha" or not isinstance(bits, int | float) or bits <= 0:
            continue
        if precision not in found or bits > found[precision].bits_per_parameter:
            source = f"measured: capacity report {manifest['name']}, {words}"
            found[precision] = CapacityScale(bits_per_parameter=bits, source=source)
    return found


def capacity_scale(measured: Mapping[str, CapacityScale], precision: str) -> CapacityScale:
    """Return the measured scale in this precision, or else the published one."""
    return measured.get(precision, PUBLISHED)
