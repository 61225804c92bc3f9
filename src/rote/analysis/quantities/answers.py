"""Answers that are right, and bits of knowledge: derived from the sums of `measure=exact_match`."""

import re

import polars as pl

TRIED = re.compile(r"exact_match\.((train|heldout)_(\w+))_tried")


def answer_quantities(table: pl.DataFrame) -> pl.DataFrame:
    """The table with derived columns added.

    ``accuracy.train_add`` and so on: of the items of a split and group, the share whose answer
    greedy decoding gives whole; null where a run has none. ``knowledge_bits``: what the answers to
    training items cost less than their entropy, over the groups that have any; a plain difference,
    below 0 for a model that misjudges more than it knows. ``knowledge_bits_per_parameter`` (after
    Allen-Zhu and Li 2024, arXiv 2404.05405) does not count what is known of names.
    """
    found = [match for name in table.columns if (match := TRIED.fullmatch(name))]
    known = [
        _known_bits(match[1])
        for match in found
        if match[2] == "train" and f"exact_match.{match[1]}_answer_bits" in table.columns
    ]
    knowledge = pl.sum_horizontal(known) if known else pl.lit(None, pl.Float64)
    has_any = pl.any_horizontal([one.is_not_null() for one in known]) if known else pl.lit(False)
    return table.with_columns(
        *(_accuracy(match[1]) for match in found),
        knowledge_bits=pl.when(has_any).then(knowledge),
    ).with_columns(knowledge_bits_per_parameter=pl.col("knowledge_bits") / pl.col("parameters"))


def _accuracy(name: str) -> pl.Expr:
    tried = pl.col(f"exact_match.{name}_tried")
    right = pl.col(f"exact_match.{name}_right_free")
    return pl.when(tried > 0).then(right / tried).alias(f"accuracy.{name}")


def _known_bits(name: str) -> pl.Expr:
    """Null where the answers of a group have no entropy, or an unknown one."""
    entropy = pl.col(f"exact_match.{name}_answer_bits")
    return pl.when(entropy > 0).then(entropy - pl.col(f"exact_match.{name}_answer_code_bits"))
