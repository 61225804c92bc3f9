"""Derive a run's numbers from its stored sums, as polars expressions.

Functions that take a table return None if it lacks the columns. `rote.analysis.metrics` defines the
names and units.
"""

import re
from functools import cache

import polars as pl

from rote.config.names import run_name

UNIFORM = "rote.tasks.uniform.Uniform"
BITS_OF_DTYPE = {"float32": 32, "float16": 16, "bfloat16": 16}  # keys of conf/precision
LEAST_CODE = "cost.train_least_code_bits"
TRIED = re.compile(r"exact_match\.((train|heldout)_(\w+))_tried")
ANSWERS = re.compile(r"(exact_match\.train_\w+)_answer_bits")  # their entropy
EXTRACTED = re.compile(r"extraction\.(train|heldout)_extracted_(\d+)")
NEAR = re.compile(r"near_verbatim\.(train|heldout)_(greedy|expected|longest_match_tokens)_(\w+)")
NEAR_SHARES = {"greedy": "near_extracted", "expected": "near_drawn"}  # of the sequences tried
FLOPS_PER_TOKEN = "training.flops_per_token"  # of models that use a parameter not at all or again
ATTENTION_FLOPS_PER_TOKEN = "training.attention_flops_per_token"  # 12 L d S
FLOPS_PER_PARAMETER_AND_TOKEN = 6.0  # Kaplan et al. 2020, section 2.1; attention scores left out

# TFLOP/s of dense matrix products, without sparsity, in fp32 (outside of tensor cores), TF32 and 16
# bits with float32 sums: NVIDIA's data sheets of A100 (2021), H100, L40S (2023), H200 (2024), and
# its white paper on Ada (2022) for RTX 4090. Sheets print twice as much for tensor cores: sparsity.
# Keys are patterns of torch's name for the whole device: a MIG part has no data sheet.
PEAK_TERAFLOPS = {
    r"(NVIDIA )?A100(-SXM4-\d+GB|-PCIE-\d+GB| 80GB PCIe)": (19.5, 156, 312),
    r"NVIDIA (H100( 80GB HBM3)?|H200)": (67, 494.7, 989.4),
    r"NVIDIA H100 PCIe": (51, 378, 756),
    r"NVIDIA H100 NVL": (60, 417.5, 835),
    r"NVIDIA L40S": (91.6, 183, 362),
    r"NVIDIA GeForce RTX 4090": (82.6, 82.6, 165.2),
}
HALF_FORMATS = ("bf16_mixed", "bf16_true", "fp16_mixed")  # of conf/precision


def column_or_null(table: pl.DataFrame, name: str) -> pl.Expr:
    """Return the numbers of a column; null throughout if the table lacks it."""
    return pl.col(name).cast(pl.Float64) if name in table.columns else pl.lit(None, pl.Float64)


def memorised() -> pl.Expr:
    """Return the memorised bits: entropy minus code length of the training data."""
    return pl.col("entropy_bits") - pl.col("cost.train_code_bits")


def stored_bits(table: pl.DataFrame) -> pl.Expr:
    """Of the model that is measured: as a format of few bits counts them, else all weights' dtype.

    Scales and unquantised vectors are included. Mixed precision keeps weights in float32: that is
    what it stores.
    """
    of_weight = pl.col("precision.weights").replace_strict(
        BITS_OF_DTYPE, default=None, return_dtype=pl.Int64
    )
    total = "training.total_parameters"  # of a model some of whose weights are frozen
    whole = of_weight * _recorded(table, total, pl.col("parameters"))
    return _recorded(table, "training.stored_bits", whole)


def _recorded(table: pl.DataFrame, column: str, usual: pl.Expr) -> pl.Expr:
    """Return the column, and the usual number where it is null or records lack it."""
    return pl.coalesce(column, usual) if column in table.columns else usual


def tokens_per_second() -> pl.Expr:
    """Return tokens per second; a run of a stack counts its share of the stack's time."""
    seconds = pl.col("circumstances.train_seconds") / pl.col("circumstances.stacked")
    return pl.col("training.tokens_seen") / seconds


def flops_per_token(table: pl.DataFrame) -> pl.Expr:
    """Six FLOP a parameter and token, where a record does not say another number of a token."""
    return _recorded(table, FLOPS_PER_TOKEN, FLOPS_PER_PARAMETER_AND_TOKEN * pl.col("parameters"))


def flops_per_second(table: pl.DataFrame) -> pl.Expr:
    """Return the FLOP/s of training, attention scores left out."""
    return flops_per_token(table) * tokens_per_second()


def mfu(table: pl.DataFrame) -> pl.Expr | None:
    """Return the model FLOPs utilisation: (6 N + 12 L d S) FLOPs a token over the bf16 peak.

    Chowdhery et al. 2022 (arXiv 2204.02311, appendix B), counted as llm-foundry does: N has all
    parameters that a token passes, embeddings too, S is the whole sequence, and the peak is that of
    dense products in bfloat16, whatever the run's format. Null for a device without a known peak
    and for records that do not say what attention costs.
    """
    flops = flops_per_token(table) + pl.col(ATTENTION_FLOPS_PER_TOKEN)
    return _share_of_peak(table, flops, "circumstances.device")


def format_peak_share(table: pl.DataFrame) -> pl.Expr | None:
    """Return the FLOP/s without attention over the peak of the run's number format."""
    flops = flops_per_token(table)
    return _share_of_peak(table, flops, "circumstances.device", "precision.name")


def _share_of_peak(table: pl.DataFrame, flops: pl.Expr, *columns: str) -> pl.Expr | None:
    """Divide by each run's peak, which depends on these columns; None if the table lacks one."""
    if not set(columns) <= set(table.columns):
        return None
    peaks = [peak_flops_per_second(*row) for row in table.select(columns).rows()]
    of_all = pl.lit(pl.Series(peaks, dtype=pl.Float64)) * pl.col("circumstances.processes")
    return flops * tokens_per_second() / of_all


def ceiling_bits(table: pl.DataFrame) -> pl.Expr | None:
    """Return the entropy minus the shortest code of any model (`rote.measures.cost`).

    A record without that code gets N log2 N for uniform sequences if V^S > N^2, so that less than
    half an equal pair is expected, and null otherwise.
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


def shape() -> pl.Expr:
    """Return the shape as published tables write it: "1x32" for 1 layer of width 32."""
    return pl.format("{}x{}", "size.num_layers", "size.width")


def model(table: pl.DataFrame) -> pl.Expr:
    """Return the shape and the number of heads."""
    if "size.num_heads" not in table.columns:
        return shape()
    heads = pl.col("size.num_heads")
    ending = pl.when(heads == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    return pl.coalesce(pl.format("{}, {} head{}", shape(), heads, ending), shape())


def shares(table: pl.DataFrame) -> list[pl.Expr]:
    """Return shares of items answered right and sequences extracted, exactly or nearly.

    They are null if none was tried.
    """
    found = {}
    for name in table.columns:
        if match := TRIED.fullmatch(name):
            found[f"accuracy.{match[1]}"] = f"exact_match.{match[1]}_right_free", name
        if match := EXTRACTED.fullmatch(name):
            found[f"extracted.{match[1]}_{match[2]}"] = name, f"extraction.{match[1]}_tried"
        if match := NEAR.fullmatch(name):
            split, what, rest = match.groups()
            family, of = NEAR_SHARES.get(what, "longest_match"), f"rest_tokens_{rest}"
            of_all = f"near_verbatim.{split}_{'tried' if what in NEAR_SHARES else of}"
            found[f"{family}.{split}_{rest}"] = name, of_all
    return [
        pl.when(pl.col(tried) > 0).then(pl.col(right) / pl.col(tried)).alias(name)
        for name, (right, tried) in found.items()
    ]


def names(table: pl.DataFrame) -> pl.Expr | None:
    """Return the names of runs by `rote.config.names.run_name`."""
    if "run_id" not in table.columns:
        return None
    rows = table.iter_rows(named=True)
    return pl.lit(pl.Series([run_name(row, row["run_id"]) for row in rows], dtype=pl.String))


def knowledge_bits(table: pl.DataFrame) -> pl.Expr | None:
    """Return the entropy of the training items' answers minus their code length.

    The sum is over groups that have any, and is below 0 for a model that misjudges more than it
    knows.
    """
    known = [
        pl.when(pl.col(name) > 0).then(pl.col(name) - pl.col(f"{match[1]}_answer_code_bits"))
        for name in table.columns
        if (match := ANSWERS.fullmatch(name))
    ]
    if not known:
        return None
    has_any = pl.any_horizontal([one.is_not_null() for one in known])
    return pl.when(has_any).then(pl.sum_horizontal(known))


def knowledge_bits_per_parameter(table: pl.DataFrame) -> pl.Expr | None:
    """Return them per parameter (Allen-Zhu and Li 2024, arXiv 2404.05405); names do not count."""
    bits = knowledge_bits(table)
    return None if bits is None else bits / pl.col("parameters")


@cache
def peak_flops_per_second(device: str, precision: str = "bf16_true") -> float | None:
    """Return the peak by torch's name of the device; None for others and for other formats."""
    for pattern, (fp32, tf32, half) in PEAK_TERAFLOPS.items():
        if re.fullmatch(pattern, device):
            peaks = {"fp32": fp32, "tf32": tf32, **dict.fromkeys(HALF_FORMATS, half)}
            return 1e12 * peaks[precision] if precision in peaks else None
    return None
