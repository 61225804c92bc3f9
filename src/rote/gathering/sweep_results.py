"""Give the results of a sweep to other programs: polars tables, and an xarray data set by axes."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from rote.analysis.metrics import METRICS
from rote.analysis.results import curves_table
from rote.cluster.plan import load_plan
from rote.cluster.status import varying_keys
from rote.core.progress import Progress, no_progress, with_progress
from rote.gathering.runs import collected, sound_runs
from rote.io.outputs import outputs_folder
from rote.io.read import require_no_damage
from rote.ledger.store import Store

if TYPE_CHECKING:
    import xarray

SEQUENCE = "sequence"  # the axis of arrays
UNSET = "none"  # the label of a setting that a run does not have
NEEDED = "xarray is not installed: pip install 'rote[arrays]'"


class SweepResults:
    """The finished runs of a launched sweep; files are read when they are asked for.

    ``outputs`` is the folder with the sweep, by default the one that ROTE_OUTPUTS names. Raises
    ValueError for a sweep that was not launched; each property and method does for a sweep without
    finished runs, or with damaged ones.
    """

    def __init__(
        self, name: str, progress: Progress = no_progress, *, outputs: Path | None = None
    ) -> None:
        self.name = name
        self._store = Store(outputs or outputs_folder())
        self._plan = load_plan(self._store.outputs, name)
        self._progress = progress

    @cached_property
    def runs(self) -> pl.DataFrame:
        """A row a run: settings, stored sums, what is derived from them, and the sweep's axes."""
        found, damaged = sound_runs(self._plan, self._store, self._progress, with_curves=False)
        require_no_damage(damaged)
        return collected(found, self._plan)

    @cached_property
    def curves(self) -> pl.DataFrame:
        """A row for each logged step of each run: run_id, step, tokens, then what was logged."""
        run_ids = with_progress(self.runs["run_id"], "reading curves", self._progress)
        return curves_table({run_id: self._store.run(run_id).curve() for run_id in run_ids})

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The columns of `runs` that tell all runs apart: axes of the sweep, as few as it takes.

        Of a plan from before axes were kept, and of axes that are no columns, the settings that
        vary. Some runs may still share a place, if they differ in more than columns show.
        """
        named = dict.fromkeys(key for point in self._plan.points for key in point.axes)
        columns = [
            f"axis.{name}" if f"axis.{name}" in self.runs.columns else name for name in named
        ]
        found = [name for name in columns if self._num_values([name]) > 1]
        if self._num_values(found) < self.runs.height:
            varying = [key for key in varying_keys(self._plan.specs) if key in self.runs.columns]
            found = list(dict.fromkeys([*found, *varying]))
        most = self._num_values(found)
        for name in reversed(found.copy()):
            rest = [other for other in found if other != name]
            if self._num_values(rest) == most:
                found = rest
        return tuple(found)

    def arrays(self, run_id: str) -> Mapping[str, np.ndarray]:
        """Return the arrays of one run, such as cost.train_code_bits, float32 [N]."""
        return self._store.run(run_id).arrays()

    def sequences(self, *names: str) -> pl.DataFrame:
        """Return a row for each sequence of each run: run_id, the axes, sequence, an array each.

        The arrays must be one number a sequence, and in one run all of one length. Raises
        ValueError for an array that no run has, and for other shapes; a run that lacks all of them
        has no rows.
        """
        tables = [self._rows(run_id, names) for run_id in self.runs["run_id"]]
        there = [table for table in tables if table is not None]
        if not there:
            raise ValueError(f"no run of {self.name!r} has {' or '.join(names) or 'such arrays'}")
        axes = self.runs.select("run_id", *self.axes)
        columns = ("run_id", *self.axes, SEQUENCE, *names)
        stacked = pl.concat(there, how="diagonal")
        return stacked.join(axes, on="run_id", how="left", maintain_order="left").select(columns)

    def dataset(
        self, *columns: str, arrays: Sequence[str] = (), by: Sequence[str] = ()
    ) -> "xarray.Dataset":
        """Return columns of `runs`, and arrays, by the axes of the sweep.

        ``columns`` are by default all metrics that were derived; units are in ``attrs``. ``by``
        names the columns that are dimensions, by default `axes`. A combination without a run is
        NaN; arrays have a further dimension, `sequence`, and shorter ones end in NaN. Raises
        ValueError for unknown columns, for two runs in one place, and without xarray.
        """
        try:
            import xarray
        except ImportError as error:
            raise ValueError(NEEDED) from error
        dims = list(by) or list(self.axes)
        if unknown := [name for name in (*dims, *columns) if name not in self.runs.columns]:
            raise ValueError(f"the runs of {self.name!r} have no column {unknown[0]!r}")
        numbers = {name for name in self.runs.columns if self.runs[name].dtype.is_numeric()}
        shown = list(columns) or [name for name in METRICS if name in numbers - {*dims}]
        coordinates = {dim: self._values(dim) for dim in dims}
        places = self._places(dims, coordinates)
        shape = tuple(len(values) for values in coordinates.values())
        variables: dict[str, Any] = {}
        for name in shown:
            filled = np.full(shape, np.nan)
            filled[places] = self.runs[name].cast(pl.Float64, strict=False).to_numpy()
            variables[name] = (dims, filled, _attributes(name))
        for name in arrays:
            stacked = self._stacked(name)
            block = np.full((*shape, stacked.shape[1]), np.nan, dtype=stacked.dtype)
            block[places] = stacked
            variables[name] = ([*dims, SEQUENCE], block)
        return xarray.Dataset(variables, coords=coordinates, attrs={"sweep": self.name})

    def _rows(self, run_id: str, names: Sequence[str]) -> pl.DataFrame | None:
        held = self.arrays(run_id)
        chosen = {name: held[name] for name in names if name in held}
        if not chosen:
            return None
        shapes = {array.shape for array in chosen.values()}
        if len(shapes) > 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"run {run_id}: {', '.join(chosen)} are not one number a sequence")
        (length,) = next(iter(shapes))
        places = {"run_id": [run_id] * length, SEQUENCE: np.arange(length)}
        return pl.DataFrame({**places, **chosen})

    def _stacked(self, name: str) -> np.ndarray:
        """Return the array of every run, [runs, longest], NaN beyond its end."""
        rows = [self.arrays(run_id).get(name, np.empty(0)) for run_id in self.runs["run_id"]]
        longest = max(map(len, rows))
        if not longest:
            raise ValueError(f"no run of {self.name!r} has {name}")
        if any(row.ndim != 1 for row in rows):
            raise ValueError(f"{name} is not one number a sequence")
        stacked = np.full((len(rows), longest), np.nan, dtype=np.float32)
        for place, row in enumerate(rows):
            stacked[place, : len(row)] = row
        return stacked

    def _num_values(self, names: Sequence[str]) -> int:
        """Return how many combinations of values there are; 1 for no names or unknown ones."""
        known = [name for name in names if name in self.runs.columns]
        return self.runs.select(known).n_unique() if known else 1

    def _labels(self, dim: str) -> list[Any]:
        """Return each run's place along a dimension; a text where it is not set in every run."""
        column = self.runs[dim]
        if column.null_count():
            return column.cast(pl.String).fill_null(UNSET).to_list()
        return column.to_list()

    def _values(self, dim: str) -> list[Any]:
        values = list(dict.fromkeys(self._labels(dim)))
        return sorted(values) if not any(isinstance(value, str) for value in values) else values

    def _places(
        self, dims: Sequence[str], coordinates: Mapping[str, list[Any]]
    ) -> tuple[np.ndarray, ...]:
        """Return the place of each run along each dimension."""
        if not dims:
            raise ValueError(f"no axis of {self.name!r} varies: name dimensions (by)")
        places = []
        for dim in dims:
            place = {value: number for number, value in enumerate(coordinates[dim])}
            places.append([place[value] for value in self._labels(dim)])
        if len(set(zip(*places, strict=True))) < self.runs.height:
            raise ValueError(
                f"runs of {self.name!r} share a place by {', '.join(dims)}: name more dimensions"
            )
        return tuple(map(np.array, places))


def _attributes(name: str) -> dict[str, str]:
    metric = METRICS.get(name)
    return {"long_name": metric.title, "units": metric.unit} if metric else {}
