"""Make the report on text: what is memorised beyond skill, what is extracted, and which texts."""

from collections.abc import Callable, Iterator
from typing import Any

from rote.analysis import near_verbatim
from rote.analysis.estimate import span
from rote.analysis.metrics import METRICS
from rote.analysis.page import Block, Card, Content, Heading, Section, Text
from rote.analysis.reports.double_descent import axis_note, descents_plot, descents_table, headline
from rote.analysis.reports.text import figures, wording
from rote.analysis.reports.text.numbers import numbers
from rote.analysis.reports.text.study import REFERENCE_NAMES, SIZE, Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import runs_section
from rote.analysis.table import INTERVAL, Column, Row, Table, warning

SUM, MEAN = METRICS["max_code_bits"], METRICS["mean_max_code_bits"]
LOSS = METRICS["heldout_bits_per_token"]


def make(results: Results) -> Content:
    """Make it; raises ValueError for runs that are not on one corpus, or have no reference."""
    found = study(results)
    near = near_verbatim.near_rows(results, found.targets)
    curves = found.descents
    return Content(
        headlines=(
            *wording.headlines(found), *map(headline, curves), *near_verbatim.headlines(near),
        ),
        setting=wording.setting(found),
        cards=tuple(_cards(found)),
        lead=figures.unintended(found),
        sections=(
            _unintended(found),
            Section(
                "Double descent",
                [descents_plot(curves), descents_table(curves), Text(axis_note(curves))],
            ),
            Section("Extraction", [*_extraction(found), *_discoverable(found)]),
            Section("Samples that the model draws", list(_drawn(found))),
            _remembered(found),
            Section("The most and the least memorised samples", list(_samples(found))),
            _qualities(found),
            *near_verbatim.sections(near),
            runs_section(found.runs),
        ),
        numbers=numbers(found) | near_verbatim.numbers(near),
        table=found.runs,
        arrays_of=tuple(found.runs["run_id"]),
    )  # fmt: skip


def _beside(first: str, below: str, form: str = "{:,}") -> Callable[[Row], tuple[Any, str]]:
    """Return a column's value with another one in small print."""
    return lambda row: (row[first], form.format(row[below]))


def _unintended(found: Study) -> Section:
    def bits(row: Row) -> tuple[float, str]:
        ends = row["max_code_low_bits"], row["max_code_high_bits"]
        return row["max_code_bits"], span(ends, SUM.form)

    columns = [
        Column("series", "series"),
        Column("reference", "reference"),
        Column("N", _beside(SIZE, "seed"), unit="seed"),
        Column("mem_U (bits)", bits, unit=f"max code, {INTERVAL}", form=SUM.form),
        Column("of capacity", "of_capacity", form="{:.1%}"),
        Column("sum <= capacity", lambda row: "yes" if row["of_capacity"] <= 1 else warning("no")),
        Column("mem_U (bits)", "mixture_code_bits", unit="mixture code", form=SUM.form),
        Column("a sample (bits)", "mean_bits", unit="max code", form=MEAN.form),
        Column("held-out control", "heldout_mean_bits", unit="bits a sample", form=MEAN.form),
        Column("samples memorised", _beside("samples_memorised", "samples"), unit="of all"),
        Column("in the reference", _beside("samples_in_reference", "samples_unpaired"),
               unit="not scored by it"),
    ]  # fmt: skip
    table = Table(columns=columns, rows=found.pairs.to_dicts(), is_tall=True)
    check = Text(f"{wording.check(found)}.")
    return Section("Unintended memorisation", [check, table, Text(wording.CONTROL_NOTE)])


def _extraction(found: Study) -> list[Block]:
    if not found.extracted:
        return [Text("No run measured extraction (measure=[extraction]).")]
    columns = [
        Column("series", "series"),
        Column("N", SIZE),
        Column("prefix", "prefix", unit="tokens"),
        Column("train", "train", unit=INTERVAL, form="{:.1%}"),
        Column("held-out", "heldout", unit=INTERVAL, form="{:.1%}"),
        Column("difference", "excess", unit=INTERVAL, form="{:+.1%}"),
        Column("explained by held-out", "explained", unit="of the train rate", form="{:.0%}",
               missing="none extracted"),
    ]  # fmt: skip
    return [figures.extraction(found), Table(columns=columns, rows=found.extracted, is_tall=True)]


def _discoverable(found: Study) -> list[Block]:
    if not found.discoverable:
        return []
    columns = [
        Column("run", "name"),
        Column("windows", "windows"),
        Column("sampler", "sampler"),
        Column("prefix", "prefix", unit="tokens"),
        *near_verbatim.sample_columns(INTERVAL),
        Column("in the beam", "beam", unit=INTERVAL, form="{:.1%}"),
    ]
    table = Table(columns=columns, rows=found.discoverable, is_tall=True)
    return [Heading("How many samples it takes"), table, Text(wording.DISCOVERABLE_NOTE)]


def _drawn(found: Study) -> Iterator[Block]:
    """Yield a table of drawings, and one of their rankings if anything is memorised."""
    if not found.drawn:
        yield Text("No run measured generation (measure=[generation]).")
        return
    drawn = [
        Column("drawing", "name"),
        Column("hold training text", "memorised", unit=INTERVAL, form="{:.1%}"),
        Column("hold held-out text", "control", unit=INTERVAL, form="{:.1%}"),
        Column("of one training sequence", "once", unit="samples"),
        Column("distinct samples", _beside("distinct", "samples"), unit="of all"),
    ]
    yield Table(columns=drawn, rows=found.drawn, is_tall=True)
    ranked = [
        (each["name"], name.replace("_", " "), each["found"].ranked(name))
        for each in found.drawn
        if each["memorised"].successes
        for name in each["found"].rankings
    ]
    rates: dict[str, Any] = {"unit": INTERVAL, "form": "{:.0%}"}
    by_rank = [
        Column("drawing", lambda row: row[0]),
        Column("ranking", lambda row: row[1]),
        Column("precision", lambda row: row[2].precision, **rates),
        Column("held-out text", lambda row: row[2].precision_in_heldout, **rates),
        Column("recall", lambda row: (row[2].recall, f"{row[2].num_found} of "
               f"{row[2].num_memorised}"), unit="before the 100th error", form="{:.0%}"),
    ]  # fmt: skip
    if ranked:
        yield Table(columns=by_rank, rows=ranked, is_tall=True)
    yield Text(wording.DRAWN_NOTE)


def _remembered(found: Study) -> Section:
    rows = [
        {"covariate": words, "name": each.name, "rho": each.correlations[name]}
        for name, words in wording.COVARIATE_NAMES.items()
        for each in found.remembered
    ]
    columns = [
        Column("covariate", "covariate"),
        Column("series", "name"),
        Column("rho", "rho", unit=INTERVAL, form="{:+.3f}", missing="not known"),
        Column("samples", lambda row: row["rho"] and row["rho"].n, missing="too few"),
    ]
    table = Table(columns=columns, rows=rows, is_tall=True)
    return Section("What is remembered", [figures.covariates(found), figures.tf_idf(found), table])


def _samples(found: Study) -> Iterator[Block]:
    bits: dict[str, Any] = {"form": "{:.1f}"}
    mem_u = _beside("max_code_bits", "mixture_code_bits", "{:.1f}")
    columns = [
        Column("text", _beside("text", "sample_id", "{}"), unit="sample id", is_code=True),
        Column("model (bits)", "target_bits", **bits),
        Column("reference (bits)",
               lambda row: (row["reference_bits"], "trained on it" * row["in_reference"]), **bits),
        Column("mem_U (bits)", mem_u, unit="mixture code", **bits),
        Column("occurrences", "occurrences"),
        Column("extracted", "extracted", unit="from so many tokens"),
    ]  # fmt: skip
    for each in found.remembered:
        yield Heading(f"{each.name}, against the {REFERENCE_NAMES[each.reference]}")
        for words, samples in (("Most", each.most), ("Least", each.least)):
            yield Text(f"{words} memorised")
            yield Table(columns=columns, rows=samples, is_tall=True)


def _qualities(found: Study) -> Section:
    columns = [
        Column("series", "series"),
        Column("reference", _beside("reference", "pool", "{}"), unit="its pool"),
        Column("its held-out loss", "loss", unit=LOSS.unit, form=LOSS.form),
        Column("mean mem_U (bits)", "mean_bits", unit=INTERVAL, form=MEAN.form),
        Column("samples", lambda row: row["mean_bits"].n, unit="it never trained on"),
    ]
    table = Table(columns=columns, rows=found.qualities, is_tall=True)
    return Section("How good the reference has to be", [figures.oracle_quality(found), table])


def _cards(found: Study) -> list[Card]:
    made = [
        Card(
            title=f"{run['series']}, {run['parameters']:,} parameters",
            meaning=f"{SUM.title} against the {run['reference']}",
            value=SUM.form.format(run["max_code_bits"]),
            unit=SUM.unit,
            lines=[
                Text(f"{run['of_capacity']:.0%} of capacity, at N = {run[SIZE]:,}"),
                Text(f"mixture code: {run['mixture_code_bits']:,.0f} bits"),
                Text("" if run["is_above"] else wording.NOT_ABOVE, is_warning=True),
                Text("" if run["training.converged"] else "had not converged", is_warning=True),
            ],
        )
        for run in found.fullest(found.references[-1])
    ]
    last = found.remembered[-1]
    correlation = last.correlations["tf_idf"]
    rho = Card(
        title="TF-IDF",
        meaning=f"rank correlation with mem_U, {last.name}",
        value="none" if correlation is None else f"{correlation.value:+.2f}",
        unit="Spearman's rho",
        lines=[Text(wording.correlation_words(correlation))],
    )
    return [*made, rho]
