"""Findings of the report on random labels in words."""

from rote.analysis.elements import extent
from rote.analysis.published_random_labels import SOURCE
from rote.analysis.reports.random_labels.study import FIT_SHARE, FITTED_SHARE, Point, Study

CAPTIONS = {
    "fit": (
        "Left: the first step of the training curve whose loss is below "
        f"{FIT_SHARE:.0%} of what a guess costs, geometric means; seeds that never got there are "
        "not in them. "
        "Right: labels told right, of the training set (filled) and of held-out sequences, whose "
        "labels are true (hollow). Dotted: a guess. Bars, 95 %: Student's t over seeds, of the "
        "logarithms of steps; "
        "for shares too, and Clopper and Pearson's interval over all labels if it is wider. Where "
        "inputs are random no rule tells any label: they stand at 1."
    ),
    "bits": (
        "Entropy of the training labels that no rule tells, less their code length under the "
        "model: log2 C for each label that was drawn. On the dotted line all of it is stored; a "
        "model that takes a drawn label for ruled stores less than nothing. Bars: Student's t "
        "over seeds, 95 %."
    ),
}
PUBLISHED_NOTE = (
    f"{SOURCE}: CIFAR-10, all training labels random. A guess is right in 10 % there; ours has "
    "the number of classes that the setting says."
)


def headlines(found: Study) -> tuple[str, ...]:
    """Lines for the terminal: of each series where most labels are random."""
    return (*(_line(found.of(series)[-1]) for series in found.series), verdict(found))


def _line(point: Point) -> str:
    slower = "" if point.slowdown is None else f" ({point.slowdown.value:.1f} x true labels)"
    return (
        f"{point.series.name}, {point.unruled:.0%} of labels random: train "
        f"{point.train.words('{:.1%}')}, held-out {point.heldout.words('{:.1%}')}; "
        f"{fitted(point)}{slower}; "
        f"{point.memorised_bits.value:,.0f} of {point.entropy_bits:,.0f} bits memorised"
    )


def fitted(point: Point) -> str:
    """When, and how many seeds did."""
    if point.steps is None:
        return "not fitted when its budget ended"
    told = f"fitted after {point.steps.words('{:,.0f}')} steps"
    if point.num_fitted == len(point.run_ids):
        return told
    return f"{told} by {point.num_fitted} of {len(point.run_ids)} seeds"


def verdict(found: Study) -> str:
    """Whether networks of this kind fit random labels and learn nothing by it."""
    noise = [each for each in found.points if each.unruled == 1]
    if not noise:
        return "No run had random labels alone."
    those = [each for each in noise if each.train.ends[0] > FITTED_SHARE]
    told = [each for each in noise if each.heldout.ends[0] > 1 / each.num_classes]
    return (
        f"Random labels are fitted ({FITTED_SHARE:.0%} of them, by the lower end of the interval) "
        f"in {len(those)} of {len(noise)} settings; held-out labels are told better than by a "
        f"guess in {len(told)}"
    )


def fit_title(found: Study) -> str:
    """How much longer random labels take, and of how many runs that is known."""
    noise = [each for each in found.points if each.unruled == 1]
    slow = [each.slowdown for each in noise if each.slowdown]
    if not slow:
        return "Time to fit, and labels told right, against the share of random labels"
    fitting, runs = sum(each.n for each in slow), sum(len(each.run_ids) for each in noise)
    where = f"all {runs} runs" if fitting == runs else f"the {fitting} of {runs} runs that fit them"
    times = _between([each.value for each in slow], "{:.1f}")
    return f"Random labels take {times} times the steps of true ones in {where}"


def bits_title(found: Study) -> str:
    """Of what there was."""
    shares = [
        each.memorised_bits.value / each.entropy_bits
        for each in found.points
        if each.unruled == 1 and each.entropy_bits
    ]
    if not shares:
        return "Bits memorised about labels"
    return f"Of labels that are all random {_between(shares, '{:.0%}')} of the bits are memorised"


def _between(values: list[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def setting(found: Study) -> str:
    """What was trained, for how long."""
    runs = found.runs
    return (
        f"{extent(runs['task.num_sequences'])} sequences of {runs['task.input_length'][0]} "
        f"tokens, {runs['task.num_classes'][0]} classes; models of "
        f"{extent(runs['parameters'])} parameters; {extent(runs['training.steps'])} "
        f"optimiser steps; {runs['seed'].n_unique()} seed(s)."
    )
