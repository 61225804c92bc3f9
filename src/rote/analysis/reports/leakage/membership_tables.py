"""The tables on membership, as HTML: the law, its forecasts, the scores compared."""

from rote.analysis.elements import (
    estimate_cell,
    number_cell,
    scrolled,
    table,
    text_cell,
    warning_cell,
)
from rote.analysis.estimate import span
from rote.analysis.fits.membership_law import MembershipLaw
from rote.analysis.quantities.convergence import num_converged
from rote.analysis.reports.leakage.law import Fitted
from rote.analysis.reports.leakage.membership_wording import (
    RATIO_NAMES,
    found_words,
    score_name,
)
from rote.analysis.reports.leakage.points import NotScored, Scored
from rote.analysis.reports.leakage.study import Study

TEXT_COLUMNS = ("x", "size", "score", "finding")
LAW_HEADERS = (
    ("x", ""),
    ("height", "published"),
    ("slope", "published"),
    ("offset", "published"),
    ("residuals", "their standard deviation"),
    ("largest residual", ""),
    ("runs", "not converged"),
)
FORECAST_HEADERS = (
    ("parameters", "of the published model"),
    ("|D|", ""),
    ("observed F1", "Morris et al. 2025; how thresholds were chosen is not stated"),
    ("aimed at", "by their law"),
    ("law in |D| / P", "F1 at equal errors, 95 % interval"),
    ("published", "in |D| / P"),
    ("law in C / |D|", "F1 at equal errors, 95 % interval"),
    ("published", "in C / |D|"),
    ("finding", ""),
)
SCORE_HEADERS = (
    ("size", ""),
    ("N", "targets"),
    ("score", ""),
    ("AUROC", "95 % interval"),
    ("found at 1 % FPR", "95 % interval at that threshold, or the reason"),
    ("found at 0.1 % FPR", "95 % interval at that threshold, or the reason"),
    ("members", "others"),
)


def law_table(found: Study) -> str:
    """A row a reading that was fitted."""
    fitted = [each for each in found.laws if isinstance(each.law, MembershipLaw)]
    return (
        scrolled(table(LAW_HEADERS, map(_law_cells, fitted), text=TEXT_COLUMNS)) if fitted else ""
    )


def _law_cells(fitted: Fitted) -> list[str]:
    law, published = fitted.law, fitted.published
    assert isinstance(law, MembershipLaw)
    constants = (
        (law.curve.height, law.height_error, published.height),
        (law.curve.slope, law.slope_error, published.slope),
        (law.curve.offset, law.offset_error, published.offset),
    )
    unconverged = fitted.runs.height - num_converged(fitted.runs)
    return [
        text_cell(RATIO_NAMES[fitted.reading]),
        *(
            number_cell(f"{value:.3g} &plusmn; {error:.2g}", f"{beside:.4g}")
            for value, error, beside in constants
        ),
        number_cell(f"{law.noise:.4f}"),
        number_cell(f"{max(law.residuals, key=abs):+.4f}"),
        number_cell(fitted.runs.height, str(unconverged)),
    ]


def forecast_table(found: Study) -> str:
    """A row a published validation point, both readings beside each other."""
    rows = []
    for pair in zip(*(fitted.forecasts for fitted in found.laws), strict=True):
        seen = pair[0].observed
        cells = [
            number_cell(f"{seen.parameters:,}"),
            number_cell(f"{seen.num_samples:,}"),
            number_cell(f"{seen.observed_f1:.4f}", f"&plusmn; {seen.observed_error:.3f}"),
            number_cell(f"{seen.target_f1:.2f}"),
        ]
        for each in pair:
            fitted = "none" if each.fitted_f1 is None else f"{each.fitted_f1:.4f}"
            cells.append(number_cell(fitted, span(each.interval, "{:.3f}")))
            cells.append(number_cell(f"{each.published_f1:.4f}"))
        beyond = [
            RATIO_NAMES[fitted.reading]
            for fitted, each in zip(found.laws, pair, strict=True)
            if each.is_beyond
        ]
        told = f"beyond these runs in {' and '.join(beyond)}" if beyond else "within their ratios"
        cells.append(warning_cell(told) if beyond else text_cell(told))
        rows.append(cells)
    return scrolled(table(FORECAST_HEADERS, rows, text=TEXT_COLUMNS))


def score_table(points: tuple[Scored | NotScored, ...]) -> str:
    """A row a size, N and score."""
    rows = [_score_cells(each) for each in points]
    return scrolled(table(SCORE_HEADERS, rows, text=TEXT_COLUMNS), tall=True)


def _score_cells(point: Scored | NotScored) -> list[str]:
    start = [
        text_cell(point.place.series),
        number_cell(f"{point.place.num_sequences:,}", str(len(point.place.run_ids))),
        text_cell(score_name(point.score)),
    ]
    if isinstance(point, NotScored):
        return [*start, number_cell("none", point.reason), *[number_cell("")] * 3]
    return [
        *start,
        estimate_cell(point.auroc, "{:.3f}"),
        *(number_cell(*found_words(point.members_found(which))) for which in (0, 1)),
        number_cell(
            f"{sum(each.num_members for each in point.qualities):,}",
            f"{sum(each.num_nonmembers for each in point.qualities):,}",
        ),
    ]
