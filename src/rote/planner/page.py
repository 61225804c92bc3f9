"""Show a plan: the table of sizes, the figure, plan.html and plan.json."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis.estimate import span
from rote.analysis.figures import ACCENT, GREY, PALETTE
from rote.analysis.marks import Layer
from rote.analysis.metrics import METRICS, Metric
from rote.analysis.page import Block, Card, Commands, Content, Section, Text
from rote.analysis.plot import Axis, Plot
from rote.analysis.report import reproduce, write_page
from rote.analysis.table import Column, Table
from rote.core.units import bits_from_nats
from rote.planner.checks import checks
from rote.planner.formatting import duration, short
from rote.planner.plan import TrainingPlan
from rote.planner.projection import Projection, Value
from rote.planner.wording import answer, beyond_briefly, beyond_in_full, loss_bits, marks, notes

QUESTION = "Which size, how much data, and what will it leak?"
LOSS = METRICS["heldout_bits_per_token"]
EXPOSURE = Metric(name="exposure_bits", title="exposure", unit="bits", form="{:.2f}")
EXTRACTED = Metric(name="extracted", title="extracted", unit="of windows", form="{:.1%}")
WIDE = ("D/N", "H100 time", "storable")  # columns that a narrow screen omits
CARDS = ("parameters", "tokens", LOSS.title, METRICS["f1"].title)


def write_plan(plan: TrainingPlan, path: Path, command: str) -> None:
    """Write the page to ``path``, figure and tables beside it; ``command`` reproduces it."""
    content = Content(
        headlines=tuple(answer(plan)),
        setting=" ".join(answer(plan)) or "Projected for every size of the ladder.",
        cards=tuple(_cards(plan)),
        lead=_plot(plan),
        sections=(
            Section("Sizes", [sizes(plan)]),
            Section("Check it on your own model", _checks(plan)),
            Section("What this rests on", [Text(items=tuple(notes(plan)))]),
        ),
        numbers={},
        table=pl.DataFrame(),
    )
    closing = reproduce([command])
    write_page(path, name="plan", question=QUESTION, content=content, closing=closing)


def _checks(plan: TrainingPlan) -> list[Block]:
    blocks: list[Block] = []
    for check in checks(plan):
        blocks += [
            Text(f"{check.measures.capitalize()}. Expected: {check.expects}. Takes {check.needs}."),
            Commands(lines=[check.command]),
        ]
    return blocks


def sizes(plan: TrainingPlan, *, is_narrow: bool = False, is_brief: bool = False) -> Table:
    """Build a row per size, equal columns folded; ``is_brief``: only the furthest extrapolation."""
    beyond = beyond_briefly if is_brief else beyond_in_full
    columns = [
        *(each for each in _columns(plan) if not (is_narrow and each.title in WIDE)),
        Column("marks", lambda row: marks(plan, plan.rows.index(row)) or "none"),
        Column("beyond", lambda row: beyond(row) or "nothing", unit="what was measured"),
    ]
    return Table(columns=columns, rows=plan.rows, is_folded=True)


def plan_json(plan: TrainingPlan) -> Mapping[str, Any]:
    """Return the plan as plain numbers; laws by their constants and sources."""
    estimates = plan.estimates
    return {
        "question": asdict(plan.question),
        "answer": list(answer(plan)),
        "optimum_parameters": plan.optimum,
        "optimum_interval": plan.optimum_interval,
        "best": plan.best,
        "pareto": list(plan.pareto),
        "rows": [
            {**asdict(row), "epochs": row.epochs, "stored_share": row.stored_share}
            for row in plan.rows
        ],
        "laws": {
            estimate.name: {
                "constants": {
                    name: value.value if isinstance(value, Enum) else value
                    for name, value in vars(estimate.curve).items()
                },
                "source": estimate.source,
                "ranges": dict(estimate.ranges),
                "warnings": list(estimate.warnings),
            }
            for estimate in (estimates.loss, *estimates.leakage)
        },
        "repetition": {
            "R_D": estimates.repeats.R_D,
            "R_N": estimates.repeats.R_N,
            "source": estimates.repeats.source,
            "warnings": list(estimates.repeats.warnings),
        },
        "bits_per_parameter": asdict(estimates.capacity),
        "window_tokens": estimates.window_tokens,
        "count": estimates.count.value,
        "notes": list(notes(plan)),
        "checks": [asdict(check) for check in checks(plan)],
    }


def _columns(plan: TrainingPlan) -> Iterator[Column]:
    """Yield the columns that this plan has values for, except marks."""
    asked = plan.question
    right: dict[str, Any] = {"is_number": True}
    yield Column("parameters", lambda row: short(row.parameters), unit="N", **right)
    yield Column("tokens", lambda row: short(row.tokens), unit="D", **right)
    if asked.tokens is not None:
        yield Column("epochs", "epochs", form="{:.3g}")
    for _, metric in _projected(plan):
        yield Column.of(metric, partial(_with_interval, metric))
    if asked.has_ceiling:
        yield Column("least data", lambda row: short(row.least_tokens) if row.least_tokens else
                     "never enough", unit="tokens", **right)  # fmt: skip
    yield Column("D/N", lambda row: short(row.tokens_per_parameter), unit="tokens a parameter",
                 **right)  # fmt: skip
    yield Column("FLOPs", lambda row: short(row.flops), unit="6 N D", **right)
    yield Column("H100 time", lambda row: duration(row.device_seconds), unit="one, at 40 %",
                 **right)  # fmt: skip
    yield Column("storable", "stored_share", unit="of the data", form="{:.2%}")


def _projected(plan: TrainingPlan) -> Iterator[tuple[float | None, Metric]]:
    """Yield loss and each kind of leakage that has a law, with the requested maximum."""
    asked, estimates = plan.question, plan.estimates
    yield None if asked.loss_nats is None else bits_from_nats(asked.loss_nats), LOSS
    for most, law, metric in (
        (asked.max_f1, estimates.membership, METRICS["f1"]),
        (asked.max_exposure_bits, estimates.exposure, EXPOSURE),
        (asked.max_extracted, estimates.extraction, EXTRACTED),
        (asked.max_p_z, estimates.suffix, METRICS["p_z"]),
    ):
        if law:
            yield most, metric


def _value(metric: Metric, row: Projection) -> Value | None:
    return loss_bits(row) if metric is LOSS else getattr(row, metric.name)


def _with_interval(metric: Metric, row: Projection) -> tuple[float, str] | None:
    value = _value(metric, row)
    return None if value is None else (value.value, span(value.interval, metric.form))


def _cards(plan: TrainingPlan) -> Iterator[Card]:
    if plan.best is None:
        return
    for column in _columns(plan):
        if column.title in CARDS:
            cell = column.cell(plan.rows[plan.best])
            yield Card(
                title=column.title,
                meaning="of the best row",
                value=cell.text,
                unit=column.unit,
                lines=[Text(cell.below)],
            )


def _plot(plan: TrainingPlan) -> Plot:
    """Plot projected loss and each kind of leakage over size, with the best row marked."""
    rows, asked = [], []
    for most, metric in _projected(plan):
        for index, row in enumerate(plan.rows):
            if value := _value(metric, row):
                low, high = value.interval or (None, None)
                rows.append({
                    "panel": metric.label, "parameters": row.parameters, "value": value.value,
                    "value_low": low, "value_high": high, "is_pareto": index in plan.pareto,
                })  # fmt: skip
        asked += [{"panel": metric.label, "value": most}] if most is not None else []
    marks_of = pl.DataFrame(rows, infer_schema_length=None)
    look = {"color": PALETTE[0]}
    layers = [
        Layer(frame=marks_of, kind="line", x="parameters", y="value", look=look),
        Layer(frame=marks_of, x="parameters", y="value", hollow="is_pareto", look=look,
              hollow_label="Pareto: no other size is better in everything",
              label="projected, with its interval"),
    ]  # fmt: skip
    if asked:
        dashed = {"color": GREY, "linestyle": "--"}
        layers.append(Layer(frame=pl.DataFrame(asked), kind="across", y="value", look=dashed,
                            label="asked: at most"))  # fmt: skip
    title = "What each size would cost and leak"
    if plan.best is not None:
        row = plan.rows[plan.best]
        title = f"Best: {short(row.parameters)} parameters on {short(row.tokens)} tokens"
        layers.append(Layer(frame=pl.DataFrame({"parameters": [row.parameters]}), kind="upright",
                            x="parameters", label="best",
                            look={"color": ACCENT, "linestyle": ":"}))  # fmt: skip
    return Plot(
        name="plan",
        title=title,
        caption="Lines: the laws named below; bars: their intervals.",
        x=Axis(label=METRICS["parameters"].label, is_log=True),
        y=Axis(label="", form="count"),
        panel="panel",
        num_columns=min(2, marks_of["panel"].n_unique()),
        panel_inches=2.6,
        shares_y=False,
        layers=layers,
    )
