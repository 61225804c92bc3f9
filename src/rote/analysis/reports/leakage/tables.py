"""Build the tables of the report on leakage."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rote.analysis.estimate import span
from rote.analysis.fits.membership_law import MembershipLaw
from rote.analysis.quantities.convergence import num_converged
from rote.analysis.quantities.exposure import FEWEST_IN_GROUP
from rote.analysis.quantities.leakage import GUESSES, SIZE
from rote.analysis.quantities.membership import FALSE_POSITIVE_RATES, LOSS_TAIL_RATE, TooFewControls
from rote.analysis.reports.leakage.law import CONSTANTS, constant
from rote.analysis.reports.leakage.sizes import Row
from rote.analysis.reports.leakage.study import LOSS, Study
from rote.analysis.reports.leakage.wording import score_name, verdict
from rote.analysis.table import Column, Table, Value, warning

INTERVAL = "95 % interval"
OBSERVED = "Morris et al. 2025; how thresholds were chosen is not stated"
SIZE_COLUMN, N_COLUMN = Column("size", "series"), Column("N", "N")


def law_table(found: Study) -> Table:
    """Build a row per fitted reading."""

    def of(name: str, each: Any) -> Value:
        return constant(each.law, name), f"{getattr(each.published, name):.4g}"

    columns = [
        Column("x", "name"),
        *(Column(name, partial(of, name), unit="published") for name in CONSTANTS),
        Column("residuals", lambda each: each.law.noise, unit="their standard deviation",
               form="{:.4f}"),
        Column("largest residual", lambda each: max(each.law.residuals, key=abs), form="{:+.4f}"),
        Column("runs", lambda each: (each.runs.height,
               f"{each.runs.height - num_converged(each.runs):,}"), unit="not converged"),
    ]  # fmt: skip
    rows = [each for each in found.laws if isinstance(each.law, MembershipLaw)]
    return Table(rows=rows, columns=columns)


def forecast_table(found: Study) -> Table:
    """Build a row per published validation point, with both readings side by side."""

    def of(place: int, name: str, row: Sequence[Any]) -> Value:
        return getattr(row[place], name)

    def finding(row: Sequence[Any]) -> Value:
        names = [one.name for one, each in zip(found.laws, row, strict=True) if each.is_beyond]
        beyond = warning(f"beyond these runs in {' and '.join(names)}")
        return beyond if names else "within their ratios"

    columns = [
        Column("parameters", lambda row: row[0].observed.parameters, unit="of the published model"),
        Column("|D|", lambda row: row[0].observed.num_samples),
        Column("observed F1", lambda row: (row[0].observed.observed_f1,
               f"\N{PLUS-MINUS SIGN} {row[0].observed.observed_error:.3f}"), unit=OBSERVED,
               form="{:.4f}"),
        Column("aimed at", lambda row: row[0].observed.target_f1, unit="by their law",
               form="{:.2f}"),
    ]  # fmt: skip
    for place, one in enumerate(found.laws):
        columns += [
            Column(f"law in {one.name}", partial(of, place, "fitted_f1"),
                   unit=f"F1 at equal errors, {INTERVAL}", form="{:.4f}", missing="none"),
            Column("published", partial(of, place, "published_f1"), unit=f"in {one.name}",
                   form="{:.4f}"),
        ]  # fmt: skip
    rows = list(zip(*(one.forecasts for one in found.laws), strict=True))
    return Table(rows=rows, columns=[*columns, Column("finding", finding)])


def score_table(rows: Sequence[Row]) -> Table:
    """Build a row per size, N and score."""

    def share(which: int, row: Row) -> Value:
        found = (*row["found"], row["excluded"])[which] if row["auroc"] else "none"
        return ("refused", found.reason) if isinstance(found, TooFewControls) else found

    shares = [
        *(f"found at {100 * rate:g} % FPR" for rate in FALSE_POSITIVE_RATES),
        f"others excluded at {100 * LOSS_TAIL_RATE:g} % FNR",
    ]
    columns = [
        SIZE_COLUMN,
        Column("N", _with_runs, unit="targets"),
        Column("score", lambda row: score_name(row["score"])),
        Column("AUROC", lambda row: row["auroc"] or ("none", row["reason"]), unit=INTERVAL,
               form="{:.3f}"),
        *(Column(title, partial(share, which), form="{:.1%}",
                 unit=f"{INTERVAL} at that threshold, or the reason")
          for which, title in enumerate(shares)),
        Column("members", lambda row: (row["members"], f"{row['others']:,}") if row["auroc"]
               else None, unit="others", missing="none"),
    ]  # fmt: skip
    return Table(rows=rows, columns=columns, is_tall=True)


def _with_runs(row: Row) -> Value:
    return row["N"], str(len(row["runs"]))


def private_table(found: Study) -> Table:
    """Build a row per run with DP-SGD: the epsilon planned, and what its scores refute."""

    def bound(name: str, row: Row) -> Value:
        return getattr(row["bounds"], name)

    columns = [
        SIZE_COLUMN,
        Column("N", SIZE),
        Column("seed", "seed"),
        Column("epsilon planned", lambda row: (row["planned"], f"{row['bounds'].delta:g}"),
               unit="delta", form="{:g}"),
        *(
            Column(title, partial(bound, name), form="{:.2f}", unit="at least, 95 % confidence")
            for title, name in (
                ("epsilon", "epsilon"), ("epsilon, from mu", "epsilon_by_mu"),
                ("epsilon of replacing, one run", "epsilon_one_run"),
            )
        ),
    ]  # fmt: skip
    return Table(rows=found.private, columns=columns, is_tall=True)


def planted_table(found: Study) -> Table:
    """Build a row per size, N and number of repeats."""
    columns = [
        SIZE_COLUMN,
        Column("N", _with_runs, unit="runs"),
        Column("inserted", lambda row: row["repeats"] or "0, controls", unit="times",
               is_number=True),
        Column("mean exposure (bits)", "exposure", form="{:.2f}",
               unit=f"{INTERVAL} from {FEWEST_IN_GROUP} canaries on"),
        Column("extracted", "extracted", unit=INTERVAL, form="{:.0%}", missing="not tried"),
        Column("canaries", lambda row: row["exposure"].n),
        Column("most measurable", lambda row: (row["most_bits"], f"{row['secret_bits']:.1f}"),
               unit="secret, bits", form="{:.1f}"),
        Column("by skew-normal (bits)", lambda row: (row["fitted"], str(row["num_fitted"])),
               unit="canaries whose fit holds", form="{:.2f}", missing="none"),
    ]  # fmt: skip
    return Table(rows=found.planted, columns=columns, is_tall=True)


def control_table(found: Study) -> Table:
    """Build a row per size and N."""
    columns = [
        SIZE_COLUMN,
        N_COLUMN,
        Column("mean exposure (bits)", lambda row: (row["chance"].mean_bits,
               span(row["chance"].range_bits, "{:.2f}")), unit="chance's 95 % range",
               form="{:.2f}"),
        Column("p", lambda row: row["chance"].p_value, unit="two-sided", form="{:.2g}"),
        Column("chance", lambda row: "holds" if row["chance"].holds
               else warning("outside its range")),
        Column("controls", lambda row: row["chance"].num_controls),
    ]  # fmt: skip
    return Table(rows=found.controls, columns=columns, is_tall=True)


def window_table(found: Study) -> Table:
    """Build a row per size, N and prefix."""
    columns = [
        SIZE_COLUMN,
        N_COLUMN,
        Column("prefix", "prefix", unit="tokens"),
        Column("difference", "excess", unit=INTERVAL, form="{:+.1%}"),
        Column("train", lambda row: row["extraction"].train, unit=INTERVAL, form="{:.1%}"),
        Column("held-out", lambda row: row["extraction"].heldout, unit=INTERVAL, form="{:.1%}"),
    ]
    return Table(rows=found.windows, columns=columns, is_tall=True)


def loss_table(found: Study) -> Table:
    """Build a row per kind: its rank correlation with held-out loss over runs."""
    columns = [
        Column(
            "rho with held-out loss", partial(found.with_loss, at_equal_n=at_equal_n),
            unit=f"{where}, {INTERVAL}", form="{:+.2f}", missing="too few runs, or all alike",
        )
        for where, at_equal_n in (("at equal N", True), ("over all runs", False))
    ]  # fmt: skip
    return Table(rows=found.kinds, columns=[Column("kind", "label"), *columns])


def compared_table(found: Study) -> Table:
    """Build rows per kind, over all N and at each."""

    def number(name: str, row: Row) -> Value:
        form = row["kind"].signed if name == "apart" else row["kind"].form
        return Column("", name, form=form).cell(row)

    columns = [
        Column("kind", lambda row: row["kind"].label),
        Column("N", lambda row: row["N"] or "all"),
        Column("smallest size", partial(number, "smaller")),
        Column("largest size", partial(number, "larger")),
        Column("difference", partial(number, "apart"), unit=INTERVAL),
        Column("finding", verdict),
    ]
    return Table(rows=found.compared, columns=columns, is_tall=True)


def run_columns() -> list[Column | str]:
    """List the columns of the table of runs, leakage first."""

    def data(run: Mapping[str, Any]) -> Value:
        number = run["cost.train_sequences"]
        return run[SIZE], "not counted" if number is None else f"{number:,.0f}"

    def f1(run: Mapping[str, Any]) -> Value:
        ends = None if run["f1"] is None else (run["f1_low"], run["f1_high"])
        return run["f1"], span(ends, "{:.3f}")

    return [
        Column("run", "run_id", is_code=True),
        Column("size", "model", unit="layers x width"),
        Column("N", data, unit="all sequences |D|"),
        "seed",
        Column("F1", f1, unit=f"at equal errors, {INTERVAL}", form="{:.3f}"),
        *(name for name in GUESSES if name != "f1"),
        "largest_f1", "balanced_accuracy", LOSS, "samples_per_parameter", "parameters",
        "training.steps",
        Column("source", "source"),
        "training.converged",
    ]  # fmt: skip
