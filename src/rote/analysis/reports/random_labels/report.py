"""The report on random labels: time to fit, accuracy and bits memorised by random share."""

from html import escape
from typing import Any

from rote.analysis.content import Content, Section
from rote.analysis.elements import (
    card,
    estimate_cell,
    figure,
    number_cell,
    scrolled,
    table,
    text_cell,
)
from rote.analysis.published_random_labels import PUBLISHED_FITS
from rote.analysis.reports.random_labels import wording
from rote.analysis.reports.random_labels.figures import draw_bits, draw_fit
from rote.analysis.reports.random_labels.study import Point, Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE

TEXT = ("series", "network")
HEADERS = (
    ("series", ""),
    ("random labels", ""),
    ("steps to fit", "geometric mean, 95 % interval"),
    ("seeds that fitted", "of all"),
    ("times true labels'", "95 % interval"),
    ("train", "95 % interval"),
    ("held-out", "95 % interval"),
    ("random labels told", "95 % interval"),
    ("bits memorised", "95 % interval"),
    ("of entropy", "bits"),
)
PUBLISHED_HEADERS = (("network", ""), ("train", ""), ("held-out", ""))


def make(results: Results) -> Content:
    """Raises ValueError where no run on random labels measured exact matches."""
    found = study(results)
    fit, bits = draw_fit(found), draw_bits(found)
    noise = [each for each in found.points if each.unruled == 1]
    return Content(
        headlines=wording.headlines(found),
        setting=wording.setting(found),
        cards=tuple(_card(each) for each in noise),
        sections=(
            Section(
                title="Time to fit, and what is told right",
                html=f"<p>{escape(wording.verdict(found))}.</p>"
                + figure(fit, wording.CAPTIONS["fit"])
                + scrolled(table(HEADERS, map(_cells, found.points), text=TEXT), tall=True)
                + f"<p>{NOTE}</p>",
            ),
            Section(
                title="Bits memorised about labels", html=figure(bits, wording.CAPTIONS["bits"])
            ),
            Section(title="Beside the published table", html=_published(found)),
        ),
        drawings=(fit, bits),
        numbers=_numbers(found),
        table=found.runs,
    )


def _cells(point: Point) -> list[str]:
    of_entropy = point.memorised_bits.value / point.entropy_bits if point.entropy_bits else None
    return [
        text_cell(point.series.name),
        number_cell(f"{point.unruled:.0%}"),
        estimate_cell(point.steps, "{:,.0f}"),
        number_cell(point.num_fitted, str(len(point.run_ids))),
        estimate_cell(point.slowdown, "{:.2f}"),
        estimate_cell(point.train, "{:.1%}"),
        estimate_cell(point.heldout, "{:.1%}"),
        estimate_cell(point.drawn, "{:.1%}"),
        estimate_cell(point.memorised_bits, "{:,.0f}"),
        number_cell(
            "" if of_entropy is None else f"{of_entropy:.0%}", f"{point.entropy_bits:,.0f}"
        ),
    ]


def _published(found: Study) -> str:
    """Published networks, then ours where all labels are random."""
    rows = [
        [
            text_cell(each.network),
            number_cell(f"{each.train_percent:g} %"),
            number_cell(f"{each.test_percent:g} %"),
        ]
        for each in PUBLISHED_FITS
    ]
    rows += [
        [
            text_cell(f"ours: {each.series.name}"),
            *(estimate_cell(share, "{:.1%}") for share in (each.train, each.heldout)),
        ]
        for each in found.points
        if each.unruled == 1
    ]
    made = table(PUBLISHED_HEADERS, rows, text=TEXT)
    return f"{scrolled(made)}<p>{escape(wording.PUBLISHED_NOTE)}</p>"


def _card(point: Point) -> str:
    bits = point.memorised_bits
    return card(
        title=point.series.name,
        meaning="training labels told right, all of them random",
        value=f"{point.train.value:.1%}",
        unit="",
        lines=(
            f"<p>held-out: {point.heldout.words('{:.1%}')}</p>",
            f"<p>{bits.words('{:,.0f}')} of {point.entropy_bits:,.0f} bits memorised</p>",
            f"<p>{wording.fitted(point)}</p>",
        ),
    )


def _numbers(found: Study) -> dict[str, Any]:
    return {
        f"labels {each.series.name}, {each.unruled:g} random": {
            "train": each.train.value,
            "train_interval": each.train.interval,
            "heldout": each.heldout.value,
            "heldout_interval": each.heldout.interval,
            "steps_to_fit": each.steps and each.steps.value,
            "memorised_bits": each.memorised_bits.value,
            "entropy_bits": each.entropy_bits,
            "runs": list(each.run_ids),
        }
        for each in found.points
    }
