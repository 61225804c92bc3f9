"""Every number of a run that pages, tables, charts and dashboards show.

What it is called, its unit, how it is written and how it is derived from stored sums is said here
and nowhere else.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

# Kaplan et al. 2020, section 2.1; attention scores left out.
FLOPS_PER_PARAMETER_AND_TOKEN = 6.0
# Dense matrix products a second of tensor cores without sparsity, from NVIDIA's data sheets:
# A100 (2021), H100 (2023) and H200 (2024), by a pattern of torch's name of the whole device. Of the
# PCIe and NVL cards only those of the A100 are as fast as SXM; a MIG part has no data sheet. Number
# formats as in conf/precision; fp32 with TF32 off runs outside of them.
PEAK_FLOPS_PER_SECOND = {
    r"(NVIDIA )?A100(-SXM4-\d+GB|-PCIE-\d+GB| 80GB PCIe)": {
        "fp32": 19.5e12, "tf32": 156e12, "bf16_mixed": 312e12, "bf16_true": 312e12,
    },
    r"NVIDIA (H100( 80GB HBM3)?|H200)": {
        "fp32": 67e12, "tf32": 494.7e12, "bf16_mixed": 989.4e12, "bf16_true": 989.4e12,
    },
}  # fmt: skip
UNIFORM = "rote.tasks.uniform.Uniform"
LEAST_CODE = "cost.train_least_code_bits"
TRIED = re.compile(r"exact_match\.((train|heldout)_(\w+))_tried")

Derive = Callable[[pl.DataFrame], pl.Expr | None]  # None where the table has nothing to derive from


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A column of the table of runs."""

    name: str
    title: str
    unit: str = ""
    form: str = "{:,}"  # as in ``"{:.3f}"``
    # None: stored, or derived by what reads arrays.
    expression: pl.Expr | Derive | None = None
    is_main: bool = False  # shown without being asked for

    @property
    def label(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def signed(self) -> str:
        """The form of a difference."""
        return self.form.replace("{:z", "{:").replace("{:", "{:+")

    def amount(self, value: float) -> str:
        """The value with its unit."""
        return f"{self.form.format(value)} {self.unit}".strip()

    def of(self, table: pl.DataFrame) -> pl.Expr | None:
        """What derives it; None where the table lacks what is needed."""
        made = self.expression(table) if callable(self.expression) else self.expression
        is_there = made is not None and set(made.meta.root_names()) <= set(table.columns)
        return made.alias(self.name) if made is not None and is_there else None


def derive(table: pl.DataFrame, names: Iterable[str] | None = None) -> pl.DataFrame:
    """The table with those of these columns, or all, that its stored sums can tell.

    ``accuracy.train_add`` and so on are added with all: of the items of a split and group, the
    share whose answer greedy decoding gives whole; null where a run has none.
    """
    wanted = METRICS.values() if names is None else [METRICS[name] for name in names]
    made = [each.of(table) for each in wanted if each.name not in table.columns]
    shares = [] if names is not None else _accuracies(table)
    return table.with_columns(*(each for each in made if each is not None), *shares)


def title_of(column: str) -> str:
    """In words with the unit; a column that is no metric is its own last word."""
    if column in METRICS:
        return METRICS[column].label
    return column.rpartition(".")[2].replace("_", " ")


def peak_flops_per_second(device: str, precision: str) -> float | None:
    """Of one device by torch's name of it; None for a processor or an unknown device."""
    for pattern, peaks in PEAK_FLOPS_PER_SECOND.items():
        if re.fullmatch(pattern, device):
            return peaks[precision]
    return None


def _memorised() -> pl.Expr:
    return pl.col("entropy_bits") - pl.col("cost.train_code_bits")


def _tokens_per_second() -> pl.Expr:
    """A run of a stack is charged its share of the stack's time."""
    seconds = pl.col("circumstances.train_seconds") / pl.col("circumstances.stacked")
    return pl.col("training.tokens_seen") / seconds


def _flops_per_second() -> pl.Expr:
    return FLOPS_PER_PARAMETER_AND_TOKEN * pl.col("parameters") * _tokens_per_second()


def _utilisation(table: pl.DataFrame) -> pl.Expr | None:
    """Null where the peak is not known."""
    needed = ["circumstances.device", "precision.name"]
    if not set(needed) <= set(table.columns):
        return None
    peaks = [peak_flops_per_second(*row) for row in table.select(needed).rows()]
    return _flops_per_second() / pl.Series(peaks, dtype=pl.Float64)


def _ceiling_bits(table: pl.DataFrame) -> pl.Expr | None:
    """Entropy less the shortest code that any model can have (`rote.measures.least_code`).

    Of a record that does not hold that code: N log2 N for uniform sequences where V^S > N^2, so
    that less than half an equal pair is expected; null otherwise.
    """
    least = pl.col(LEAST_CODE) if LEAST_CODE in table.columns else pl.lit(None, pl.Float64)
    if not {"task._target_", "task.length", "task.vocab_size"} <= set(table.columns):
        return pl.col("entropy_bits") - least
    number = pl.col("cost.train_tokens") / pl.col("task.length")
    log_number = number.log(2)
    is_distinct = 2 * log_number < pl.col("task.length") * pl.col("task.vocab_size").log(2)
    is_set = (pl.col("task._target_") == UNIFORM) & is_distinct
    of_uniform = pl.when(is_set).then(number * log_number)
    return pl.col("entropy_bits") - pl.coalesce(least, of_uniform)


def _shape() -> pl.Expr:
    """As published tables write it, "1x32" for 1 layer, 32 wide."""
    return pl.format("{}x{}", "size.num_layers", "size.width")


def _model(table: pl.DataFrame) -> pl.Expr:
    if "size.num_heads" not in table.columns:
        return _shape()
    heads = pl.col("size.num_heads")
    ending = pl.when(heads == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    return pl.coalesce(pl.format("{}, {} head{}", _shape(), heads, ending), _shape())


def _accuracies(table: pl.DataFrame) -> list[pl.Expr]:
    names = [match[1] for name in table.columns if (match := TRIED.fullmatch(name))]
    return [
        pl.when(pl.col(f"exact_match.{name}_tried") > 0)
        .then(pl.col(f"exact_match.{name}_right_free") / pl.col(f"exact_match.{name}_tried"))
        .alias(f"accuracy.{name}")
        for name in names
    ]


def _knowledge_bits(table: pl.DataFrame) -> pl.Expr | None:
    """What the answers to training items cost less than their entropy, over groups that have any.

    A plain difference, below 0 for a model that misjudges more than it knows.
    """
    known = []
    for name in table.columns:
        match = TRIED.fullmatch(name)
        entropy = f"exact_match.{match[1]}_answer_bits" if match else ""
        if match and match[2] == "train" and entropy in table.columns:
            code = pl.col(f"exact_match.{match[1]}_answer_code_bits")
            known.append(pl.when(pl.col(entropy) > 0).then(pl.col(entropy) - code))
    if not known:
        return None
    has_any = pl.any_horizontal([one.is_not_null() for one in known])
    return pl.when(has_any).then(pl.sum_horizontal(known))


def _knowledge_bits_per_parameter(table: pl.DataFrame) -> pl.Expr | None:
    """After Allen-Zhu and Li 2024, arXiv 2404.05405; what is known of names is not counted."""
    bits = _knowledge_bits(table)
    return None if bits is None else bits / pl.col("parameters")


_ALL = (
    Metric(name="shape", title="layers x width", expression=_shape()),
    Metric(name="model", title="model", unit="layers x width, heads", expression=_model),
    Metric(name="parameters", title="parameters"),
    Metric(name="seed", title="seed"),
    Metric(name="task.num_sequences", title="sequences"),
    Metric(name="size.num_heads", title="heads"),
    Metric(name="precision.name", title="format"),
    Metric(name="entropy_bits", title="entropy of the training data", unit="bits", form="{:,.0f}"),
    Metric(name="training.steps", title="optimiser steps", form="{:,.0f}", is_main=True),
    Metric(name="training.tokens_seen", title="tokens seen", form="{:,.0f}"),
    Metric(name="training.converged", title="converged"),
    Metric(
        name="memorised_bits", title="memorised", unit="bits", form="{:,.0f}",
        expression=_memorised(), is_main=True,
    ),
    # All S tokens are scored above. Without the first 64 tokens of 2,048 symbols give 693 bits and
    # not 704.
    Metric(
        name="memorised_bits_after_first_token", title="memorised, first token left out",
        unit="bits", form="{:,.0f}",
        expression=pl.col("entropy_after_first_token_bits")
        - (pl.col("cost.train_code_bits") - pl.col("cost.train_first_token_code_bits")),
    ),
    Metric(
        name="memorised_bits_per_sequence", title="memorised of a sequence", unit="bits",
        form="{:.2f}",
        expression=_memorised() * pl.col("task.length") / pl.col("cost.train_tokens"),
    ),
    Metric(
        name="ceiling_bits", title="can be memorised", unit="bits", form="{:,.0f}",
        expression=_ceiling_bits,
    ),
    Metric(
        name="bits_per_parameter", title="memorised", unit="bits per parameter", form="{:.3f}",
        expression=_memorised() / pl.col("parameters"), is_main=True,
    ),
    Metric(
        name="data_bits_per_parameter", title="training data", unit="bits per parameter",
        form="{:.2f}", expression=pl.col("entropy_bits") / pl.col("parameters"),
    ),
    Metric(
        name="train_bits_per_token", title="training loss", unit="bits per token", form="{:.3f}",
        expression=pl.col("cost.train_code_bits") / pl.col("cost.train_tokens"), is_main=True,
    ),
    Metric(
        name="heldout_bits_per_token", title="held-out loss", unit="bits per token", form="{:.3f}",
        expression=pl.col("cost.heldout_code_bits") / pl.col("cost.heldout_tokens"), is_main=True,
    ),
    Metric(
        name="train_tokens_per_second", title="speed", unit="tokens per second", form="{:,.0f}",
        expression=_tokens_per_second(),
    ),
    Metric(
        name="train_flops_per_second", title="speed", unit="FLOP per second", form="{:.3g}",
        expression=_flops_per_second(),
    ),
    Metric(
        name="model_flops_utilisation", title="share of the device's peak", form="{:.1%}",
        expression=_utilisation,
    ),
    Metric(name="data_per_capacity", title="data over capacity", form="{:.3f}"),
    Metric(
        name="knowledge_bits", title="knowledge", unit="bits", form="{:,.0f}",
        expression=_knowledge_bits,
    ),
    Metric(
        name="knowledge_bits_per_parameter", title="knowledge", unit="bits per parameter",
        form="{:.3f}", expression=_knowledge_bits_per_parameter,
    ),
    Metric(name="samples_per_parameter", title="|D| / P", form="{:#.3g}"),
    Metric(name="f1", title="membership F1", form="{:.3f}"),
    Metric(name="largest_f1", title="largest F1", form="{:.3f}"),
    Metric(name="balanced_accuracy", title="balanced accuracy", form="{:.3f}"),
    Metric(name="auroc", title="AUROC", form="{:.3f}"),
    Metric(
        name="exposure_bits", title="exposure of inserted canaries", unit="bits", form="{:.2f}",
    ),
    Metric(
        name="exposure_most_bits", title="largest exposure measurable", unit="bits", form="{:.2f}"
    ),
    Metric(
        name="extracted_share", title="share of the most repeated canaries extracted", form="{:.0%}"
    ),
    Metric(name="drawn_right", title="share of random labels told right", form="{:.0%}"),
    Metric(name="canaries_extracted", title="inserted canaries extracted", form="{:.1%}"),
    Metric(name="windows_excess", title="windows extracted, less held-out", form="{:.1%}"),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}
