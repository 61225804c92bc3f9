"""Derive everything that the report on memory over time states, before anything is drawn.

Rows are mappings, each for runs of one ``series`` (a size and its settings) and ``schedule`` (the
window of insertion), which differ in their seed; ``panel`` names both, ``runs`` are their ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.derived import shape
from rote.analysis.estimate import Estimate, plural
from rote.analysis.estimators import difference, mean_of_estimates, mean_over_seeds, rate
from rote.analysis.fits.forgetting import Retention, forgetting
from rote.analysis.quantities.learning import FEWEST_CONTROLS, with_the_end
from rote.analysis.quantities.looks import Followed, inserted_sequences, trained_sequences
from rote.analysis.quantities.settings import AXES, control_words, differing_settings
from rote.analysis.results import Results
from rote.analysis.table import Row

INSERTION = "control.insertion."
WINDOW = [f"{INSERTION}{name}" for name in ("every_steps", "from_step", "to_step")]
NOT_INSERTED = "nothing inserted"
EVERY_EPOCH, INSERTED = "shown in every epoch", "inserted"
CONTROLS = {INSERTED: "never inserted", EVERY_EPOCH: "held out"}
FEW_CONTROLS = f"fewer than {FEWEST_CONTROLS} of its sequences are never shown: learnt is undecided"
READERS = {EVERY_EPOCH: trained_sequences, INSERTED: inserted_sequences}


@dataclass(frozen=True, kw_only=True)
class Study:
    """All results; ``runs`` is the table of runs that were looked at, with derived columns."""

    runs: pl.DataFrame
    left_out: Mapping[str, str]  # why a run, or a part of it, is left out
    remembered: list[Row]  # repeats, forgetting, curve (rows of age and bits); a row per repeats
    spaced: list[Row]  # window, repeats, close and wide (steps), close_bits, wide_bits, apart
    learnt: list[Row]  # name, repeats, ever, at_end, events, first; and share (rows of step)
    late: list[Row]  # name, step, rho: rank correlation with the last look


def study(results: Results) -> Study:
    """Derive everything; raises ValueError if there is no run, or none that was looked at."""
    if results.table.is_empty():
        raise ValueError("no finished run to report on")
    table = _with_series(results.table)
    followed: dict[str, dict[str, Followed]] = {name: {} for name in READERS}
    left_out: dict[str, str] = {}
    for run in table.iter_rows(named=True):
        found, reasons = _follow(results, run)
        for name, of_run in found.items():
            followed[name][run["run_id"]] = of_run
        if reasons:
            left_out[run["run_id"]] = "; ".join(dict.fromkeys(reasons))
    inserted, trained = followed[INSERTED], followed[EVERY_EPOCH]
    runs = table.filter(pl.col("run_id").is_in([*inserted, *trained]))
    if runs.is_empty():
        reason = next(iter(left_out.values()))
        raise ValueError(f"no run was looked at with sequences to follow: {reason}")
    places = runs.partition_by("series", "schedule", maintain_order=True)
    return Study(
        runs=_with_bits(runs, inserted),
        left_out=left_out,
        remembered=[row for part in places for row in _remembered(part, inserted)],
        spaced=list(_spaced(places, inserted)),
        learnt=[row for part in places for row in _learnt(part, inserted, trained)],
        late=[row for part in places for row in _late(part, inserted, trained)],
    )


def _follow(results: Results, run: Row) -> tuple[dict[str, Followed], list[str]]:
    """Return the sequences that were followed in one run, and why others are left out."""
    folder = results.folders[run["run_id"]]
    found: dict[str, Followed] = {}
    reasons: list[str] = []
    try:
        looks, arrays = folder.looks(), folder.arrays()
    except (ValueError, FileNotFoundError) as error:
        return {}, [str(error)]
    for name, reader in READERS.items():
        if name == INSERTED and run["schedule"] == NOT_INSERTED:
            continue
        try:
            found[name] = reader(looks, arrays, run)
        except (ValueError, IndexError) as error:
            reasons.append(str(error))
        else:
            reasons += [] if found[name].learning else [FEW_CONTROLS]
    return found, reasons


def _with_series(table: pl.DataFrame) -> pl.DataFrame:
    """Add ``series`` and ``schedule``, in words, and sort."""
    known = table.with_columns(
        pl.lit(None).alias(name) for name in WINDOW if name not in table.columns
    ).with_columns(model=shape())
    names = [name for name in table.columns if name.startswith(AXES)]
    others = known.select(pl.exclude(rf"^{INSERTION}.*$"))
    parts = [*differing_settings(known, names, at=["model", "seed"]), control_words(others)]
    every, start, stop = map(pl.col, WINDOW)
    window = pl.format("{} to {}", start.cast(pl.Int64), stop.cast(pl.Int64))
    spaced = pl.format("every {} steps, first in {}", every.cast(pl.Int64), window)
    return known.with_columns(
        series=pl.concat_str("model", *parts, separator=", ", ignore_nulls=True),
        schedule=pl.coalesce(
            spaced, pl.format("at random steps, {}", window), pl.lit(NOT_INSERTED)
        ),
    ).sort("parameters", "series", *WINDOW[1:], WINDOW[0], "seed", "run_id")


def _with_bits(runs: pl.DataFrame, inserted: Mapping[str, Followed]) -> pl.DataFrame:
    """Add means over the inserted sequences of each run, null if it has none."""
    rows: list[tuple[Any, ...]] = []
    for run_id, followed in inserted.items():
        parts = [followed.retention(times) for times in _repeats([followed])]
        if ends := [part.ends_N2 for part in parts if part]:
            rows.append((run_id, *np.concatenate(ends).mean(axis=0).tolist()))
    schema = {"run_id": pl.String, "acquired_bits": pl.Float64, "retained_bits": pl.Float64}
    bits = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        retained_share=pl.col("retained_bits") / pl.col("acquired_bits")
    )
    return runs.join(bits, on="run_id", how="left", maintain_order="left")


def _place(part: pl.DataFrame, of: Mapping[str, Followed]) -> tuple[Row, list[Followed]]:
    """Return the place of these runs, and what was followed in those that have any."""
    run_ids = [run_id for run_id in part["run_id"] if run_id in of]
    series, schedule = part.select("series", "schedule").row(0)
    panel = series if schedule == NOT_INSERTED else f"{series}, {schedule}"
    place = {"series": series, "schedule": schedule, "panel": panel, "runs": run_ids}
    return place, [of[run_id] for run_id in run_ids]


def _remembered(part: pl.DataFrame, inserted: Mapping[str, Followed]) -> Iterator[Row]:
    place, runs = _place(part, inserted)
    for times in _repeats(runs):
        found = [kept for run in runs if (kept := run.retention(times))]
        if found:
            curve = [
                {"age": each["age"].mean(), "bits": mean_over_seeds(each["bits"].to_numpy())}
                for each in _common(found).partition_by("bin", maintain_order=True)
            ]
            yield {
                **place, "name": times_words(times), "repeats": times,
                "forgetting": forgetting(found), "curve": curve,
            }  # fmt: skip


def _repeats(runs: Sequence[Followed]) -> list[int]:
    return sorted({int(times) for run in runs for times in run.times_N})


def _common(runs: Sequence[Retention]) -> pl.DataFrame:
    """Return the bins of age that all runs have, with the place of each run."""
    bins = pl.concat(run.bins.with_columns(run=place) for place, run in enumerate(runs))
    return bins.filter(pl.len().over("bin") == len(runs)).sort("bin", "run")


def _spaced(places: Sequence[pl.DataFrame], inserted: Mapping[str, Followed]) -> Iterator[Row]:
    """Compare the closest and the widest spacing of one window, at equal age and repeats."""
    found: dict[tuple[Any, ...], dict[int, list[Retention]]] = {}
    for part in places:
        place, runs = _place(part, inserted)
        every, *window = part.select(WINDOW).row(0)
        for times in [each for each in _repeats(runs) if each > 1 and every is not None]:
            kept = [each for run in runs if (each := run.retention(times))]
            if kept:
                found.setdefault((place["series"], *window, times), {})[int(every)] = kept
    for (series, start, stop, times), by_spacing in found.items():
        close, wide = min(by_spacing), max(by_spacing)
        ends = [*by_spacing[close], *by_spacing[wide]]
        bins = _common(ends)
        if close == wide or bins.is_empty():
            continue
        bits = bins.group_by("run", maintain_order=True).agg(pl.col("bits").mean())["bits"]
        number = len(by_spacing[close])
        means = {close: mean_over_seeds(bits[:number]), wide: mean_over_seeds(bits[number:])}
        yield {
            "series": series, "window": f"{start:.0f} to {stop:.0f}", "repeats": times,
            "close": close, "wide": wide, "close_bits": means[close], "wide_bits": means[wide],
            "apart": difference(means[wide], means[close]),
        }  # fmt: skip


def _learnt(
    part: pl.DataFrame, inserted: Mapping[str, Followed], trained: Mapping[str, Followed]
) -> Iterator[Row]:
    """Yield shares of sequences that are learnt, of inserted ones by repeats."""
    for of in (inserted, trained):
        place, runs = _place(part, {key: each for key, each in of.items() if each.learning})
        for times in _repeats(runs):
            name = times_words(times) if of is inserted else EVERY_EPOCH
            yield {**place, "name": name, "repeats": times, **_learning(runs, times)}


def times_words(number: int) -> str:
    """Return "shown once", or "shown 4 times"."""
    return f"shown {'once' if number == 1 else plural(number, 'time')}"


def _learning(runs: Sequence[Followed], times: int) -> Row:
    """Pool sequences over runs, which have a `Learning`: each has its own."""
    parts = [(run, run.learning, run.times_N == times) for run in runs if run.learning]

    def joined(name: str) -> Any:
        return np.concatenate([getattr(learnt, name)[own_N] for _, learnt, own_N in parts])

    ever_N, first_N = joined("ever_learnt_N"), joined("first_step_N")
    shown_N = np.concatenate([run.first_shown_N[own_N] for run, _, own_N in parts])
    share = []
    for step in sorted(set.intersection(*(set(run.steps_T.tolist()) for run in runs))):
        learnt = np.concatenate(
            [learnt.learnt_TN[run.steps_T == step][:, own_N] for run, learnt, own_N in parts],
            axis=1,
        )
        share.append({"step": step, "share": rate(int(learnt.sum()), learnt.size)})
    return {
        "ever": rate(int(ever_N.sum()), len(ever_N)),
        "at_end": rate(int(joined("learnt_at_end_N").sum()), len(ever_N)),
        "forgetting_events": float(joined("forgetting_events_N").mean()),
        "steps_to_learn": float(np.median((first_N - shown_N)[ever_N])) if ever_N.any() else None,
        "share": share,
    }


def _late(
    part: pl.DataFrame, inserted: Mapping[str, Followed], trained: Mapping[str, Followed]
) -> Iterator[Row]:
    """Yield rank correlations with the last look, of inserted ones after all were shown."""
    for name, of, start in (
        (INSERTED, inserted, "last_shown_N"), (EVERY_EPOCH, trained, "first_shown_N"),
    ):  # fmt: skip
        place, runs = _place(part, of)
        for label, bits in ((name, "bits_TN"), (CONTROLS[name], "control_bits_TC")):
            found: dict[int, list[Estimate]] = {}
            for step, rho in (pair for run in runs for pair in _with_the_end(run, bits, start)):
                found.setdefault(step, []).append(rho)
            for step, rhos in sorted(found.items()):
                if len(rhos) == len(runs):
                    yield {**place, "name": label, "step": step, "rho": mean_of_estimates(rhos)}


def _with_the_end(run: Followed, bits: str, start: str) -> Iterator[tuple[int, Estimate]]:
    """Yield a run's correlations, where there are any, each with its step."""
    is_after_T = run.steps_T >= getattr(run, start).max()
    table_TN = getattr(run, bits)[is_after_T]
    groups_N = run.times_N if bits == "bits_TN" else np.zeros(table_TN.shape[1])
    rhos = with_the_end(table_TN, groups_N)[:-1] if is_after_T.any() else []
    for step, rho in zip(run.steps_T[is_after_T][:-1], rhos, strict=True):
        if rho is not None:
            yield int(step), rho
