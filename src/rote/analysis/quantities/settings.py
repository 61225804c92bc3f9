"""Name in words what distinguishes runs, and group runs into the lines of a figure.

Words name the settings that differ and the controls of a run. Runs form one line if they differ
only in data size and seed.
"""

from collections.abc import Sequence

import polars as pl

from rote.config.names import short_names

AXES = ("task.", "model.", "optim.", "budget.", "precision.name")
IN_OPTIM = {  # controls that are settings of the optimiser (conf/control)
    "optim.optimiser.weight_decay": "weight_decay",
    "optim.clip_norm": "gradient_clipping",
}


def with_setting(
    runs: pl.DataFrame, *, at: Sequence[str], apart_from: Sequence[str] = ()
) -> pl.DataFrame:
    """Add column ``setting``: what differs between runs that are equal in all of ``at``, or "".

    `control_words` names controls; keys that begin with one of ``apart_from`` are left out.
    """
    names = [
        name
        for name in runs.columns
        if name.startswith(AXES) and name not in at and not name.startswith(tuple(apart_from))
    ]
    return runs.with_columns(
        setting=joined_words([*differing_settings(runs, names, at=at), control_words(runs)], ", ")
    )


def differing_settings(
    runs: pl.DataFrame, names: Sequence[str], *, at: Sequence[str]
) -> list[pl.Expr]:
    """Describe those columns of ``names`` that differ between runs equal in all of ``at``.

    Settings that come with a class, and have one value wherever they occur, are left out.
    """
    counts = {name: runs.group_by(at).agg(pl.n_unique(name))[name].max() for name in names}
    differing = [name for name, count in counts.items() if count != 1]
    targets = [name for name in differing if name.endswith("._target_")]
    classes = tuple(name.removesuffix("_target_") for name in targets)
    words = short_names(name.removesuffix("._target_") for name in (*differing, *at))
    return [
        _in_words(name, words[name.removesuffix("._target_")])
        for name in differing
        if name in targets
        or not name.startswith(classes)
        or runs[name].drop_nulls().n_unique() != 1
    ]


def _in_words(name: str, word: str) -> pl.Expr:
    """Format a setting and its value; of a class its own name, as "schedule linear"."""
    value = pl.col(name).str.split(".").list.last() if name.endswith("._target_") else pl.col(name)
    return pl.format(f"{word} {{}}", value)


def control_words(runs: pl.DataFrame) -> pl.Expr:
    """Describe each control of a run with its strength; null without controls.

    The strength is the settings that differ between runs with that control, or else its first
    setting: the first key in the control's YAML is therefore its strength.
    """
    return _or_null([_with_strength(runs, name) for name in _controls(runs)], ", ")


def with_control(runs: pl.DataFrame, *, within: str) -> pl.DataFrame:
    """Add columns ``control`` (its name) and ``control_words``, both null without controls.

    A setting of the optimiser in `IN_OPTIM` is a control if it differs from the most common value
    among runs that share ``within``. Several controls of one run are joined by " + ".
    """
    names, words = list(map(_named, _controls(runs))), [control_words(runs)]
    for key, name in IN_OPTIM.items():
        if key in runs.columns:
            is_other = pl.col(key).ne_missing(pl.col(key).mode().min().over(within))
            names.append(pl.when(is_other).then(pl.lit(name)))
            words.append(pl.when(is_other).then(pl.format(f"{name} {{}}", pl.col(key))))
    return runs.with_columns(control=_or_null(names, " + "), control_words=_or_null(words, " + "))


def _controls(runs: pl.DataFrame) -> list[str]:
    parts = [name.split(".") for name in runs.columns if name.startswith("control.")]
    return sorted({part[1] for part in parts if len(part) > 2})


def _named(name: str) -> pl.Expr:
    return pl.when(pl.col(f"control.{name}._target_").is_not_null()).then(pl.lit(name))


def _with_strength(runs: pl.DataFrame, name: str) -> pl.Expr:
    keys = [key for key in runs.columns if key.startswith(f"control.{name}.")]
    keys = [key for key in keys if not key.endswith("._target_")]
    strengths = [key for key in keys if runs[key].drop_nulls().n_unique() > 1] or keys[:1]
    words = [_in_words(key, word) for key, word in short_names(strengths).items()]
    return pl.concat_str([_named(name), *words], separator=" ")


def joined_words(parts: Sequence[pl.Expr], separator: str) -> pl.Expr:
    """Concatenate words, without those that are null; "" if all are."""
    return pl.concat_str([pl.lit(None, pl.String), *parts], separator=separator, ignore_nulls=True)


def _or_null(parts: Sequence[pl.Expr], separator: str) -> pl.Expr:
    joined = joined_words(parts, separator)
    return pl.when(joined != "").then(joined)


ALONG = "task.num_sequences"  # the axis of a series
POOL = "task.pool"  # references use another pool; it does not name a series
SOURCES = {"rote.tasks.uniform.Uniform": "random tokens", "rote.tasks.text.task.Text": "text"}


def with_series(runs: pl.DataFrame) -> pl.DataFrame:
    """Add columns ``source`` and ``series`` and sort the runs; requires the column ``model``.

    A setting that takes several values for one size of data set, model, precision and seed makes
    separate series and appears in their names, and so do controls; a setting that follows from the
    size does not.
    """
    known = runs.with_columns(
        source=pl.col("task._target_").replace_strict(
            SOURCES, default=pl.col("task._target_").str.split(".").list.last()
        )
    )
    held = [POOL] if POOL in runs.columns else []
    point = ["source", "model", "precision.name", "seed", ALONG, *held]
    names = [name for name in runs.columns if name.startswith(AXES) and name not in point]
    parts = [pl.col("model")]
    if runs["precision.name"].n_unique() > 1:
        parts.append(pl.col("precision.name"))
    parts += differing_settings(known, names, at=point)
    controls = known.select(*point, words=control_words(known)).group_by(point)
    if controls.agg(pl.n_unique("words"))["words"].max() != 1:
        parts.append(control_words(known))
    return known.with_columns(series=joined_words(parts, ", ")).sort(
        "source", "parameters", "series", ALONG, "seed", "run_id"
    )
