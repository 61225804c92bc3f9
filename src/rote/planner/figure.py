"""A plan as a figure: what each size costs in loss and in leakage."""

from collections.abc import Callable

from matplotlib.axes import Axes

from rote.analysis.drawing import (
    ACCENT,
    GREY,
    PALETTE,
    Drawing,
    Handle,
    in_house_style,
    legend_below,
    line_key,
    logarithmic_numbers,
    new_figure,
    panels,
    render,
)
from rote.planner.amounts import short
from rote.planner.plan import Plan
from rote.planner.projection import Projection, Value

Of = Callable[[Projection], Value | None]


@in_house_style
def draw_plan(plan: Plan) -> Drawing:
    """Projected loss and each kind of leakage against the size, the best row marked."""
    kinds = _kinds(plan)
    title = _title(plan)
    num_columns = min(2, len(kinds))
    figure = new_figure(height_inches=2.6 * -(-len(kinds) // num_columns) + 0.9, title=title)
    grid = panels(figure, len(kinds), num_columns=num_columns, sharey=False)
    for axes, (name, of, ceiling) in zip(grid, kinds, strict=True):
        _draw(axes, plan, name, of, ceiling)
    legend_below(figure, _keys(), num_columns=4)
    return render(figure, name="plan", alt=title)


def _draw(axes: Axes, plan: Plan, name: str, of: Of, ceiling: float | None) -> None:
    values = [of(row) for row in plan.rows]
    sizes = [row.parameters for row, value in zip(plan.rows, values, strict=True) if value]
    known = [value for value in values if value]
    axes.plot(sizes, [each.value for each in known], color=PALETTE[0], marker="o", zorder=2)
    if all(each.interval for each in known):
        low, high = zip(*(each.interval for each in known if each.interval), strict=True)
        axes.fill_between(sizes, low, high, color=PALETTE[0], alpha=0.18, linewidth=0)
    for index in plan.pareto:
        value = values[index]
        if value:
            size = plan.rows[index].parameters
            axes.plot(size, value.value, "o", color="white", markersize=2.5, zorder=3)
    if ceiling is not None:
        axes.axhline(ceiling, color=GREY, linestyle="--")
    if plan.best is not None:
        axes.axvline(plan.rows[plan.best].parameters, color=ACCENT, linestyle=":")
    axes.set_xscale("log")
    if len(sizes) > 1:
        logarithmic_numbers(axes.xaxis, (min(sizes), max(sizes)))
    axes.set_xlabel("parameters")
    axes.set_title(name)


def _kinds(plan: Plan) -> list[tuple[str, Of, float | None]]:
    asked = plan.question
    every: list[tuple[str, Of, float | None]] = [
        ("loss (nats per token)", lambda row: row.loss_nats, asked.loss_nats),
        ("membership F1", lambda row: row.f1, asked.max_f1),
        ("exposure (bits)", lambda row: row.exposure_bits, asked.max_exposure_bits),
        ("share of windows extracted", lambda row: row.extracted, asked.max_extracted),
    ]
    return [kind for kind in every if kind[1](plan.rows[0])]


def _keys() -> list[Handle]:
    return [
        line_key("projected, with interval", color=PALETTE[0], marker="o"),
        line_key("Pareto", color="white", marker="o", markersize=4, markeredgecolor=PALETTE[0]),
        line_key("asked: at most", color=GREY, linestyle="--"),
        line_key("best", color=ACCENT, linestyle=":"),
    ]


def _title(plan: Plan) -> str:
    if plan.best is None:
        return "What each size would cost and leak"
    row = plan.rows[plan.best]
    return f"Best: {short(row.parameters)} parameters on {short(row.tokens)} tokens"
