"""Define every number of a run that pages, tables, charts and dashboards show.

Only this module defines its name, its unit, its format and its derivation from stored sums.
"""

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass

import polars as pl

from rote.analysis import derived

SHARES = {
    "accuracy": "answered right",
    "extracted": "extracted, tokens given",
    "near_extracted": "extracted within a distance, tokens given",
    "near_drawn": "probability of a sample within a distance, at least",
    "longest_match": "longest match with the rest, tokens given",
}

Derive = Callable[[pl.DataFrame], pl.Expr | None]  # None if the table lacks the columns


@dataclass(frozen=True)
class Metric:
    """A column of the table of runs."""

    name: str
    title: str
    unit: str = ""
    form: str = "{:,}"  # as in ``"{:.3f}"``
    # None: stored, or derived by code that reads arrays.
    expression: pl.Expr | Derive | None = None
    _: KW_ONLY
    is_main: bool = False  # shown by default
    is_compared: bool = False  # compared by `rote compare`

    @property
    def label(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def signed(self) -> str:
        """The format of a difference."""
        return self.form.replace("{:z", "{:").replace("{:", "{:+")

    def amount(self, value: float) -> str:
        """Format the value with its unit."""
        return f"{self.form.format(value)} {self.unit}".strip()

    def of(self, table: pl.DataFrame) -> pl.Expr | None:
        """Return the expression that derives it; None if the table lacks what it needs."""
        made = self.expression(table) if callable(self.expression) else self.expression
        if made is None or not set(made.meta.root_names()) <= set(table.columns):
            return None
        return made.alias(self.name)


def derive(table: pl.DataFrame, names: Iterable[str] | None = None) -> pl.DataFrame:
    """Return the table with these columns, or all, as far as its stored sums allow.

    If all are derived, shares are added too: of the items of a split and group, those that greedy
    decoding answers right (``accuracy.train_add``), and of the sequences of a split, those that it
    continues from so many tokens (``extracted.train_16``), exactly or within a distance
    (``near_extracted.train_edit_5_16``); null if a run has none.
    """
    wanted = METRICS.values() if names is None else [METRICS[name] for name in names]
    made = [each.of(table) for each in wanted if each.name not in table.columns]
    shares = [] if names is not None else derived.shares(table)
    return table.with_columns(*(each for each in made if each is not None), *shares)


def metric_of(column: str) -> Metric:
    """Return the metric of any column; a column that is no metric is named by its last word."""
    family, _, rest = column.partition(".")
    if column not in METRICS and family in SHARES:
        words = rest.replace("_", " ").replace("heldout", "held-out")
        return Metric(column, f"{SHARES[family]}: {words}", form="{:.1%}")
    title = column.removesuffix("._target_").rpartition(".")[2].replace("_", " ")
    return METRICS.get(column) or Metric(column, title)


def title_of(column: str) -> str:
    """Return the title with its unit; a column that is no metric is named by its last word."""
    return metric_of(column).label


_ALL = (
    Metric("shape", "layers x width", expression=derived.shape()),
    Metric("model", "model", "layers x width, heads", expression=derived.model),
    Metric("name", "run", expression=derived.names),
    Metric("parameters", "parameters"),
    Metric("seed", "seed"),
    Metric("task.num_sequences", "sequences"),
    Metric("task.base.num_sequences", "sequences"),
    Metric("task.length", "sequence length", "tokens"),
    Metric("task.vocab_size", "vocabulary", "symbols"),
    Metric("task.random_fraction", "share of random labels", form="{:.0%}"),
    Metric("size.num_layers", "layers"),
    Metric("size.width", "width"),
    Metric("size.num_heads", "heads"),
    Metric("optim.optimiser.lr", "learning rate", form="{:.3g}"),
    Metric("optim.optimiser.weight_decay", "weight decay", form="{:.3g}"),
    Metric("budget.batch_size", "batch", "sequences"),
    Metric("precision.name", "format"),
    Metric("entropy_bits", "entropy of the training data", "bits", "{:,.0f}"),
    Metric("step", "step"),
    Metric("tokens", "tokens seen", form="{:,.0f}"),
    Metric("epochs", "epochs", form="{:.3g}"),
    Metric("loss_bits_per_token", "training loss", "bits per token", "{:.3f}"),
    Metric("below_uniform_bits", "below a uniform guesser", "bits", "{:,.0f}"),
    Metric("training.growth_bits_per_1000_steps", "growth", "bits per 1,000 steps", "{:,.1f}"),
    Metric(
        "training.finish.memorised_bits_before", "memorised before the finish", "bits", "{:,.0f}",
    ),
    Metric("training.finish.evaluations", "evaluations of the finish"),
    Metric("memorised_bits", "memorised", "bits", "{:,.0f}", derived.memorised(), is_main=True),
    # The metric above scores all S tokens. Without the first, 64 tokens of 2,048 symbols hold 693
    # bits and not 704.
    Metric(
        "memorised_bits_after_first_token", "memorised, first token left out", "bits", "{:,.0f}",
        pl.col("entropy_after_first_token_bits")
        - (pl.col("cost.train_code_bits") - pl.col("cost.train_first_token_code_bits")),
    ),
    Metric("ceiling_bits", "can be memorised", "bits", "{:,.0f}", derived.ceiling_bits),
    Metric(
        "bits_per_parameter", "memorised", "bits per parameter", "{:.3f}",
        derived.memorised() / pl.col("parameters"), is_main=True, is_compared=True,
    ),
    Metric(
        "stored_bits_per_parameter", "stored", "bits per parameter", "{:.2f}",
        lambda table: derived.stored_bits(table) / pl.col("parameters"),
    ),
    Metric(
        "bits_memorised_per_bit_stored", "memorised per bit stored", form="{:.3f}",
        expression=lambda table: derived.memorised() / derived.stored_bits(table),
    ),
    Metric(
        "bits_per_active_parameter", "memorised", "bits per active parameter", "{:.3f}",
        derived.memorised() / pl.col("training.active_parameters"),
    ),
    Metric(
        "bits_per_forward_flop", "memorised", "bits per forward FLOP of a token", "{:.3f}",
        derived.memorised() / pl.col("training.forward_flops_per_token"),
    ),
    Metric("capacity_bits_per_parameter", "capacity", "bits per parameter", "{:.2f}"),
    Metric(
        "data_bits_per_parameter", "training data", "bits per parameter", "{:.2f}",
        pl.col("entropy_bits") / pl.col("parameters"),
    ),
    Metric(
        "train_bits_per_token", "training loss", "bits per token", "{:.3f}",
        pl.col("cost.train_code_bits") / pl.col("cost.train_tokens"), is_main=True,
        is_compared=True,
    ),
    Metric(
        "heldout_bits_per_token", "held-out loss", "bits per token", "{:.3f}",
        pl.col("cost.heldout_code_bits") / pl.col("cost.heldout_tokens"), is_main=True,
        is_compared=True,
    ),
    Metric(
        "memorised_bits_per_sequence", "memorised of a sequence", "bits", "{:.2f}",
        derived.memorised() * pl.col("task.length") / pl.col("cost.train_tokens"), is_compared=True,
    ),
    Metric("unique_tokens", "distinct tokens", form="{:,.0f}"),
    Metric("is_stopped", "stopped early"),
    Metric("steps", "optimiser steps", form="{:,.0f}"),
    Metric("batch_tokens", "tokens a step", form="{:,.0f}"),
    Metric("flops", "FLOPs of training", form="{:.2e}"),
    Metric("samples", "training sequences", form="{:,.0f}"),
    Metric("data_bits", "training data", "bits", "{:,.0f}"),
    Metric("data_per_capacity", "data over capacity", form="{:.3f}"),
    Metric("knowledge_bits", "knowledge", "bits", "{:,.0f}", derived.knowledge_bits),
    Metric(
        "knowledge_bits_per_parameter", "knowledge", "bits per parameter", "{:.3f}",
        derived.knowledge_bits_per_parameter,
    ),
    Metric("steps_to_fit", "steps to fit", form="{:,.0f}"),
    Metric("unruled", "random labels", "share of the training set", "{:.0%}"),
    Metric("label_entropy_bits", "entropy of the labels that no rule gives", "bits", "{:,.0f}"),
    Metric("given_bits", "all there was to know", "bits", "{:,.0f}"),
    Metric("max_code_bits", "sum of mem_U", "bits", "{:,.0f}"),
    Metric("mean_max_code_bits", "mem_U of a sample", "bits", "{:.2f}"),
    Metric("samples_per_parameter", "|D| / P", form="{:#.3g}"),
    Metric("f1", "membership F1", form="{:.3f}", is_compared=True),
    Metric("largest_f1", "largest F1", form="{:.3f}"),
    Metric("balanced_accuracy", "balanced accuracy", form="{:.3f}"),
    Metric("auroc", "AUROC", form="{:.3f}"),
    Metric(
        "nonmembers_excluded", "non-members excluded where 1 % of members are missed",
        form="{:.1%}",
    ),
    Metric("exposure_bits", "exposure of inserted canaries", "bits", "{:.2f}", is_compared=True),
    Metric("exposure_most_bits", "largest exposure measurable", "bits", "{:.2f}"),
    Metric("suffix_token_p", "probability of a suffix token", form="{:.3f}"),
    Metric("repeats", "occurrences of a sequence", "in the training set"),
    Metric("p_z", "p_z", "of one sample", "{:.2g}"),
    Metric("extracted_share", "share of the most repeated canaries extracted", form="{:.0%}"),
    Metric("acquired_bits", "memorised when last shown", "bits of a sequence", "{:.1f}"),
    Metric("retained_bits", "memorised at the last look", "bits of a sequence", "{:.1f}"),
    Metric("retained_share", "retained", "share of the bits", "{:.0%}"),
    Metric("half_life_steps", "half-life", "optimiser steps", "{:,.0f}"),
    Metric("drawn_right", "share of random labels answered right", form="{:.0%}"),
    Metric("canaries_extracted", "inserted canaries extracted", form="{:.1%}", is_compared=True),
    Metric("windows_excess", "windows extracted, less held-out", form="{:.1%}", is_compared=True),
    Metric("training.steps", "optimiser steps", form="{:,.0f}", is_main=True, is_compared=True),
    Metric("training.tokens_seen", "tokens seen", form="{:,.0f}"),
    Metric("training.converged", "converged", is_main=True),
    Metric(
        "train_tokens_per_second", "speed", "tokens per second", "{:,.0f}",
        derived.tokens_per_second(), is_compared=True,
    ),
    Metric(
        "train_flops_per_second", "speed", "FLOP per second", "{:.3g}", derived.flops_per_second,
    ),
    Metric("mfu", "MFU, share of the bf16 peak", form="{:.1%}", expression=derived.mfu),
    Metric(
        "format_peak_share", "share of its format's peak, without attention", form="{:.1%}",
        expression=derived.format_peak_share,
    ),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}
