"""Exact matches of each run, split and group, from the totals of measure exact_match."""

import re

import polars as pl

TRIED = re.compile(r"exact_match\.(train|heldout)_(.+)_tried")
SUBJECTS = {"Arithmetic": "arithmetic", "Facts": "facts", "Biographies": "biographies"}
JOINT = "joint"
PARTS = re.compile(r"task\.parts\.(\w+)\._target_")
ALL = "all"  # groups together

KEYS = ("run_id", "trained_on", "split", "split_seed", "size", "parameters", "setting", "seed")


def with_split(runs: pl.DataFrame) -> pl.DataFrame:
    """Columns added: ``trained_on``, the ``split`` of arithmetic, its ``split_seed``, ``size``.

    A part's split is the mixture's; "" and 0 where held-out items are not drawn.
    """
    kind = pl.col("task._target_").str.split(".").list.last()
    splits = [name for name in runs.columns if name.endswith(".split._target_")]
    seeds = [name for name in runs.columns if name.endswith(".split.seed")]
    split = pl.coalesce(splits).str.split(".").list.last() if splits else pl.lit(None, pl.String)
    return runs.with_columns(
        trained_on=kind.replace(SUBJECTS).replace({"Mixture": JOINT}),
        split=split.str.to_lowercase().fill_null(""),
        split_seed=(pl.coalesce(seeds) if seeds else pl.lit(None)).cast(pl.Int64).fill_null(0),
        size=pl.format("{}x{}", "size.num_layers", "size.width"),
    )


def matches(runs: pl.DataFrame) -> pl.DataFrame:
    """A row a run, side, subject and group: ``tried``, ``right_forced``, ``right_free``.

    ``subject`` is what is asked about: a part of a mixture, else the task. Where a subject has
    several groups, a row for `ALL` of them besides.
    """
    found = [match for name in runs.columns if (match := TRIED.fullmatch(name))]
    parts = sorted({match[1] for name in runs.columns if (match := PARTS.fullmatch(name))})
    long = pl.concat([_of_group(runs, match[1], match[2], parts) for match in found])
    keys = [*KEYS, "side", "subject"]
    counts = ["tried", "right_forced", "right_free"]
    several = long.filter(pl.n_unique("group").over(keys) > 1)
    summed = several.group_by(keys, maintain_order=True).agg(pl.col(counts).sum())
    together = summed.with_columns(group=pl.lit(ALL)).select(long.columns)
    return pl.concat([long, together]).sort("parameters", maintain_order=True)


def _of_group(runs: pl.DataFrame, side: str, name: str, parts: list[str]) -> pl.DataFrame:
    part = next((part for part in parts if name.startswith(f"{part}_")), None)
    joint = pl.col("trained_on") == JOINT
    own = f"exact_match.{side}_{name}"
    return (
        runs.filter(joint if part else ~joint)
        .filter(pl.col(f"{own}_tried") > 0)
        .select(
            *KEYS,
            pl.lit(side).alias("side"),
            (pl.lit(part) if part else pl.col("trained_on")).alias("subject"),
            pl.lit(name.removeprefix(f"{part}_")).alias("group"),
            *(
                pl.col(f"{own}_{count}").cast(pl.Int64).alias(count)
                for count in ("tried", "right_forced", "right_free")
            ),
        )
    )
