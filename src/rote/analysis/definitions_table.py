"""Show how definitions of memorisation compare, as a section of a page and numbers for a manifest.

What is compared is computed by `rote.analysis.quantities.definitions_of_runs`.
"""

from collections.abc import Sequence
from typing import Any

from rote.analysis.estimate import with_interval
from rote.analysis.page import Block, Heading, Section, Text
from rote.analysis.quantities.definitions import NUM_DRAWS
from rote.analysis.quantities.definitions_of_runs import (
    LARGEST_SHARE,
    LEAST_SHARE,
    USUAL_SHARE,
    ComparedGroup,
)
from rote.analysis.table import INTERVAL, Column, Row, Table

CAPTION = (
    "Each run is the target once, and the other runs of its size and N are its references. A "
    "definition is a number for each sample that the target was trained on; all are compared on "
    "the same samples. Each definition marks the same share of them, its highest ones: as many as "
    f"greedy decoding extracts, or {USUAL_SHARE:.0%} if these are less than {LEAST_SHARE:.0%} or "
    f"more than {LARGEST_SHARE:.0%}. Disagreement is the share of the samples that one definition "
    "marks and the other does not; a sample that ties at the threshold counts in part. Numbers are "
    f"means over targets. Their intervals ({NUM_DRAWS} resamples of the samples) are for other "
    "samples, not for other runs."
)
SOURCES = (
    "Counterfactual memorisation is the mean code length under runs without a sample less that "
    "under runs with it (Zhang et al. 2021, arXiv 2112.12938). LiRA is online, with one variance "
    "for all samples. Discoverable samples are ranked by the probability of their rest in one draw "
    "of the first sampler, which orders them alike for every n and p. That definitions disagree on "
    "the same strings: Ghosh et al. 2025 (arXiv 2507.14777)."
)
STABILITY = (
    "The share of marked samples that lose their mark when something varies that says nothing "
    "about them: the seed of the target, on samples that both targets were trained on, or the "
    "references, between two sets that share none. Counterfactual memorisation is one number for "
    "all targets, so only references vary it. Hayes et al. 2025 (arXiv 2505.18773) find such "
    "changes in decisions on membership."
)


def definitions_section(found: Sequence[ComparedGroup]) -> Section:
    """Build tables of counterfactual memorisation, of pairs of definitions, and of stability."""
    pairs = [vars(each) | vars(agreement) for each in found for agreement in each.agreements]
    flips = [vars(each) | vars(flip) for each in found for flip in each.flips]
    blocks: list[Block] = [
        Text(CAPTION),
        _group_table(found),
        Heading("Pairs of definitions"),
        _pair_table(pairs),
        Text(SOURCES),
    ]
    if flips:
        blocks += [Heading("Stability"), _flip_table(flips), Text(STABILITY)]
    return Section("Definitions of memorisation compared", blocks)


def definitions_headline(group: ComparedGroup) -> str:
    """State which definitions agree most and least."""
    words = (
        f"Counterfactual memorisation, {group.series} at N = {group.num_sequences}: "
        f"{group.mean_bits.words('{:.1f}')} bits a sample"
    )
    known = [(each.rho, f"{each.one} and {each.other}") for each in group.agreements if each.rho]
    if len(known) < 2:
        return words
    ranked = sorted(known, key=lambda pair: pair[0].value)
    least, most = (f"{names} {rho.words('{:+.2f}')}" for rho, names in (ranked[0], ranked[-1]))
    return f"{words}; definitions rank samples most alike by {most}, least by {least}"


def definition_numbers(found: Sequence[ComparedGroup]) -> dict[str, Any]:
    """Return the numbers for the manifest, each with the runs behind it."""
    numbers: dict[str, Any] = {}
    for group in found:
        place, runs = f"{group.series}, N = {group.num_sequences}", list(group.runs)
        numbers[f"counterfactual memorisation, {place}"] = {
            "mean_bits_per_sample": group.mean_bits.value, "interval": group.mean_bits.interval,
            "mean_mem_u_bits_per_sample": group.mem_u_bits and group.mem_u_bits.value, "runs": runs,
        }  # fmt: skip
        for each in group.agreements:
            numbers[f"definitions {each.one} and {each.other}, {place}"] = {
                **with_interval("rank_correlation", each.rho),
                **with_interval("disagreement", each.disagreement),
                "targets": each.num_targets, "samples": each.disagreement.n, "runs": runs,
            }  # fmt: skip
        for flip in group.flips:
            numbers[f"marks of {flip.name} lost to {_varied(vars(flip))}, {place}"] = {
                "share": flip.rate.value, "interval": flip.rate.interval, "runs": runs,
            }  # fmt: skip
    return numbers


PLACE = (Column("size", "series"), Column("N", "num_sequences"))


def _group_table(found: Sequence[ComparedGroup]) -> Table:
    columns = [
        PLACE[0],
        Column("N", lambda group: (group.num_sequences, str(len(group.runs))), unit="targets"),
        Column("counterfactual memorisation (bits)", "mean_bits", form="{:.2f}",
               unit=f"mean per sample, {INTERVAL} over runs"),
        Column("mem_U (bits)", "mem_u_bits", form="{:.2f}", missing="no oracle",
               unit="mean per sample, likewise"),
        Column("above 0", lambda group: group.above_zero if group.above_zero.trials else None,
               unit="samples whose own interval of counterfactual memorisation is", form="{:.1%}",
               missing="too few runs"),
        Column("marked", "share", form="{:.1%}", unit="by each definition"),
        Column("chance", lambda group: 1 - group.share, form="{:.1%}",
               unit="disagreement of independent definitions"),
    ]  # fmt: skip
    return Table(rows=found, columns=columns, is_tall=True)


def _pair_table(pairs: Sequence[Row]) -> Table:
    columns = [
        *PLACE,
        Column("definition", "one"),
        Column("other definition", "other"),
        Column("rank correlation", "rho", unit=INTERVAL, form="{:+.2f}", missing="all alike"),
        Column("disagreement", "disagreement", unit=INTERVAL, form="{:.0%}"),
        Column("targets", lambda row: (row["num_targets"], f"{row['disagreement'].n:,}"),
               unit="samples"),
    ]  # fmt: skip
    return Table(rows=pairs, columns=columns, is_tall=True)


def _flip_table(flips: Sequence[Row]) -> Table:
    columns = [
        *PLACE,
        Column("definition", "name"),
        Column("varied", _varied),
        Column("marks lost", "rate", unit=INTERVAL, form="{:.0%}"),
        Column("samples", lambda row: row["rate"].n),
    ]
    return Table(rows=flips, columns=columns, is_tall=True)


def _varied(flip: Row) -> str:
    number = flip["num_references"]
    return f"{number} references" if number else "the target's seed"
