"""plan.html and plan.json."""

from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from typing import Any

import polars as pl

from rote.analysis.content import Content, Section
from rote.analysis.elements import card, figure, number_cell, scrolled, table, text_cell
from rote.analysis.page import page
from rote.planner.figure import draw_plan
from rote.planner.plan import Plan
from rote.planner.wording import answer, beyond_in_full, columns, marks, notes

TEXT = ("marks", "beyond")


def plan_page(plan: Plan, command: str) -> str:
    """Self-contained HTML; ``command`` makes it again."""
    drawing = draw_plan(plan)
    caption = "Lines: the laws named below; bands: their intervals."
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes(plan))
    content = Content(
        headlines=tuple(answer(plan)),
        setting=" ".join(answer(plan)) or "Projected for every size of the ladder.",
        cards=tuple(_cards(plan)),
        sections=(
            Section(title="Sizes", html=scrolled(_table(plan)) + figure(drawing, caption)),
            Section(title="What this rests on", html=f"<ul>{lines}</ul>"),
        ),
        drawings=(drawing,),
        numbers={},
        table=pl.DataFrame(),
    )
    closing = Section(title="How to reproduce", html=f"<pre><code>{escape(command)}</code></pre>")
    question = "Which size, how much data, and what will it leak?"
    return page(name="plan", question=question, content=content, closing=closing)


def plan_json(plan: Plan) -> Mapping[str, Any]:
    """Plain numbers; laws by their constants and sources."""
    beliefs = plan.beliefs
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
            belief.name: {
                "constants": _plain(vars(belief.curve)),
                "source": belief.source,
                "ranges": dict(belief.ranges),
                "warnings": list(belief.warnings),
            }
            for belief in (beliefs.loss, *beliefs.leakage)
        },
        "repetition": {
            "R_D": beliefs.repeats.R_D,
            "R_N": beliefs.repeats.R_N,
            "source": beliefs.repeats.source,
            "warnings": list(beliefs.repeats.warnings),
        },
        "bits_per_parameter": asdict(beliefs.capacity),
        "window_tokens": beliefs.window_tokens,
        "count": beliefs.count.value,
        "notes": list(notes(plan)),
    }


def _plain(constants: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int | float | str) else str(value)
        for name, value in constants.items()
    }


def _cards(plan: Plan) -> list[str]:
    if plan.best is None:
        return []
    row = plan.rows[plan.best]
    cells = {column.name: column for column in columns(plan)}
    wanted = ("parameters", "tokens", "loss", "F1")
    return [
        card(
            title=name,
            meaning="of the best row",
            value=cells[name].cell(row),
            unit=cells[name].unit,
            lines=[f"<p>{cells[name].interval(row)}</p>"],
        )
        for name in wanted
        if name in cells
    ]


def _table(plan: Plan) -> str:
    told = columns(plan)
    headers = [(column.name, column.unit) for column in told] + [("marks", ""), ("beyond", "")]
    rows = [
        [
            *(number_cell(column.cell(row), column.interval(row)) for column in told),
            text_cell(marks(plan, index)),
            text_cell(beyond_in_full(row)),
        ]
        for index, row in enumerate(plan.rows)
    ]
    return table(headers, rows, text=TEXT)
