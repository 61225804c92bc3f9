"""The peak of held-out loss in words and in a table, for every report that shows it."""

from collections.abc import Sequence
from html import escape
from typing import Any

from rote.analysis.descents import Descent
from rote.analysis.elements import number_cell, table, text_cell, warning_cell
from rote.analysis.estimate import span
from rote.analysis.fits.descent import Peak
from rote.analysis.quantities.convergence import converged

HEADERS = (
    ("series", "layers x width"),
    ("source", ""),
    ("runs", "not converged"),
    ("peak", "data bits over capacity"),
    ("95 % interval", "resamples with an interior peak"),
    ("grid points beside it", ""),
    ("held-out loss there", "bits per token"),
    ("rise", "from the smallest data set"),
    ("fall", "to the largest"),
    ("finding", ""),
)
TEXT_COLUMNS = ("series", "source", "finding")
CAPTION = (
    "Loss in bits per token against the bits of the training data over the model's capacity, "
    "alpha times parameters. Every mark is a run, lines join means over seeds. The peak is the top "
    "of a parabola, in the logarithm of the ratio, through the highest mean of held-out loss and "
    "its neighbours; its band is a 95 % bootstrap interval over runs and held-out sequences, with "
    "half the spacing of the grid on each side, for nothing finer was measured. "
    "A curve without a peak inside the grid has none drawn. "
    "Published: Morris et al. 2025, section 4, see held-out loss fall only once the data exceed "
    "capacity, and double descent peak where data bits and capacity are about equal."
)


def headline(curve: Descent) -> str:
    """One line for the terminal."""
    return f"{curve.name}: {finding(curve)}; {converged(curve.runs)}"


def finding(curve: Descent) -> str:
    """The peak with its interval, or why there is none."""
    if not isinstance(curve.fit, Peak):
        return f"no interior peak: {curve.fit.reason}"
    below, above = curve.fit.bracket
    return (
        f"held-out loss peaks where data bits are {curve.fit.ratio:.2f} of capacity "
        f"(95 % interval {span(curve.fit.interval, '{:.2f}')}, "
        f"between grid points {below:.2f} and {above:.2f})"
    )


def number(curve: Descent) -> dict[str, Any]:
    """For the manifest."""
    fit, runs = curve.fit, list(curve.runs["run_id"])
    if not isinstance(fit, Peak):
        return {"data_per_capacity": None, "reason": fit.reason, "runs": runs}
    return {
        "data_per_capacity": fit.ratio,
        "interval": fit.interval,
        "bracket": fit.bracket,
        "runs": runs,
    }


def overall(curves: Sequence[Descent]) -> str:
    """The finding over all series: a figure's title."""
    peaks = [curve.fit.ratio for curve in curves if isinstance(curve.fit, Peak)]
    if not peaks:
        return "Held-out loss has no peak inside the grid"
    where = f"{min(peaks):.2f}" if len(peaks) == 1 else f"{min(peaks):.2f} to {max(peaks):.2f}"
    which = "" if len(peaks) == len(curves) else f" in {len(peaks)} of {len(curves)} series"
    return f"Held-out loss peaks where data bits are {where} of capacity{which}"


def axis_note(curves: Sequence[Descent]) -> str:
    """HTML: how data bits and capacity were told."""
    bases = {curve.source: curve.runs["data_bits_basis"][0] for curve in curves}
    alphas = {
        f"{curve.runs['alpha'][0]:.2f} bits per parameter ({curve.runs['alpha_source'][0]})"
        for curve in curves
    }
    data = "; ".join(f"for {source}, {basis}" for source, basis in bases.items())
    return f"<p>Data bits: {escape(data)}. Capacity: {escape('; '.join(sorted(alphas)))}.</p>"


def descents_table(curves: Sequence[Descent]) -> str:
    """A row a series."""
    return table(HEADERS, map(_cells, curves), text=TEXT_COLUMNS)


def _cells(curve: Descent) -> list[str]:
    start = [
        text_cell(curve.series),
        text_cell(curve.source),
        number_cell(curve.runs.height, str(curve.num_unconverged)),
    ]
    fit = curve.fit
    if not isinstance(fit, Peak):
        return [*start, *[number_cell("")] * 6, warning_cell(f"none: {fit.reason}")]
    return [
        *start,
        number_cell(f"{fit.ratio:.2f}"),
        number_cell(span(fit.interval, "{:.2f}"), f"{fit.interior_share:.0%}"),
        number_cell(span(fit.bracket, "{:.2f}")),
        number_cell(f"{fit.loss_bits_per_token:.3f}"),
        number_cell(f"{fit.rise_bits_per_token:.3f}"),
        number_cell(f"{fit.fall_bits_per_token:.3f}"),
        text_cell("interior peak"),
    ]
