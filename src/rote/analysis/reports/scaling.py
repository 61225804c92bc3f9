"""Make the report on scaling: every law that fits the runs, and the best size."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rote.analysis import fit_sections as fits
from rote.analysis.estimate import plural, span
from rote.analysis.laws import kinds
from rote.analysis.laws.law import Constant, FitEffort, RunCount
from rote.analysis.metrics import METRICS
from rote.analysis.page import Block, Card, Content, Section, Text
from rote.analysis.quantities.scaling import scaling_runs
from rote.analysis.results import Results
from rote.analysis.runs_table import RUN, runs_section
from rote.analysis.table import Column

COUNT = RunCount.TOTAL  # `rote fit --count non-embedding` has the other
EFFORT = FitEffort(num_resamples=400)
CARDS = (("parametric", "a"), ("isoflop", "a"), ("repetition", "R_D"))  # constants on cards
OF_RUNS = ("tokens", "unique_tokens", "epochs", "is_stopped", "flops", "heldout_bits_per_token")


def make(results: Results) -> Content:
    """Make it; raises ValueError if no law can be fitted."""
    runs = scaling_runs(results, COUNT)
    fitted, others = fits.fit_laws(
        kinds.laws(), fits.runs_of(runs, COUNT), EFFORT, results.progress
    )
    if not fitted:
        raise ValueError("; ".join(f"law {each.name}: {each.reason}" for each in others))
    lead, laws = _lead(fitted[0], fits.sections(fitted, others))
    parameters = Column.of(METRICS["parameters"], lambda run: int(run["parameters"]))
    return Content(
        headlines=tuple(f"{each.name}: {fits.goodness(each.fitted)}" for each in fitted),
        setting=(
            f"{plural(runs.height, 'run')}; parameters are all of them, FLOPs are 6 per parameter "
            f"and token, loss is held-out. {fits.LOSS_NOTE}"
        ),
        cards=tuple(_cards(fitted)),
        lead=lead,
        sections=(
            Section("Which law explains most", [fits.ranking(fitted)]),
            *laws,
            runs_section(runs.sort("parameters", "tokens"), [RUN, parameters, *OF_RUNS]),
        ),
        numbers={each.name: fits.numbers(each) for each in fitted},
        table=runs,
    )


def _lead(best: fits.Through, laws: Sequence[Section]) -> tuple[Block | None, Sequence[Section]]:
    """Move the figure of the best law out of its section; none if the law is not useful."""
    if not best.is_useful:
        return None, laws
    *blocks, figure = laws[0].blocks
    return figure, [replace(laws[0], blocks=blocks), *laws[1:]]


def _cards(fitted: Sequence[fits.Through]) -> Iterator[Card]:
    for law, name in CARDS:
        for through in fitted:
            if through.fitted.law == law:
                yield from (_card(through, each) for each in through.constants if each.name == name)


def _card(through: fits.Through, constant: Constant) -> Card:
    bounds = constant.bootstrap_interval
    lines = [Text(f"95 %: {span(bounds, fits.FORM)}" if bounds else "no interval")]
    if not through.is_useful:
        lines.append(Text("the law explains little of what differs", is_warning=True))
    if warnings := through.fitted.warnings:
        lines.append(Text(f"{plural(len(warnings), 'warning')} about this fit", is_warning=True))
    return Card(
        title=f"{through.name}: {constant.name}",
        meaning=constant.meaning,
        value=fits.FORM.format(constant.value),
        lines=lines,
    )
