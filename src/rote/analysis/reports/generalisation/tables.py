"""The tables of the report on generalisation, as HTML."""

from collections.abc import Iterable, Iterator

from rote.analysis.elements import (
    estimate_cell,
    number_cell,
    scrolled,
    table,
    text_cell,
    warning_cell,
)
from rote.analysis.published_extrapolation import PublishedMatch, published_match
from rote.analysis.reports.generalisation.claims import HOLDS, Claim, claims
from rote.analysis.reports.generalisation.study import Point, Series, Study

SIDES = {"train": "seen", "heldout": "held out"}
TEXT = ("series", "items", "group", "conclusion", "rule", "measured", "verdict", "trained on",
        "published", "attribute", "size")  # fmt: skip
MATCH_HEADERS = (
    ("series", ""),
    ("size", "layers x width"),
    ("parameters", ""),
    ("items", ""),
    ("group", ""),
    ("free-running", "95 % interval"),
    ("teacher-forced", "95 % interval"),
    ("right", "of asked, all runs"),
    ("splits", "runs"),
)
SPLIT_HEADERS = (
    ("series", ""),
    ("size", ""),
    ("split", "seed"),
    ("right", "of asked"),
    ("share", "95 %, Clopper-Pearson"),
)
CLAIM_HEADERS = (
    ("conclusion", ""),
    ("series", ""),
    ("verdict", ""),
    ("measured", "free-running"),
    ("rule", ""),
)
PUBLISHED_HEADERS = (
    ("trained on", ""),
    ("size", ""),
    ("published", ""),
    ("ours, held out", "right of asked"),
    ("ours, seen arithmetic", ""),
    ("ours, seen facts", ""),
    ("runs", ""),
)
RECALL_HEADERS = (
    ("size", "setting"),
    ("attribute", ""),
    ("exposures", "0: held out"),
    ("recalled", "95 % interval"),
    ("stored a value", "bits"),
    ("entropy", "bits"),
)


def match_table(found: Study) -> str:
    """A row a series, size, side and group."""
    made = table(MATCH_HEADERS, map(_match_cells, found.points), text=TEXT)
    return scrolled(made, tall=True)


def _match_cells(point: Point) -> list[str]:
    pooled = point.pooled
    return [
        text_cell(point.series.name),
        text_cell(point.size),
        number_cell(f"{point.parameters:,}"),
        text_cell(SIDES[point.side]),
        text_cell(point.group),
        estimate_cell(point.free, "{:.1%}"),
        estimate_cell(point.forced, "{:.1%}"),
        number_cell(f"{pooled.successes:,}", f"{pooled.trials:,}"),
        number_cell(point.free.num_splits, str(point.free.n)),
    ]


def split_table(found: Study) -> str:
    """A row a series of arithmetic, size and split: held-out items, seeds added up."""
    rows = [
        [
            text_cell(point.series.name),
            text_cell(point.size),
            number_cell(split),
            number_cell(rate.successes, str(rate.trials)),
            estimate_cell(rate, "{:.0%}"),
        ]
        for point in found.wholes
        if point.side == "heldout" and point.series.subject == "arithmetic"
        for split, rate in sorted(point.by_split.items())
    ]
    return scrolled(table(SPLIT_HEADERS, rows, text=TEXT), tall=True)


def claim_table(found: Study) -> str:
    """A row a conclusion and series."""
    return scrolled(table(CLAIM_HEADERS, map(_claim_cells, claims(found)), text=TEXT), tall=True)


def _claim_cells(claim: Claim) -> list[str]:
    return [
        text_cell(claim.conclusion),
        text_cell(claim.series.name),
        text_cell(claim.verdict) if claim.verdict == HOLDS else warning_cell(claim.verdict),
        text_cell(claim.measured),
        text_cell(claim.rule),
    ]


def published_table(found: Study) -> str:
    """Sizes that were published, on the split that was published or on facts."""
    rows = [
        _published_cells(found, trained_on, setting, size, published)
        for trained_on, setting, size, published in _published(found)
    ]
    if not rows:
        return "<p>None of these runs is one that was published.</p>"
    return scrolled(table(PUBLISHED_HEADERS, rows, text=TEXT))


def _published(found: Study) -> Iterator[tuple[str, str, str, PublishedMatch]]:
    chosen = found.runs.filter(found.runs["split"].is_in(["original", ""]))
    keys = ["trained_on", "setting", "size", "size.num_layers", "size.width"]
    for trained_on, setting, size, layers, width in (
        chosen.select(keys).unique(maintain_order=True).iter_rows()
    ):
        if published := published_match(trained_on, layers, width):
            yield trained_on, setting, size, published


def _published_cells(
    found: Study, trained_on: str, setting: str, size: str, published: PublishedMatch
) -> list[str]:
    def point(subject: str, side: str) -> Point | None:
        split = "" if trained_on == "facts" else "original"
        series = Series(trained_on=trained_on, subject=subject, split=split, setting=setting)
        return next((each for each in found.of(series, side) if each.size == size), None)

    shown = [point("arithmetic", "heldout"), point("arithmetic", "train"), point("facts", "train")]
    return [
        text_cell(f"{trained_on} ({setting})" if setting else trained_on),
        text_cell(f"{published.model}, {size}"),
        text_cell(published.printed),
        *map(_seen_cell, shown),
        number_cell(max(each.free.n for each in shown if each)),
    ]


def _seen_cell(point: Point | None) -> str:
    if point is None:
        return number_cell("")
    pooled = point.pooled
    told = f"{point.free.value:.1%}, {point.free.span('{:.0%}')}"
    return number_cell(f"{pooled.successes} of {pooled.trials}", told)


def recall_table(found: Study) -> str:
    """A row a size, attribute and number of exposures."""
    rows: Iterable[list[str]] = (
        [
            f'<td class="text">{each.size}<small>{each.setting}</small></td>',
            text_cell(each.attribute.replace("_", " ")),
            number_cell(each.exposures),
            estimate_cell(each.recalled, "{:.1%}"),
            number_cell(f"{each.stored_bits:+.2f}"),
            number_cell(f"{each.entropy_bits:.2f}"),
        ]
        for each in found.recalls
    )
    return scrolled(table(RECALL_HEADERS, rows, text=TEXT), tall=True)
