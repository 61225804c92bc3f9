"""Make the report on random labels: time to fit, right answers, and bits memorised.

Zhang et al. 2016 (arXiv 1611.03530) claim that networks fit random labels, and are then right on
new inputs no more often than a guess.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from rote.analysis.estimate import Estimate, between, extent, models_words, plural, seeds_words
from rote.analysis.figures import DOTTED
from rote.analysis.marks import Layer, runs_and_means
from rote.analysis.metrics import METRICS
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.reports.random_labels.study import FIT_SHARE, SPLITS, study
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE
from rote.analysis.table import INTERVAL, Column, Row, Table

FITTED_SHARE = 0.95  # share of training labels right: above, random ones count as fitted
STEPS, RANDOM = METRICS["steps_to_fit"], METRICS["unruled"]
BITS, ENTROPY = METRICS["memorised_bits"], METRICS["label_entropy_bits"]
ASIDE = 0.012  # distance between series of one share of random labels
SHARE = Axis(label=RANDOM.label, form="share", low=-0.06, high=1.06)
SOURCE = "Zhang et al. 2016, arXiv 1611.03530"
# Network; training and test labels right, per cent.
PUBLISHED_FITS = (
    ("Inception", 100.0, 9.78), ("AlexNet", 99.82, 9.86), ("MLP 3x512", 100.0, 10.48),
    ("MLP 1x512", 99.34, 10.61),
)  # fmt: skip
PUBLISHED_NOTE = (
    f"{SOURCE}: CIFAR-10, all training labels random. A guess is right in 10 % there; ours has "
    "the number of classes that the setting says."
)
FIT_CAPTION = (
    f"The first step of the training curve whose loss is below {FIT_SHARE:.0%} of what a guess "
    "costs. Large marks are geometric means over the seeds that got there, small ones single runs. "
    "Bars are 95 % intervals, Student's t over seeds, of the logarithms of steps. Where inputs are "
    "random no rule gives any label: they stand at 100 %."
)
SHARES_CAPTION = (
    "Labels answered right, of the training set and of held-out sequences, whose labels are true. "
    "Large marks are means over seeds, small ones single runs. Bars are 95 % intervals: Student's "
    "t over seeds, and Clopper and Pearson's interval over all labels if it is wider."
)
BITS_CAPTION = (
    "Entropy of the training labels that no rule gives, less their code length under the model: "
    "log2 C for each label that was drawn. On the dotted line all of it is stored; a model that "
    "takes a drawn label for ruled stores less than nothing. Large marks are means over seeds, "
    "small ones single runs. Bars are 95 % intervals, Student's t over seeds."
)


def make(results: Results) -> Content:
    """Make it; raises ValueError if no run on random labels measured exact matches."""
    runs, rows = study(results)
    noise = [each for each in rows if each["unruled"] == 1]
    most = {each["series"]: each for each in rows}  # rows rise by share: the last is the largest
    return Content(
        headlines=(*map(_line, most.values()), f"{verdict(noise)}."),
        setting=f"{extent(runs['task.num_sequences'])} sequences of "
        f"{extent(runs['task.input_length'])} tokens, {extent(runs['task.num_classes'])} classes; "
        f"{models_words(runs)}; {seeds_words(runs)}.",
        cards=tuple(map(_card, noise)),
        lead=_fit(runs, rows, noise),
        sections=(
            Section(
                "Time to fit, and labels answered right",
                [_shares(runs, rows, noise), _table(rows), Text(NOTE, is_html=True)],
            ),
            Section("Bits memorised about labels", [_bits(runs, rows, noise)]),
            Section("Beside the published table", [_published(noise), Text(PUBLISHED_NOTE)]),
        ),
        numbers={each["name"]: _numbers(each) for each in rows},
        table=runs.drop("series"),
    )


def _fit(runs: pl.DataFrame, rows: Sequence[Row], noise: Sequence[Row]) -> Plot:
    return Plot(
        name="fit", title=fit_title(noise), caption=FIT_CAPTION, x=SHARE, aside=ASIDE,
        y=Axis(label=STEPS.label, is_log=True), empty="no run fitted its labels",
        hue_order=list(dict.fromkeys(runs["series"])),
        layers=runs_and_means(
            *(frame.drop_nulls(STEPS.name) for frame in (runs, tidy(rows))),
            x="unruled", y=STEPS.name, hue="series",
        ),
    )  # fmt: skip


def _shares(runs: pl.DataFrame, rows: Sequence[Row], noise: Sequence[Row]) -> Plot:
    means = [
        each | {"labels": label, "right": each[split]}
        for each in rows
        for split, label in SPLITS.items()
    ]
    single = pl.concat(
        runs.select(
            "series", "unruled", labels=pl.lit(label),
            right=pl.col(f"{split}_right") / pl.col(f"{split}_tried"),
        )
        for split, label in SPLITS.items()
    )  # fmt: skip
    guesses = pl.DataFrame({"right": sorted({each["guess"] for each in rows})})
    axes: dict[str, Any] = {"x": "unruled", "y": "right", "hue": "series", "style": "labels"}
    return Plot(
        name="shares", title=verdict(noise), caption=SHARES_CAPTION, x=SHARE, aside=ASIDE,
        y=Axis(label="labels answered right", form="share", low=-0.03, high=1.03),
        layers=[
            Layer(frame=guesses, kind="across", y="right", label="a guess", look=DOTTED),
            *runs_and_means(single, tidy(means), **axes),
        ],
    )  # fmt: skip


def _bits(runs: pl.DataFrame, rows: Sequence[Row], noise: Sequence[Row]) -> Plot:
    means = tidy(rows)
    ends = [0.0, means[ENTROPY.name].max()]
    axes: dict[str, Any] = {"x": ENTROPY.name, "y": BITS.name}
    all_of_it = Layer(
        frame=pl.DataFrame(dict.fromkeys(axes.values(), ends)), kind="line",
        label="all that there is", look=DOTTED, **axes,
    )  # fmt: skip
    return Plot(
        name="bits", title=bits_title(noise), caption=BITS_CAPTION,
        x=Axis(label=ENTROPY.label, form="count"), y=Axis(label=BITS.label, form="count"),
        layers=[all_of_it, *runs_and_means(runs, means, hue="series", **axes)],
    )  # fmt: skip


def _table(rows: Sequence[Row]) -> Table:
    share = "{:.1%}"
    columns = [
        Column("series", "series"),
        Column("random labels", "unruled", form="{:.0%}"),
        Column(STEPS.title, STEPS.name, form=STEPS.form, missing="none fitted",
               unit=f"geometric mean, {INTERVAL}"),
        Column("seeds that fitted", lambda row: (row["num_fitted"], str(row["num_runs"])),
               unit="of all"),
        Column("times true labels'", "slowdown", unit=INTERVAL, form="{:.2f}", missing="not known"),
        Column("train", "train", unit=INTERVAL, form=share),
        Column("held-out", "heldout", unit=INTERVAL, form=share),
        Column("random labels right", "drawn", unit=INTERVAL, form=share, missing="none"),
        Column("bits memorised", BITS.name, unit=INTERVAL, form=BITS.form),
        Column("of entropy", lambda row: (row["stored"], f"{row[ENTROPY.name]:,.0f}"),
               unit="bits", form="{:.0%}", missing="none"),
    ]  # fmt: skip
    return Table(columns=columns, rows=rows, is_tall=True)


def _published(noise: Sequence[Row]) -> Table:
    """List published networks, then ours for which all labels are random."""
    rows: list[Row] = [
        {"network": network, "train": f"{train:g} %", "heldout": f"{test:g} %"}
        for network, train, test in PUBLISHED_FITS
    ]
    rows += [each | {"network": f"ours: {each['series']}"} for each in noise]
    titles = {"network": "network", "train": "train", "heldout": "held-out"}
    columns = [Column(title, name, form="{:.1%}") for name, title in titles.items()]
    return Table(columns=columns, rows=rows)


def _numbers(row: Row) -> dict[str, Any]:
    return {
        **{name: row[name].value for name in ("train", "heldout", BITS.name)},
        **{f"{name}_interval": row[name].interval for name in ("train", "heldout")},
        STEPS.name: row[STEPS.name] and row[STEPS.name].value,
        "entropy_bits": row[ENTROPY.name],
        "runs": row["runs"],
    }


def _card(row: Row) -> Card:
    is_guess = row["train"].ends[0] <= row["guess"]
    bits = f"{row[BITS.name].words(BITS.form)} of {row[ENTROPY.name]:,.0f} bits memorised"
    lines = [
        f"held-out: {row['heldout'].words('{:.1%}')}",
        bits,
        f"its interval holds a guess ({row['guess']:.0%})" if is_guess else fitted(row),
    ]
    return Card(
        title=row["series"],
        meaning="training labels answered right, all of them random",
        value=f"{row['train'].value:.1%}",
        lines=[Text(line) for line in lines],
    )


def _line(row: Row) -> str:
    slower = f" ({row['slowdown'].value:.1f} x true labels)" if row["slowdown"] else ""
    return (
        f"{row['series']}, {row['unruled']:.0%} of labels random: train "
        f"{row['train'].words('{:.1%}')}, held-out {row['heldout'].words('{:.1%}')}; "
        f"{fitted(row)}{slower}; "
        f"{row[BITS.name].value:,.0f} of {row[ENTROPY.name]:,.0f} bits memorised"
    )


def fitted(row: Row) -> str:
    """State when labels were fitted, and by how many seeds."""
    if row[STEPS.name] is None:
        return "not fitted when its budget ended"
    steps = f"fitted after {row[STEPS.name].words(STEPS.form)} steps"
    seeds = f" by {row['num_fitted']} of {plural(row['num_runs'], 'seed')}"
    return steps if row["num_fitted"] == row["num_runs"] else steps + seeds


def verdict(noise: Sequence[Row]) -> str:
    """State whether networks of this kind fit random labels and learn nothing by it."""
    if not noise:
        return "No run had random labels alone"
    those = sum(each["train"].ends[0] > FITTED_SHARE for each in noise)
    better = sum(each["heldout"].ends[0] > each["guess"] for each in noise)
    return (
        f"Random labels are fitted ({FITTED_SHARE:.0%} of them, by the lower end of the interval) "
        f"in {those} of {plural(len(noise), 'setting')}; held-out labels are answered better "
        f"than by a guess in {better}"
    )


def fit_title(noise: Sequence[Row]) -> str:
    """State how much longer random labels take, and for how many runs that is known."""
    slow = [each["slowdown"] for each in noise if each["slowdown"]]
    if not slow:
        return "Steps to fit against the share of random labels"
    times = between([each.value for each in slow], "{:.1f}")
    found = f"Random labels take {times} times the steps of true ones"
    if not all(_differs(each, 1) for each in slow):
        return f"{found}; seeds leave in doubt whether that is a difference"
    fitting, runs = sum(each.n for each in slow), sum(each["num_runs"] for each in noise)
    if fitting == runs:
        return f"{found} in all {runs} runs"
    return f"{found} in the {fitting} of {runs} runs that fit them"


def bits_title(noise: Sequence[Row]) -> str:
    """State the share of label bits that is memorised."""
    known = [each for each in noise if each["stored"] is not None]
    if not known:
        return "Bits memorised about labels"
    shares = between((each["stored"] for each in known), "{:.0%}")
    found = f"Of labels that are all random {shares} of the bits are memorised"
    doubtful = sum(not _differs(each[BITS.name], 0) for each in known)
    return f"{found}; seeds leave {doubtful} of {len(known)} in doubt" if doubtful else found


def _differs(estimate: Estimate, level: float) -> bool:
    """Judge by the interval; several equal runs have none and leave no doubt."""
    is_equal = estimate.n > 1 and estimate.interval is None
    return estimate.excludes(level) or (is_equal and estimate.value != level)
