"""The report on scaling: every law that the runs can tell, and what the best size was."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from rote.analysis.content import Content, Section
from rote.analysis.elements import card, code_cell, number_cell, scrolled, table, text_cell
from rote.analysis.fit_sections import (
    FORM,
    Through,
    fit_laws,
    goodness,
    numbers,
    runs_of,
    sections,
)
from rote.analysis.laws import kinds
from rote.analysis.laws.law import Constant, Count, Effort
from rote.analysis.quantities.scaling import scaling_runs
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE

COUNT = Count.TOTAL  # `rote fit --count non-embedding` has the other
EFFORT = Effort(num_resamples=400)
CARDS = (("parametric", "a"), ("isoflop", "a"), ("repetition", "R_D"))  # what is headlined
HEADERS = (
    ("run", ""),
    ("parameters", ""),
    ("tokens seen", ""),
    ("distinct", "tokens"),
    ("epochs", ""),
    ("stopped early", ""),
    ("FLOPs", "6 N D"),
    ("loss", "nats per token"),
)


def make(results: Results) -> Content:
    """Raises ValueError where no law can be fitted."""
    runs = scaling_runs(results, COUNT)
    fitted, kept = fit_laws(kinds.laws(), runs_of(runs, COUNT), EFFORT, results.show)
    if not fitted:
        raise ValueError("; ".join(f"law {each.name}: {each.reason}" for each in kept))
    return Content(
        headlines=tuple(f"{each.name}: {goodness(each.fitted)}" for each in fitted),
        setting=(
            f"{runs.height} runs; parameters are all of them, FLOPs are 6 per parameter and token, "
            "loss is held-out, in nats per token."
        ),
        cards=tuple(_cards(fitted)),
        sections=(
            *sections(fitted, kept),
            Section(title="Runs", html=f"{scrolled(_runs(runs), tall=True)}<p>{NOTE}</p>"),
        ),
        numbers={each.name: numbers(each) for each in fitted},
        table=runs,
    )


def _cards(fitted: Sequence[Through]) -> Iterator[str]:
    for law, constant in CARDS:
        for through in fitted:
            if through.fitted.law == law:
                told = (*through.fitted.constants, *through.fitted.derived)
                yield from (_card(through.name, each) for each in told if each.name == constant)


def _card(law: str, constant: Constant) -> str:
    bounds = constant.bootstrap_interval
    spanned = (
        f"95 %: {FORM.format(bounds[0])} to {FORM.format(bounds[1])}" if bounds else "no interval"
    )
    return card(
        title=f"{law}: {constant.name}",
        meaning=constant.meaning,
        value=FORM.format(constant.value),
        unit="",
        lines=(f"<p>{spanned}</p>",),
    )


def _runs(runs: pl.DataFrame) -> str:
    rows = runs.sort("parameters", "tokens").iter_rows(named=True)
    return table(HEADERS, map(_cells, rows), text=("run", "stopped early"))


def _cells(run: Mapping[str, Any]) -> list[str]:
    return [
        code_cell(run["run_id"]),
        number_cell(f"{run['parameters']:,.0f}"),
        number_cell(f"{run['tokens']:,.0f}"),
        number_cell(f"{run['unique_tokens']:,.0f}"),
        number_cell(f"{run['epochs']:.2f}"),
        text_cell("yes" if run["is_stopped"] else ""),
        number_cell(f"{run['flops']:.2e}"),
        number_cell(f"{run['loss_nats']:.3f}"),
    ]
