"""What tells runs apart, in words: settings that differ, and the controls of a run."""

from collections.abc import Sequence

import polars as pl

AXES = ("task.", "model.", "optim.", "budget.", "precision.name")
IN_OPTIM = {  # controls that are settings of the optimiser (conf/control)
    "optim.optimiser.weight_decay": "weight_decay",
    "optim.clip_norm": "gradient_clipping",
}


def with_setting(
    runs: pl.DataFrame, *, at: Sequence[str], apart_from: Sequence[str] = ()
) -> pl.DataFrame:
    """Column ``setting`` added: what differs between runs that are equal in all of ``at``, or "".

    Controls are told by `control_words`; keys that begin with one of ``apart_from`` are not told.
    """
    names = [name for name in runs.columns if name.startswith(AXES) and name not in at]
    names = [name for name in names if not name.startswith(tuple(apart_from) or "\0")]
    parts = told_settings(runs, names, at=at)
    words = pl.concat_str([*parts, control_words(runs)], separator=", ", ignore_nulls=True)
    return runs.with_columns(setting=words)


def told_settings(runs: pl.DataFrame, names: Sequence[str], *, at: Sequence[str]) -> list[pl.Expr]:
    """Those of the columns ``names`` that differ between runs equal in all of ``at``, in words.

    What comes with a class, and has one value wherever it is there, is told by the class.
    """
    differing = [
        name for name in names if runs.group_by(at).agg(pl.n_unique(name))[name].max() != 1
    ]
    classes = tuple(
        name.removesuffix("_target_") for name in differing if name.endswith("._target_")
    )
    return [
        _told(name)
        for name in differing
        if name.endswith("._target_")
        or not (name.startswith(classes or "\0") and runs[name].drop_nulls().n_unique() == 1)
    ]


def _told(name: str) -> pl.Expr:
    """The last word of a key and its value; a class as what it is of: schedule linear."""
    if (noun := name.removesuffix("._target_")) != name:
        return pl.format(f"{noun.rpartition('.')[2]} {{}}", pl.col(name).str.split(".").list.last())
    return pl.format(f"{name.rpartition('.')[2]} {{}}", pl.col(name))


def control_words(runs: pl.DataFrame) -> pl.Expr:
    """Each control of a run with its strength; null without any.

    A strength is what differs between runs with that control, or else its first setting.
    """
    words = [_words(runs, name) for name in _controls(runs)]
    joined = pl.concat_str(words, separator=", ", ignore_nulls=True) if words else pl.lit("")
    return pl.when(joined != "").then(joined)


def with_control(runs: pl.DataFrame, *, within: str) -> pl.DataFrame:
    """Columns ``control``, its name, and ``control_words``, both null for a run without any.

    A setting of the optimiser that is one of `IN_OPTIM` is a control where it is not what most
    runs have that share ``within``. Several controls of one run are told as one.
    """
    names: list[pl.Expr] = [pl.lit(None, pl.String), *map(_named, _controls(runs))]
    words = [control_words(runs)]
    for key, name in IN_OPTIM.items():
        if key in runs.columns:
            usual = pl.col(key).mode().min().over(within)
            is_other = pl.col(key).ne_missing(usual)
            names.append(pl.when(is_other).then(pl.lit(name)))
            words.append(pl.when(is_other).then(pl.format(f"{name} {{}}", pl.col(key))))
    control, told = (
        pl.concat_str(parts, separator=" + ", ignore_nulls=True) for parts in (names, words)
    )
    return runs.with_columns(
        control=pl.when(control != "").then(control), control_words=pl.when(told != "").then(told)
    )


def _controls(runs: pl.DataFrame) -> list[str]:
    parts = [name.split(".") for name in runs.columns if name.startswith("control.")]
    return sorted({part[1] for part in parts if len(part) > 2})


def _named(name: str) -> pl.Expr:
    return pl.when(pl.col(f"control.{name}._target_").is_not_null()).then(pl.lit(name))


def _words(runs: pl.DataFrame, name: str) -> pl.Expr:
    keys = [key for key in runs.columns if key.startswith(f"control.{name}.")]
    keys = [key for key in keys if not key.endswith("._target_")]
    told = [key for key in keys if runs[key].drop_nulls().n_unique() > 1] or keys[:1]
    parts = [pl.format(f"{key.rpartition('.')[2]} {{}}", pl.col(key)) for key in told]
    return pl.concat_str([_named(name), *parts], separator=" ") if parts else _named(name)
