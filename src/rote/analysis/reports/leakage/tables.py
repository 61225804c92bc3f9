"""The tables on canaries, windows, sizes and runs, as HTML."""

from collections.abc import Mapping
from typing import Any

from rote.analysis.elements import (
    code_cell,
    converged_cell,
    estimate_cell,
    number_cell,
    scrolled,
    table,
    text_cell,
    warning_cell,
)
from rote.analysis.estimate import span
from rote.analysis.quantities.exposure import FEWEST_IN_GROUP
from rote.analysis.reports.leakage.study import Study
from rote.analysis.reports.leakage.wording import rho_words, verdict

TEXT_COLUMNS = ("size", "kind", "run", "finding", "converged", "chance", "source")
PLANTED_HEADERS = (
    ("size", ""),
    ("N", "runs"),
    ("inserted", "times"),
    ("canaries", ""),
    ("mean exposure (bits)", f"95 % interval from {FEWEST_IN_GROUP} canaries on"),
    ("the most told", "secret, bits"),
    ("by skew-normal (bits)", "canaries whose fit holds"),
    ("extracted", "95 % interval"),
)
CONTROL_HEADERS = (
    ("size", ""),
    ("N", ""),
    ("controls", ""),
    ("mean exposure (bits)", "chance's 95 % range"),
    ("p", "two-sided"),
    ("chance", ""),
)
WINDOW_HEADERS = (
    ("size", ""),
    ("N", ""),
    ("prefix", "tokens"),
    ("train", "95 % interval"),
    ("held-out", "95 % interval"),
    ("difference", "95 % interval"),
)
COMPARED_HEADERS = (
    ("kind", ""),
    ("N", ""),
    ("smallest size", ""),
    ("largest size", ""),
    ("difference", "95 % interval"),
    ("finding", ""),
)
LOSS_HEADERS = (
    ("kind", ""),
    ("rho with held-out loss", "at equal N"),
    ("rho with held-out loss", "over all runs"),
)
RUN_HEADERS = (
    ("run", ""),
    ("source", ""),
    ("size", "layers x width"),
    ("parameters", ""),
    ("N", "all sequences |D|"),
    ("seed", ""),
    ("|D| / P", ""),
    ("held-out loss", "bits per token"),
    ("F1", "at equal errors, 95 % interval"),
    ("largest F1", "balanced accuracy"),
    ("exposure (bits)", ""),
    ("canaries extracted", ""),
    ("windows extracted", "less held-out"),
    ("steps", ""),
    ("converged", ""),
)


def planted_table(found: Study) -> str:
    """A row a size, N and number of repeats."""
    rows = [
        [
            text_cell(each.place.series),
            number_cell(f"{each.place.num_sequences:,}", str(len(each.place.run_ids))),
            number_cell(each.repeats or "0, controls"),
            number_cell(each.exposure_bits.n),
            estimate_cell(each.exposure_bits, "{:.2f}"),
            number_cell(f"{each.most_bits:.1f}", f"{each.secret_bits:.1f}"),
            number_cell(f"{each.fitted.mean_bits:.2f}", str(each.fitted.num_canaries))
            if each.fitted
            else number_cell("none"),
            estimate_cell(each.extracted, "{:.0%}", otherwise="not tried"),
        ]
        for each in found.planted
    ]
    return scrolled(table(PLANTED_HEADERS, rows, text=TEXT_COLUMNS), tall=True)


def control_table(found: Study) -> str:
    """A row a size and N."""
    rows = []
    for each in found.controls:
        chance = each.chance
        verdict_cell = text_cell("holds") if chance.holds else warning_cell("outside its range")
        rows.append(
            [
                text_cell(each.place.series),
                number_cell(f"{each.place.num_sequences:,}"),
                number_cell(chance.num_controls),
                number_cell(f"{chance.mean_bits:.2f}", span(chance.range_bits, "{:.2f}")),
                number_cell(f"{chance.p_value:.2g}"),
                verdict_cell,
            ]
        )
    return scrolled(table(CONTROL_HEADERS, rows, text=TEXT_COLUMNS), tall=True) if rows else ""


def window_table(found: Study) -> str:
    """A row a size, N and prefix."""
    rows = [
        [
            text_cell(each.place.series),
            number_cell(f"{each.place.num_sequences:,}"),
            number_cell(both.prefix_tokens),
            estimate_cell(both.train, "{:.1%}"),
            estimate_cell(both.heldout, "{:.1%}"),
            estimate_cell(both.excess, "{:+.1%}"),
        ]
        for each in found.windows
        for both in (each.extraction,)
    ]
    return scrolled(table(WINDOW_HEADERS, rows, text=TEXT_COLUMNS), tall=True)


def compared_table(found: Study) -> str:
    """A row a kind, over all N and at each."""
    rows = []
    for each in found.compared:
        kind = each.kind
        everywhere = each.num_sequences is None
        rows.append(
            [
                text_cell(kind.title),
                number_cell("all" if everywhere else f"{each.num_sequences:,}"),
                number_cell(kind.form.format(each.smaller)),
                number_cell(kind.form.format(each.larger)),
                estimate_cell(each.apart, kind.apart),
                text_cell(verdict(each)),
            ]
        )
    return scrolled(table(COMPARED_HEADERS, rows, text=TEXT_COLUMNS), tall=True)


def loss_table(found: Study) -> str:
    """A row a kind: its rank correlation with held-out loss over runs."""
    rows = [
        [
            text_cell(kind.title),
            *(
                number_cell(rho_words(found.with_loss(kind, at_equal_n=at_equal_n)))
                for at_equal_n in (True, False)
            ),
        ]
        for kind in found.kinds
    ]
    return scrolled(table(LOSS_HEADERS, rows, text=TEXT_COLUMNS))


def run_table(found: Study) -> str:
    """A row a run."""
    made = table(RUN_HEADERS, map(_run_cells, found.runs.iter_rows(named=True)), text=TEXT_COLUMNS)
    return scrolled(made, tall=True)


def _run_cells(run: Mapping[str, Any]) -> list[str]:
    interval = None if run["f1"] is None else (run["f1_low"], run["f1_high"])
    return [
        code_cell(run["run_id"]),
        text_cell(run["source"]),
        text_cell(run["model"]),
        number_cell(f"{run['parameters']:,}"),
        number_cell(
            f"{run['task.num_sequences']:,}", _told(run["cost.train_sequences"], "{:,.0f}")
        ),
        number_cell(run["seed"]),
        number_cell(_told(run["samples_per_parameter"], "{:.3g}")),
        number_cell(_told(run["heldout_bits_per_token"], "{:.3f}")),
        number_cell(_told(run["f1"], "{:.3f}"), span(interval, "{:.3f}")),
        number_cell(_told(run["largest_f1"], "{:.3f}"), _told(run["balanced_accuracy"], "{:.3f}")),
        number_cell(_told(run["exposure_bits"], "{:.2f}")),
        number_cell(_told(run["canaries_extracted"], "{:.0%}")),
        number_cell(_told(run["windows_excess"], "{:+.1%}")),
        number_cell(f"{run['training.steps']:,}"),
        converged_cell(run),
    ]


def _told(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
