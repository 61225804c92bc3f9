"""The tables of the report on leakage."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rote.analysis.estimate import Estimate, span
from rote.analysis.fits.membership_law import MembershipLaw
from rote.analysis.metrics import METRICS
from rote.analysis.quantities.convergence import num_converged, standing
from rote.analysis.quantities.exposure import FEWEST_IN_GROUP
from rote.analysis.quantities.leakage import GUESSES, SIZE
from rote.analysis.quantities.membership import FALSE_POSITIVE_RATES
from rote.analysis.reports.leakage.law import Fitted, constant
from rote.analysis.reports.leakage.sizes import Row
from rote.analysis.reports.leakage.study import LOSS, Study
from rote.analysis.reports.leakage.wording import score_name, verdict
from rote.analysis.table import Cell, Column, Table, Value, warning

INTERVAL = "95 % interval"
F1 = f"F1 at equal errors, {INTERVAL}"
FOUND = f"{INTERVAL} at that threshold, or the reason"
OBSERVED = "Morris et al. 2025; how thresholds were chosen is not stated"
IN_ORDER = (LOSS, "samples_per_parameter", "parameters", "training.steps")


def law_table(found: Study) -> Table:
    """A row a reading that was fitted."""

    def of(name: str, fitted: Any) -> Value:
        value, error = getattr(fitted.law.curve, name), getattr(fitted.law, f"{name}_error")
        return constant(value, error), f"{getattr(fitted.published, name):.4g}"

    def largest(fitted: Any) -> Value:
        return max(fitted.law.residuals, key=abs)

    def runs(fitted: Fitted) -> Value:
        return fitted.runs.height, f"{fitted.runs.height - num_converged(fitted.runs):,}"

    return Table(
        rows=[each for each in found.laws if isinstance(each.law, MembershipLaw)],
        columns=[
            _column("x", "name"),
            *(_column(one, partial(of, one), "published") for one in ("height", "slope", "offset")),
            _column("residuals", lambda each: each.law.noise, "their standard deviation", "{:.4f}"),
            _column("largest residual", largest, form="{:+.4f}"),
            _column("runs", runs, "not converged"),
        ],
    )  # fmt: skip


def forecast_table(found: Study) -> Table:
    """A row a published validation point, both readings beside each other."""

    def observed(row: Sequence[Any]) -> Value:
        seen = row[0].observed
        return seen.observed_f1, f"\N{PLUS-MINUS SIGN} {seen.observed_error:.3f}"

    def finding(row: Sequence[Any]) -> Value:
        names = [one.name for one, each in zip(found.laws, row, strict=True) if each.is_beyond]
        return (
            warning(f"beyond these runs in {' and '.join(names)}")
            if names
            else "within their ratios"
        )

    def of(place: int, name: str, row: Sequence[Any]) -> Value:
        return getattr(row[place], name)

    readings = []
    for place, one in enumerate(found.laws):
        fitted, published = (partial(of, place, name) for name in ("fitted_f1", "published_f1"))
        readings += [
            _column(f"law in {one.name}", fitted, F1, "{:.4f}", missing="none"),
            _column("published", published, f"in {one.name}", "{:.4f}"),
        ]
    return Table(
        rows=list(zip(*(one.forecasts for one in found.laws), strict=True)),
        columns=[
            _column("parameters", lambda row: row[0].observed.parameters, "of the published model"),
            _column("|D|", lambda row: row[0].observed.num_samples),
            _column("observed F1", observed, OBSERVED, "{:.4f}"),
            _column("aimed at", lambda row: row[0].observed.target_f1, "by their law", "{:.2f}"),
            *readings,
            _column("finding", finding),
        ],
    )  # fmt: skip


def score_table(rows: Sequence[Row]) -> Table:
    """A row a size, N and score."""

    def found(which: int, row: Row) -> Value:
        if row["auroc"] is None:
            return "none"
        share = row["found"][which]
        return share if isinstance(share, Estimate) else ("refused", share.reason)

    shares = [
        _column(f"found at {100 * rate:g} % FPR", partial(found, which), FOUND, "{:.1%}")
        for which, rate in enumerate(FALSE_POSITIVE_RATES)
    ]
    return Table(
        is_tall=True,
        rows=rows,
        columns=[
            _column("size", "series"),
            _column("N", lambda row: (row["N"], str(len(row["runs"]))), "targets"),
            _column("score", lambda row: score_name(row["score"])),
            _column(
                "AUROC", lambda row: row["auroc"] or ("none", row["reason"]), INTERVAL, "{:.3f}"
            ),
            *shares,
            _column(
                "members", lambda row: row["auroc"] and (row["members"], f"{row['others']:,}"),
                "others", missing="none",
            ),
        ],
    )  # fmt: skip


def planted_table(found: Study) -> Table:
    """A row a size, N and number of repeats."""
    return Table(
        is_tall=True,
        rows=found.planted,
        columns=[
            _column("size", "series"),
            _column("N", lambda row: (row["N"], str(len(row["runs"]))), "runs"),
            _column("inserted", lambda row: row["repeats"] or "0, controls", "times"),
            _column(
                "mean exposure (bits)", "exposure",
                f"{INTERVAL} from {FEWEST_IN_GROUP} canaries on", "{:.2f}",
            ),
            _column("extracted", "extracted", INTERVAL, "{:.0%}", missing="not tried"),
            _column("canaries", lambda row: row["exposure"].n),
            _column(
                "most measurable", lambda row: (row["most_bits"], f"{row['secret_bits']:.1f}"),
                "secret, bits", "{:.1f}",
            ),
            _column(
                "by skew-normal (bits)", lambda row: (row["fitted"], str(row["num_fitted"])),
                "canaries whose fit holds", "{:.2f}", missing="none",
            ),
        ],
    )  # fmt: skip


def control_table(found: Study) -> Table:
    """A row a size and N."""

    def mean(row: Row) -> Value:
        return row["chance"].mean_bits, span(row["chance"].range_bits, "{:.2f}")

    def holds(row: Row) -> Value:
        return "holds" if row["chance"].holds else warning("outside its range")

    return Table(
        is_tall=True,
        rows=found.controls,
        columns=[
            _column("size", "series"),
            _column("N", "N"),
            _column("mean exposure (bits)", mean, "chance's 95 % range", "{:.2f}"),
            _column("p", lambda row: row["chance"].p_value, "two-sided", "{:.2g}"),
            _column("chance", holds),
            _column("controls", lambda row: row["chance"].num_controls),
        ],
    )


def window_table(found: Study) -> Table:
    """A row a size, N and prefix."""
    return Table(
        is_tall=True,
        rows=found.windows,
        columns=[
            _column("size", "series"),
            _column("N", "N"),
            _column("prefix", "prefix", "tokens"),
            _column("difference", "excess", INTERVAL, "{:+.1%}"),
            _column("train", lambda row: row["extraction"].train, INTERVAL, "{:.1%}"),
            _column("held-out", lambda row: row["extraction"].heldout, INTERVAL, "{:.1%}"),
        ],
    )


def loss_table(found: Study) -> Table:
    """A row a kind: its rank correlation with held-out loss over runs."""
    alike = "too few runs, or all alike"
    correlations = [
        _column(
            "rho with held-out loss", partial(found.with_loss, at_equal_n=at_equal_n),
            f"{where}, {INTERVAL}", "{:+.2f}", missing=alike,
        )
        for where, at_equal_n in (("at equal N", True), ("over all runs", False))
    ]  # fmt: skip
    return Table(rows=found.kinds, columns=[_column("kind", "label"), *correlations])


def compared_table(found: Study) -> Table:
    """A row a kind, over all N and at each."""

    def number(name: str, row: Row) -> Value:
        form = row["kind"].signed if name == "apart" else row["kind"].form
        return _column("", name, form=form).cell(row)

    return Table(
        is_tall=True,
        rows=found.compared,
        columns=[
            _column("kind", lambda row: row["kind"].label),
            _column("N", lambda row: row["N"] or "all"),
            _column("smallest size", partial(number, "smaller")),
            _column("largest size", partial(number, "larger")),
            _column("difference", partial(number, "apart"), INTERVAL),
            _column("finding", verdict),
        ],
    )


def run_table(found: Study) -> Table:
    """A row a run, what it leaks first."""
    kinds = [name for name in GUESSES if name != "f1"]
    after = ("largest_f1", "balanced_accuracy", *IN_ORDER)
    return Table(
        is_tall=True,
        rows=list(found.runs.iter_rows(named=True)),
        columns=[
            _column("run", "run_id", is_code=True),
            _column("size", "model", "layers x width"),
            _column("N", _data, "all sequences |D|"),
            Column.of(METRICS["seed"]),
            _column("F1", _f1, f"at equal errors, {INTERVAL}", "{:.3f}"),
            *(Column.of(METRICS[name]) for name in (*kinds, *after)),
            _column("source", "source"),
            _column("converged", _converged),
        ],
    )


def _data(run: Mapping[str, Any]) -> Value:
    number = run["cost.train_sequences"]
    return run[SIZE], "not counted" if number is None else f"{number:,.0f}"


def _f1(run: Mapping[str, Any]) -> Value:
    has_f1 = run["f1"] is not None
    return (run["f1"], span((run["f1_low"], run["f1_high"]), "{:.3f}")) if has_f1 else None


def _converged(run: Mapping[str, Any]) -> Cell:
    answer, rule = standing(run)
    return Cell(text=answer, below=rule, is_warning=not run["training.converged"])


def _column(
    title: str, value: str | Callable[..., Value], unit: str = "", form: str = "{:,}", **more: Any
) -> Column:
    return Column(title=title, value=value, unit=unit, form=form, **more)
