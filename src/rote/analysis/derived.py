"""Derive a run's numbers from its stored sums, as polars expressions.

Functions that take a table return None if it lacks the columns. `rote.analysis.metrics` defines the
names and units.
"""

import re

import polars as pl

from rote.config.names import run_name

UNIFORM = "rote.tasks.uniform.Uniform"
BITS_OF_DTYPE = {"float32": 32, "float16": 16, "bfloat16": 16}  # keys of conf/precision
LEAST_CODE = "cost.train_least_code_bits"
TRIED = re.compile(r"exact_match\.((train|heldout)_(\w+))_tried")
EXTRACTED = re.compile(r"extraction\.(train|heldout)_extracted_(\d+)")
NEAR = re.compile(r"near_verbatim\.(train|heldout)_(greedy|expected|longest_match_tokens)_(\w+)")
NEAR_SHARES = {"greedy": "near_extracted", "expected": "near_drawn"}  # of the sequences tried
FLOPS_PER_TOKEN = "training.flops_per_token"  # of models that use a parameter not at all or again
FLOPS_PER_PARAMETER_AND_TOKEN = 6.0  # Kaplan et al. 2020, section 2.1; attention scores left out

# FLOP/s of dense matrix products on tensor cores, without sparsity, from NVIDIA's data sheets: A100
# (2021), H100 (2023) and H200 (2024). Keys are patterns of torch's name for the whole device. Of
# the PCIe and NVL cards only those of the A100 are as fast as SXM; a MIG part has no data sheet.
# Number formats are those of conf/precision; fp32 with TF32 off runs outside of tensor cores.
PEAK_FLOPS_PER_SECOND = {
    r"(NVIDIA )?A100(-SXM4-\d+GB|-PCIE-\d+GB| 80GB PCIe)": {
        "fp32": 19.5e12, "tf32": 156e12, "bf16_mixed": 312e12, "bf16_true": 312e12,
        "fp16_mixed": 312e12,
    },
    r"NVIDIA (H100( 80GB HBM3)?|H200)": {
        "fp32": 67e12, "tf32": 494.7e12, "bf16_mixed": 989.4e12, "bf16_true": 989.4e12,
        "fp16_mixed": 989.4e12,
    },
}  # fmt: skip


def memorised() -> pl.Expr:
    """Return the memorised bits: entropy minus code length of the training data."""
    return pl.col("entropy_bits") - pl.col("cost.train_code_bits")


def stored_bits(table: pl.DataFrame) -> pl.Expr | None:
    """Of the model that is measured: as a format of few bits counts them, else all weights' dtype.

    Mixed precision keeps weights in float32: that is what it stores.
    """
    if not {"precision.weights", "parameters"} <= set(table.columns):
        return None
    of_weight = pl.col("precision.weights").replace_strict(
        BITS_OF_DTYPE, default=None, return_dtype=pl.Int64
    )
    total = "training.total_parameters"  # of a model some of whose weights are frozen
    numbers = pl.coalesce(total, "parameters") if total in table.columns else pl.col("parameters")
    whole = of_weight * numbers
    counted = "training.stored_bits"
    return pl.coalesce(counted, whole) if counted in table.columns else whole


def stored_bits_per_parameter(table: pl.DataFrame) -> pl.Expr | None:
    """Scales and unquantised vectors included."""
    stored = stored_bits(table)
    return None if stored is None else stored / pl.col("parameters")


def memorised_per_stored_bit(table: pl.DataFrame) -> pl.Expr | None:
    """Bits memorised over bits stored."""
    stored = stored_bits(table)
    return None if stored is None else memorised() / stored


def tokens_per_second() -> pl.Expr:
    """Return tokens per second; a run of a stack counts its share of the stack's time."""
    seconds = pl.col("circumstances.train_seconds") / pl.col("circumstances.stacked")
    return pl.col("training.tokens_seen") / seconds


def flops_per_second(table: pl.DataFrame) -> pl.Expr:
    """Six FLOP a parameter and token, where a record does not say another number of a token."""
    flops = FLOPS_PER_PARAMETER_AND_TOKEN * pl.col("parameters")
    if FLOPS_PER_TOKEN in table.columns:
        flops = pl.coalesce(FLOPS_PER_TOKEN, flops)
    return flops * tokens_per_second()


def utilisation(table: pl.DataFrame) -> pl.Expr | None:
    """Return the share of the peak FLOP/s, null if the peak is unknown."""
    needed = ["circumstances.device", "precision.name"]
    if not set(needed) <= set(table.columns):
        return None
    peaks = [peak_flops_per_second(*row) for row in table.select(needed).rows()]
    return flops_per_second(table) / pl.Series(peaks, dtype=pl.Float64)


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


def knowledge_bits_per_parameter(table: pl.DataFrame) -> pl.Expr | None:
    """Return them per parameter (Allen-Zhu and Li 2024, arXiv 2404.05405); names do not count."""
    bits = knowledge_bits(table)
    return None if bits is None else bits / pl.col("parameters")


def peak_flops_per_second(device: str, precision: str) -> float | None:
    """Return a device's peak by torch's name; None for a processor or an unknown device."""
    for pattern, peaks in PEAK_FLOPS_PER_SECOND.items():
        if re.fullmatch(pattern, device):
            return peaks[precision]
    return None
