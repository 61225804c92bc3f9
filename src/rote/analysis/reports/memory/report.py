"""Make the report on memory over time: what is learnt when, and how fast it is forgotten."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rote.analysis.estimate import models_words, number, seeds_words
from rote.analysis.fits.forgetting import FORMS
from rote.analysis.metrics import METRICS
from rote.analysis.page import Block, Card, Content, Section, Text
from rote.analysis.plot import Plot
from rote.analysis.quantities.convergence import converged
from rote.analysis.reports.memory.plots import HALF_LIFE, plots
from rote.analysis.reports.memory.study import Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import runs_section
from rote.analysis.table import INTERVAL, Cell, Column, Row, Table, Value, warning

ACQUIRED, RETAINED, SHARE = (
    METRICS[name] for name in ("acquired_bits", "retained_bits", "retained_share")
)
UNDECIDED = "Too few sequences are never shown: which others are learnt is undecided."
NO_INSERTION = (
    "No sequence was inserted, so nothing is forgotten: <code>control=[insertion]</code> shows "
    "canaries in a window of steps, and looks behind the window find what is left of them."
)
FORGETTING_NOTE = (
    "Half-lives are of the form that fits better: exponential, or a power law, in which the bits "
    "fall linearly in the logarithm of age (Chang et al. 2024, arXiv 2406.11813, section 4.3). "
    "All seeds share the rate; its interval is Student's t, leaving each seed out, or each "
    "sequence of a single seed. No half-life is given where nothing is memorised beyond doubt, "
    "where the rate does not exceed 0 beyond doubt, or where its interval ends beyond ten times "
    "the oldest age. Explained is the share of the variance between bins of age."
)
SPACING = {1: "wide spacing retains more", 0: "no difference beyond doubt",
           -1: "close spacing retains more"}  # fmt: skip
SPACING_NOTE = (
    "Bits memorised of sequences that were shown equally often, in windows that begin alike: means "
    "over the bins of age that both have, so that widely spaced showings gain nothing from being "
    "more recent. Intervals are Student's t over seeds, and of the difference Zou and Donner's."
)


def make(results: Results) -> Content:
    """Make it; raises ValueError if there is no run, or none that was looked at."""
    found = study(results)
    runs = found.runs
    drawn = plots(found)
    # Rows of a panel rise by repeats: the last is of the most.
    most = {row["panel"]: row for row in found.remembered}.values()
    late = drawn.get("early_and_late", Text("Too few looks or sequences to correlate."))
    return Content(
        headlines=(
            *(f"{plot.title}." for plot in drawn.values()), *_spacing_line(found),
            *(f"{_name(row)}: {_bits(row)}; {_claim(row)}" for row in most), f"{converged(runs)}.",
        ),
        setting=f"{models_words(runs).capitalize()}; {seeds_words(runs)}; {converged(runs)}.",
        cards=tuple(map(_card, most)),
        lead=drawn.get("forgetting"),
        sections=(
            Section("What is forgotten", list(_forgotten(found))),
            *([Section("Whether spacing helps", _spaced(found))] if found.spaced else []),
            Section("When sequences are learnt", _when(found, drawn)),
            Section("Whether early memory predicts late memory", [late]),
            runs_section(runs, RUN_COLUMNS),
        ),
        numbers=dict(map(_numbers, found.remembered)),
        table=runs,
        arrays_of=tuple(runs["run_id"]),
        looks_of=tuple(runs["run_id"]),
    )  # fmt: skip


PLACE = (Column("series", "series", unit="layers x width"), Column("shown at", "schedule"))


def _forgotten(found: Study) -> Iterator[Block]:
    if found.left_out:
        runs = [f"run {run_id}: {reason}" for run_id, reason in found.left_out.items()]
        yield Text("Left out, wholly or in part:", items=runs, is_warning=True)
    if not found.remembered:
        yield Text(NO_INSERTION, is_html=True)
        return
    columns = [
        *PLACE,
        Column("times shown", "repeats"),
        Column.of(ACQUIRED, lambda row: row["forgetting"].acquired_bits),
        Column.of(RETAINED, lambda row: row["forgetting"].retained_bits),
        Column("forgotten", lambda row: row["forgetting"].lost_bits, form="{:+.1f}",
               unit=f"bits of a sequence, {INTERVAL}"),
        Column(SHARE.title, _retained, unit=SHARE.unit, form=SHARE.form, missing="none acquired"),
        Column.of(HALF_LIFE, _half_life),
        Column("better form", _explained, unit="explained"),
        Column("runs", lambda row: len(row["runs"])),
    ]  # fmt: skip
    yield Table(rows=found.remembered, columns=columns, is_tall=True)
    yield Text(FORGETTING_NOTE)


def _half_life(row: Row) -> Value:
    found, steps = row["forgetting"], row["forgetting"].half_life_steps
    if steps is None:
        return warning("none", found.reason)
    below = f"{steps.span(HALF_LIFE.form)}, beyond the looks"
    return warning(number(steps.value, HALF_LIFE.form), below) if found.is_beyond else steps


def _explained(row: Row) -> Value:
    parts = [f"{form} {share:.0%}" for form, share in row["forgetting"].explained.items()]
    return row["forgetting"].form or "none", "; ".join(parts)


def _retained(row: Row) -> float | None:
    acquired, retained = row["forgetting"].acquired_bits, row["forgetting"].retained_bits
    return retained.value / acquired.value if acquired.sign > 0 else None


def _spaced(found: Study) -> list[Block]:
    def bits(end: str) -> Callable[[Row], Value]:
        return lambda row: Cell(
            text=row[f"{end}_bits"].words("{:.1f}"), below=f"every {row[end]} steps", is_text=False
        )

    columns = [
        PLACE[0],
        Column("window", "window", unit="steps of first showings"),
        Column("times shown", "repeats"),
        Column("close", bits("close"), unit=ACQUIRED.unit),
        Column("wide", bits("wide"), unit=ACQUIRED.unit),
        Column("wide less close", "apart", unit=INTERVAL, form="{:+.1f}"),
        Column("finding", lambda row: SPACING[row["apart"].sign]),
    ]
    return [Table(rows=found.spaced, columns=columns), Text(SPACING_NOTE)]


def _spacing_line(found: Study) -> Iterator[str]:
    if found.spaced:
        signs = [row["apart"].sign for row in found.spaced]
        yield (
            f"At equal age more is left of showings spaced widely in {signs.count(1)} of "
            f"{len(signs)} comparisons, less in {signs.count(-1)}."
        )


def _when(found: Study, drawn: Mapping[str, Plot]) -> list[Block]:
    if "learnt" not in drawn:
        return [Text(UNDECIDED, is_warning=True)]
    columns = [
        *PLACE,
        Column("sequences", "name"),
        Column("learnt at any look", "ever", unit=INTERVAL, form="{:.0%}"),
        Column("learnt at the last look", "at_end", unit=INTERVAL, form="{:.0%}"),
        Column("first look at which it is learnt", "steps_to_learn", form="{:,.0f}",
               unit="steps since first shown, median", missing="none learnt"),
        Column("forgetting events", "forgetting_events", unit="mean of a sequence", form="{:.2f}"),
    ]  # fmt: skip
    return [drawn["learnt"], Table(rows=found.learnt, columns=columns, is_tall=True)]


RUN_COLUMNS: list[Column | str] = [
    Column("run", "run_id", is_code=True),
    *PLACE,
    "parameters", "seed", "acquired_bits", "retained_bits", "retained_share", "training.steps",
    "training.converged",
]  # fmt: skip


def _card(row: Row) -> Card:
    found = row["forgetting"]
    half_life = found.half_life_steps
    return Card(
        title=f"{row['name']}, {row['panel']}".capitalize(),
        meaning="steps until half of the bits are forgotten",
        value=number(half_life.value, HALF_LIFE.form) if half_life else "none",
        unit=HALF_LIFE.unit if half_life else "",
        lines=[
            Text(_claim(row), is_warning=half_life is None or found.is_beyond),
            Text(_bits(row)),
        ],
    )


def _name(row: Row) -> str:
    return f"{row['panel']}, {row['name']}"


def _bits(row: Row) -> str:
    acquired, retained = (
        getattr(row["forgetting"], each.name).words(each.form) for each in (ACQUIRED, RETAINED)
    )
    return f"{acquired} bits when last shown, {retained} at the last look"


def _claim(row: Row) -> str:
    found = row["forgetting"]
    if found.half_life_steps is None:
        return f"no half-life: {found.reason}"
    beyond = ", beyond the looks" if found.is_beyond else ""
    return f"half-life {found.half_life_steps.words(HALF_LIFE.form)} steps, {found.form}{beyond}"


def _numbers(row: Row) -> tuple[str, dict[str, Any]]:
    found = row["forgetting"]
    half_life = found.half_life_steps
    return f"forgetting, {_name(row)}", {
        "acquired_bits": found.acquired_bits.value,
        "interval_acquired_bits": found.acquired_bits.interval,
        "retained_bits": found.retained_bits.value,
        "interval_retained_bits": found.retained_bits.interval,
        "half_life_steps": half_life and half_life.value,
        "interval_half_life_steps": half_life and half_life.interval,
        "reason": found.reason,
        "form": found.form,
        **{f"explained_{form.replace(' ', '_')}": found.explained.get(form) for form in FORMS},
        "runs": row["runs"],
    }
