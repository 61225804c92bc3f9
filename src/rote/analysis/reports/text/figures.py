"""Draw the figures of the report on text, except double descent."""

from typing import Any

import polars as pl

from rote.analysis.marks import Layer, runs_and_means
from rote.analysis.metrics import METRICS
from rote.analysis.plot import Axis, Plot, means, tidy
from rote.analysis.quantities.convergence import NOT_CONVERGED
from rote.analysis.reports.text import wording
from rote.analysis.reports.text.study import SPLITS, Study

MAX_MARKS = 3000  # marks in a scatter: more only blacken it
LAST_LINEAR_BITS = 1.0  # below, the axis of mem_U is linear, so that it shows 0
SEQUENCES, SUM = METRICS["task.num_sequences"], METRICS["max_code_bits"]
SAMPLE_BITS, LOSS = METRICS["mean_max_code_bits"], METRICS["heldout_bits_per_token"]
SIZES = Axis(label=SEQUENCES.label, is_log=True)


def unintended(found: Study) -> Plot:
    """Plot the sum of mem_U over N with capacities, a panel per reference, a colour per series."""
    size, bits, mixture = SEQUENCES.name, SUM.name, "mixture_code_bits"
    runs = found.pairs.filter(pl.col(bits) > 0).with_columns(
        is_unconverged=~pl.col("training.converged"),
        panel=pl.format("reference: {}", "reference"),
    )
    keys = ["panel", "series", size]
    runs = runs.sort(size)
    mixtures = runs.group_by(keys, maintain_order=True).agg(pl.col(mixture).mean())
    return Plot(
        name="unintended", title=wording.unintended(found), caption=wording.CAPTIONS["unintended"],
        panel="panel", x=SIZES, y=Axis(label=SUM.label, is_log=True), hue_order=found.series,
        layers=[
            *runs_and_means(
                runs, means(runs, bits, by=keys), x=size, y=bits, hue="series",
                hollow="is_unconverged", hollow_label=NOT_CONVERGED,
            ),
            Layer(
                frame=mixtures.filter(pl.col(mixture) > 0), kind="line", x=size, y=mixture,
                hue="series", label="mixture code", look={"linestyle": ":", "linewidth": 1},
            ),
            Layer(
                frame=found.targets.select("series", "capacity_bits").unique(maintain_order=True),
                kind="across", y="capacity_bits", hue="series", label="capacity",
                look={"linestyle": "--", "linewidth": 0.8},
            ),
        ],
    )  # fmt: skip


def extraction(found: Study) -> Plot:
    """Plot the share of sequences extracted over N, train and held-out, a panel per prefix."""
    pooled, single = [], []
    for each in sorted(found.extracted, key=lambda each: each["prefix"]):
        for split, words in SPLITS.items():
            row = {
                "panel": f"prefix of {each['prefix']} tokens", "windows": words,
                "series": each["series"], SEQUENCES.name: each[SEQUENCES.name],
            }  # fmt: skip
            pooled.append(row | {"extracted": each[split]})
            single += [row | {"extracted": rate.value} for rate in each["runs"][split]]
    return Plot(
        name="extraction", title=wording.extraction(found), caption=wording.CAPTIONS["extraction"],
        panel="panel", x=SIZES, y=Axis(label="extracted", form="share", low=-0.03, high=1.03),
        hue_order=found.series,
        layers=runs_and_means(
            tidy(single), tidy(pooled), x=SEQUENCES.name, y="extracted", hue="series",
            style="windows",
        ),
    )  # fmt: skip


def covariates(found: Study) -> Plot:
    """Plot the rank correlation of every covariate with mem_U."""
    names, number = wording.COVARIATE_NAMES, len(found.remembered)
    num_series = len({each.series for each in found.remembered})  # of which the first are fullest
    rows = [
        {
            "place": place + 0.6 * (index / max(1, number - 1) - 0.5), "series": each.series,
            "rho": each.correlations[name], "has_most_data": index >= num_series,
        }
        for index, each in enumerate(found.remembered)
        for place, name in enumerate(names)
        if each.correlations[name] is not None
    ]  # fmt: skip

    return Plot(
        name="covariates", title=wording.covariates(found), caption=wording.CAPTIONS["covariates"],
        x=Axis(label="Spearman's rho with mem_U", low=-1, high=1), hue_order=found.series,
        y=Axis.of_rows([*names.values()]),
        empty="too few memorised samples to correlate",
        layers=[
            Layer(frame=pl.DataFrame({"rho": [0.0]}), kind="upright", x="rho"),
            Layer(
                frame=tidy(rows), x="rho", y="place", hue="series",
                hollow="has_most_data", hollow_label="run with the most data",
            ),
        ],
    )  # fmt: skip


def tf_idf(found: Study) -> Plot:
    """Plot mem_U over TF-IDF in one run of the largest model."""
    each = found.remembered[-1]
    samples = {"tf_idf": each.covariates["tf_idf"], "bits": each.mem_u_bits}
    frame = pl.DataFrame({name: values[:MAX_MARKS] for name, values in samples.items()})
    return Plot(
        name="tf_idf", title=f"mem_U against TF-IDF of the samples of {each.name}",
        caption=wording.CAPTIONS["tf_idf"], x=Axis(label="TF-IDF (nats a word)"),
        y=Axis(label="mem_U (bits)", form="count", linear_below=LAST_LINEAR_BITS, low=0),
        empty="nothing memorised", hue_order=found.series,
        layers=[
            Layer(
                frame=frame.with_columns(series=pl.lit(each.series)), x="tf_idf", y="bits",
                hue="series", look={"markersize": 2.5, "alpha": 0.4, "rasterized": True},
            ),
        ],
    )  # fmt: skip


def oracle_quality(found: Study) -> Plot:
    """Plot the mean mem_U of a run over the held-out loss of each possible reference."""
    marks = [each | {"is_inside": each["pool"] == "train"} for each in found.qualities]
    outside = tidy(each for each in marks if not each["is_inside"])
    axes: dict[str, Any] = {"x": "loss", "y": "mean_bits", "hue": "series"}
    return Plot(
        name="oracle_quality", title=wording.quality(found),
        caption=wording.CAPTIONS["oracle_quality"], hue_order=found.series,
        x=Axis(label=f"{LOSS.title} of the reference ({LOSS.unit})"),
        y=Axis(label=SAMPLE_BITS.label),
        empty="no reference scored samples that it never trained on",
        layers=[
            Layer(frame=outside, kind="line", **axes),
            Layer(
                frame=tidy(marks), hollow="is_inside",
                hollow_label="reference on the train pool, samples beyond its data", **axes,
            ),
        ],
    )  # fmt: skip
