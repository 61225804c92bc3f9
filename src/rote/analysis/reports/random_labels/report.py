"""The report on random labels: time to fit, answers that are right, and bits memorised.

Zhang et al. 2016 (arXiv 1611.03530) claim that networks fit random labels, and then tell nothing
of new inputs.
"""

from collections.abc import Sequence

import polars as pl

from rote.analysis.content import Card, Content, Section, Text
from rote.analysis.drawing import GREY
from rote.analysis.estimate import Estimate
from rote.analysis.marks import Layer, runs_and_means
from rote.analysis.metrics import METRICS
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.reports.random_labels.study import FIT_SHARE, SPLITS, Point, study
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE
from rote.analysis.table import Column, Table
from rote.analysis.typeset import between, extent, plural

FITTED_SHARE = 0.95  # of training labels right: random ones are said to be fitted above it
STEPS, RANDOM = METRICS["steps_to_fit"], METRICS["unruled"]
BITS, ENTROPY = METRICS["memorised_bits"], METRICS["label_entropy_bits"]
ASIDE = 0.012  # series of one share of random labels stand so far apart
SHARE = Axis(label=RANDOM.label, form="share", low=-0.06, high=1.06)
DOTTED = {"color": GREY, "linestyle": ":", "linewidth": 1}
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
    """Raises ValueError where no run on random labels measured exact matches."""
    runs, points = study(results)
    noise = [each for each in points if each.unruled == 1]
    most = {each.series: each for each in points}  # points go by share: the last is the largest
    return Content(
        headlines=(*map(_line, most.values()), f"{verdict(noise)}."),
        setting=f"{extent(runs['task.num_sequences'])} sequences of {runs['task.input_length'][0]} "
        f"tokens, {runs['task.num_classes'][0]} classes; models of {extent(runs['parameters'])} "
        f"parameters; {extent(runs['training.steps'])} optimiser steps; "
        f"{plural(runs['seed'].n_unique(), 'seed')}.",
        cards=tuple(map(_card, noise)),
        lead=_fit(runs, points),
        sections=(
            Section(
                "Time to fit, and labels answered right",
                [_shares(runs, points), _table(points), Text(NOTE, is_html=True)],
            ),
            Section("Bits memorised about labels", [_bits(runs, points)]),
            Section("Beside the published table", [_published(noise), Text(PUBLISHED_NOTE)]),
        ),
        numbers={each.key: each.numbers for each in points},
        table=runs.drop("series"),
    )


def _fit(runs: pl.DataFrame, points: Sequence[Point]) -> Plot:
    means = [
        {"series": each.series, "unruled": each.unruled, "steps_to_fit": each.steps}
        for each in points
        if each.steps
    ]
    return Plot(
        name="fit", title=fit_title([each for each in points if each.unruled == 1]),
        caption=FIT_CAPTION, x=SHARE, aside=ASIDE, y=Axis(label=STEPS.label, is_log=True),
        layers=runs_and_means(
            runs.drop_nulls("steps_to_fit"), tidy(means), x="unruled", y="steps_to_fit",
            hue="series",
        ),
        empty="no run fitted its labels", hue_order=list(dict.fromkeys(runs["series"])),
    )  # fmt: skip


def _shares(runs: pl.DataFrame, points: Sequence[Point]) -> Plot:
    means = [
        {"series": each.series, "unruled": each.unruled, "labels": label, "right": of}
        for each in points
        for label, of in zip(SPLITS.values(), (each.train, each.heldout), strict=True)
    ]
    single = pl.concat(
        runs.select("series", "unruled", right=pl.col(f"{split}_right") / pl.col(f"{split}_tried"),
                    labels=pl.lit(label))
        for split, label in SPLITS.items()
    )  # fmt: skip
    guesses = pl.DataFrame({"right": sorted({each.guess for each in points})})
    return Plot(
        name="shares", title=verdict([each for each in points if each.unruled == 1]),
        caption=SHARES_CAPTION, x=SHARE, aside=ASIDE,
        y=Axis(label="labels answered right", form="share", low=-0.03, high=1.03),
        layers=[
            Layer(frame=guesses, kind="across", y="right", label="a guess", look=DOTTED),
            *runs_and_means(
                single, tidy(means), x="unruled", y="right", hue="series", style="labels"
            ),
        ],
    )  # fmt: skip


def _bits(runs: pl.DataFrame, points: Sequence[Point]) -> Plot:
    means = [
        {"series": each.series, ENTROPY.name: each.entropy_bits, BITS.name: each.memorised_bits}
        for each in points
    ]
    most = max(each.entropy_bits for each in points)
    all_of_it = pl.DataFrame({ENTROPY.name: [0.0, most], BITS.name: [0.0, most]})
    axes = {"x": ENTROPY.name, "y": BITS.name}
    return Plot(
        name="bits", title=bits_title([each for each in points if each.unruled == 1]),
        caption=BITS_CAPTION, x=Axis(label=ENTROPY.label, form="count"),
        y=Axis(label=BITS.label, form="count"),
        layers=[
            Layer(frame=all_of_it, kind="line", label="all that there is", look=DOTTED, **axes),
            *runs_and_means(runs, tidy(means), hue="series", **axes),
        ],
    )  # fmt: skip


def _table(points: Sequence[Point]) -> Table:
    def stored(each: Point) -> tuple[float | None, str]:
        share = each.memorised_bits.value / each.entropy_bits if each.entropy_bits else None
        return share, f"{each.entropy_bits:,.0f}"

    interval, share = "95 % interval", "{:.1%}"
    return Table(
        rows=points,
        is_tall=True,
        columns=[
            Column("series", "series"),
            Column("random labels", "unruled", form="{:.0%}"),
            Column(
                title=STEPS.title,
                unit=f"geometric mean, {interval}",
                form=STEPS.form,
                value="steps",
                missing="none fitted",
            ),
            Column(
                "seeds that fitted",
                lambda each: (each.num_fitted, f"{each.runs.height}"),
                unit="of all",
            ),
            Column(
                "times true labels'", "slowdown", unit=interval, form="{:.2f}", missing="not known"
            ),
            Column("train", "train", unit=interval, form=share),
            Column("held-out", "heldout", unit=interval, form=share),
            Column("random labels right", "drawn", unit=interval, form=share, missing="none"),
            Column(title="bits memorised", unit=interval, form=BITS.form, value="memorised_bits"),
            Column("of entropy", stored, unit="bits", form="{:.0%}", missing="none"),
        ],
    )


def _published(noise: Sequence[Point]) -> Table:
    """Published networks, then ours where all labels are random."""
    rows = [(network, f"{train:g} %", f"{test:g} %") for network, train, test in PUBLISHED_FITS]
    rows += [(f"ours: {each.series}", each.train, each.heldout) for each in noise]
    columns = [
        Column(title=title, form="{:.1%}", value=lambda row, place=place: row[place])
        for place, title in enumerate(("network", "train", "held-out"))
    ]
    return Table(columns=columns, rows=rows)


def _card(point: Point) -> Card:
    is_guess = point.train.ends[0] <= point.guess
    lines = [
        f"held-out: {point.heldout.words('{:.1%}')}",
        f"{point.memorised_bits.words('{:,.0f}')} of {point.entropy_bits:,.0f} bits memorised",
        f"its interval holds a guess ({point.guess:.0%})" if is_guess else fitted(point),
    ]
    return Card(
        title=point.series,
        meaning="training labels answered right, all of them random",
        value=f"{point.train.value:.1%}",
        lines=[Text(line) for line in lines],
    )


def _line(point: Point) -> str:
    slower = "" if point.slowdown is None else f" ({point.slowdown.value:.1f} x true labels)"
    return (
        f"{point.series}, {point.unruled:.0%} of labels random: train "
        f"{point.train.words('{:.1%}')}, held-out {point.heldout.words('{:.1%}')}; "
        f"{fitted(point)}{slower}; "
        f"{point.memorised_bits.value:,.0f} of {point.entropy_bits:,.0f} bits memorised"
    )


def fitted(point: Point) -> str:
    """When, and how many seeds did."""
    if point.steps is None:
        return "not fitted when its budget ended"
    steps = f"fitted after {point.steps.words('{:,.0f}')} steps"
    if point.num_fitted == point.runs.height:
        return steps
    return f"{steps} by {point.num_fitted} of {plural(point.runs.height, 'seed')}"


def verdict(noise: Sequence[Point]) -> str:
    """Whether networks of this kind fit random labels and learn nothing by it."""
    if not noise:
        return "No run had random labels alone"
    those = [each for each in noise if each.train.ends[0] > FITTED_SHARE]
    better = [each for each in noise if each.heldout.ends[0] > each.guess]
    return (
        f"Random labels are fitted ({FITTED_SHARE:.0%} of them, by the lower end of the interval) "
        f"in {len(those)} of {plural(len(noise), 'setting')}; held-out labels are answered better "
        f"than by a guess in {len(better)}"
    )


def fit_title(noise: Sequence[Point]) -> str:
    """How much longer random labels take, and of how many runs that is known."""
    slow = [each.slowdown for each in noise if each.slowdown]
    if not slow:
        return "Steps to fit against the share of random labels"
    times = between([each.value for each in slow], "{:.1f}")
    if not all(_differs(each, 1) for each in slow):
        return (
            f"Random labels take {times} times the steps of true ones; seeds leave in doubt "
            "whether that is a difference"
        )
    fitting, runs = sum(each.n for each in slow), sum(each.runs.height for each in noise)
    where = f"all {runs} runs" if fitting == runs else f"the {fitting} of {runs} runs that fit them"
    return f"Random labels take {times} times the steps of true ones in {where}"


def bits_title(noise: Sequence[Point]) -> str:
    """Of what there was."""
    known = [each for each in noise if each.entropy_bits]
    if not known:
        return "Bits memorised about labels"
    shares = [each.memorised_bits.value / each.entropy_bits for each in known]
    found = f"Of labels that are all random {between(shares, '{:.0%}')} of the bits are memorised"
    doubtful = sum(not _differs(each.memorised_bits, 0) for each in known)
    return f"{found}; seeds leave {doubtful} of {len(known)} in doubt" if doubtful else found


def _differs(estimate: Estimate, level: float) -> bool:
    """By the interval; several runs that are equal have none and leave no doubt."""
    is_equal = estimate.n > 1 and estimate.interval is None
    return estimate.excludes(level) or (is_equal and estimate.value != level)
