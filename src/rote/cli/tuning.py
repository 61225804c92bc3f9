"""Search for the settings with the best value of a metric: Optuna proposes trials, rote runs them.

A search keeps no state of its own. Its sampler is seeded, and the value of a trial is read from the
record of its run. So the same command proposes the same trials again, trains those that have no
record yet, and goes on from there.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import optuna
import polars as pl
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from rote.analysis.metrics import METRICS, SHARES, derive, metric_of
from rote.analysis.results import FinishedRun, table_of
from rote.cli.launching import launch_sweep, renamed
from rote.cli.progress import Bar
from rote.cli.screen import Failed, screen
from rote.config.choices import unknown
from rote.config.compose import Composer
from rote.config.data_resolver import DataResolver
from rote.config.grammar import parse, swept_values, written
from rote.config.primary import Primary
from rote.config.sweep import Grid, Sweep, as_grid, with_overrides
from rote.core.checks import require_choice, require_whole
from rote.io.outputs import outputs_folder
from rote.ledger.spec import Spec
from rote.ledger.store import Store

DIRECTIONS = ("maximize", "minimize")  # as Optuna spells them
EXAMPLE = "'optim.optimiser.lr=tag(log,interval(1e-3,1e-1))'"
DIGITS = 6  # of a number that is searched, so that commands and tables stay readable
NOT_MEASURED = ("circumstances", "training")  # columns of every run

Space = Mapping[str, BaseDistribution]
Settings = Mapping[str, Any]  # key -> value of one trial
Evaluate = Callable[[Sequence[Settings]], Sequence[float | None]]  # None: the trial failed


@dataclass(frozen=True, kw_only=True)
class Search:
    """The settings of `hydra/sweeper=rote_optuna`; raises ValueError for an unusable one."""

    metric: str  # a name of `rote.analysis.metrics`
    direction: str
    num_trials: int
    trials_at_once: int
    seed: int  # of the sampler

    def __post_init__(self) -> None:
        require_choice("hydra.sweeper.direction", self.direction, DIRECTIONS)
        require_whole("hydra.sweeper.num_trials", self.num_trials, 1)
        require_whole("hydra.sweeper.trials_at_once", self.trials_at_once, 1)
        require_whole("hydra.sweeper.seed", self.seed, 0, 2**32 - 1)
        known = [
            name
            for name, metric in METRICS.items()
            if metric.expression is not None or name.startswith("training.")
        ]
        if self.metric not in known and self.metric.partition(".")[0] not in SHARES:
            raise unknown("hydra.sweeper.metric", self.metric, known)

    @property
    def words(self) -> list[str]:
        """Return the settings that decide on the trials: a higher number continues a search."""
        settings = asdict(self).items()
        return [f"hydra.sweeper.{key}={value}" for key, value in settings if key != "num_trials"]


def tune(search: Search, overrides: Sequence[str], primary: Primary, *, dry_run: bool) -> int:
    """Search and print the best trial; a dry run plans the first trials and trains nothing.

    Raises ValueError for overrides without anything to search, Failed if every trial failed.
    """
    space, fixed = space_of(overrides, primary)
    runs = TrialRuns(search, overrides, fixed, primary)
    study = study_of(search)
    if dry_run:
        runs.add(ask(study, space, min(search.trials_at_once, search.num_trials)))
        return runs.launch(dry_run=True)
    run_trials(study, search, space, runs.evaluate)
    if runs.num_launched < len(runs.jobs):
        runs.launch()
    _print_best(study, search, runs)
    return 0


def space_of(overrides: Sequence[str], primary: Primary) -> tuple[Space, list[str]]:
    """Return the distribution of each searched key, and the overrides that all trials share.

    An interval is continuous, or whole as in ``int(interval(2,8))``; a range has its steps;
    ``tag(log,...)`` searches either in logarithms; other values are choices without an order.
    Raises ValueError where nothing is searched and for values that cannot be.
    """
    space: dict[str, BaseDistribution] = {}
    fixed: list[str] = []
    for override in parse(overrides):
        if override.is_sweep_override():
            space[override.get_key_element()] = _distribution(override, primary)
        else:
            fixed.append(str(override.input_line))
    if not space:
        raise ValueError(f"there is nothing to search: give a key an interval, like {EXAMPLE}")
    return space, fixed


def study_of(search: Search) -> optuna.Study:
    """Return an empty study in memory, whose sampler proposes the same trials each time."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=search.seed)
    direction = optuna.study.StudyDirection[search.direction.upper()]
    return optuna.create_study(direction=direction, sampler=sampler)


def ask(study: optuna.Study, space: Space, num_trials: int) -> list[Settings]:
    """Return the settings of so many further trials."""
    return [study.ask(dict(space)).params for _ in range(num_trials)]


def run_trials(study: optuna.Study, search: Search, space: Space, evaluate: Evaluate) -> None:
    """Carry out all trials in batches; a failed one counts as worse than any that has a value."""
    while left := search.num_trials - len(study.trials):
        first = len(study.trials)
        values = evaluate(ask(study, space, min(left, search.trials_at_once)))
        for number, value in enumerate(values, start=first):
            study.tell(number, value, TrialState.PRUNED if value is None else None)


class TrialRuns:
    """The runs of a search: one sweep, which grows by a batch at a time."""

    def __init__(
        self, search: Search, overrides: Sequence[str], fixed: Sequence[str], primary: Primary
    ) -> None:
        sweep = Sweep(
            name="tune", question=f"Which settings {search.direction} {search.metric}?",
            report="capacity", fixed={}, grid=Grid(),
        )  # fmt: skip
        self.sweep = renamed(sweep, [*overrides, *search.words], primary)
        self.jobs: list[list[str]] = []  # the overrides of each trial
        self.run_ids: list[str] = []
        self.num_launched = 0
        self._metric = search.metric
        self._fixed, self._primary, self._composer = fixed, primary, Composer(primary)
        self._store = Store(outputs_folder())

    def add(self, batch: Sequence[Settings]) -> None:
        """Add trials to those that are launched next."""
        self.jobs += [[*self._fixed, *map(_line, each, each.values())] for each in batch]

    def launch(self, *, dry_run: bool = False) -> int:
        """Launch the trials so far and wait for their end; those with a record are not trained."""
        self.num_launched = len(self.jobs)
        return launch_sweep(self._grid(), self._composer, dry_run=dry_run, wait=True)

    def evaluate(self, batch: Sequence[Settings]) -> list[float | None]:
        """Return the metric of each trial, None where its run failed; train those without a record.

        Raises ValueError if runs do not hold the metric, Failed if they were stopped.
        """
        self.add(batch)
        self._grid()  # allows the code that the command line names
        with Bar() as progress:
            resolver = DataResolver(progress)
            new = self.jobs[-len(batch) :]
            specs = [Spec.from_config(resolver.resolved(self._composer.config(job))) for job in new]
        _require_measured(self._metric, specs[0])
        self.run_ids += [spec.run_id for spec in specs]
        if self._unfinished():
            self.launch()
        if unfinished := self._unfinished():
            raise Failed(
                f"{len(unfinished)} runs of {self.sweep.name} have not ended: "
                "the same command goes on with them"
            )
        return [self._value(spec.run_id) for spec in specs]

    def _grid(self) -> Sweep:
        return with_overrides(self.sweep, as_grid(self.jobs), self._primary)

    def _unfinished(self) -> list[str]:
        folders = map(self._store.run, self.run_ids)
        return [run.run_id for run in folders if not run.is_done() and run.failure() is None]

    def _value(self, run_id: str) -> float | None:
        run = self._store.run(run_id)
        if not run.is_done():
            return None
        table = derive(table_of([FinishedRun(run.record(), run.circumstances())]))
        value = table[self._metric][0] if self._metric in table.columns else None
        if not isinstance(value, int | float) or not isfinite(value):
            raise ValueError(f"run {run_id} holds no number {self._metric!r}: search for another")
        return float(value)


def _line(key: str, value: Any) -> str:
    if isinstance(value, float):
        value = float(f"{value:.{DIGITS}g}")
    return f"{key}={value}"  # choices are texts, as the command line has them


def _distribution(override: Override, primary: Primary) -> BaseDistribution:
    values, line = override._value, override.input_line
    try:
        if isinstance(values, IntervalSweep):
            return _numbers([values.start, values.end], values.tags)
        listed = swept_values(override, primary.choices)
        if isinstance(values, RangeSweep) and listed:
            return _numbers(listed, values.tags, step=abs(values.step))
        return CategoricalDistribution([written(value) for value in listed])
    except ValueError as error:
        raise ValueError(str(error) if repr(line) in str(error) else f"{line!r}: {error}") from None


def _numbers(values: Sequence[Any], tags: set[str], **step: Any) -> BaseDistribution:
    if tags - {"log"}:
        raise ValueError(f"the tag of a search is log, got {', '.join(sorted(tags))}")
    is_whole = all(isinstance(value, int) for value in values)
    kind: Any = IntDistribution if is_whole else FloatDistribution
    return kind(min(values), max(values), log="log" in tags, **step)


def _require_measured(name: str, spec: Spec) -> None:
    """Raises ValueError before training if the metric needs a measure that is not chosen."""
    expression = METRICS[name].expression if name in METRICS else None
    roots = expression.meta.root_names() if isinstance(expression, pl.Expr) else []
    families = {root.partition(".")[0] for root in roots if "." in root}
    missing = families - {*NOT_MEASURED, *spec.what, *spec.what["measure"]}
    if missing:
        raise ValueError(f"metric {name!r} needs the measure {min(missing)}: measure=[...]")


def _print_best(study: optuna.Study, search: Search, runs: TrialRuns) -> None:
    values = [trial for trial in study.trials if trial.value is not None]
    if not values:
        raise Failed(f"all {len(study.trials)} trials failed: rote status {runs.sweep.name}")
    best = study.best_trial
    metric, console = metric_of(search.metric), screen()
    value = metric.amount(study.best_value)
    number = f"trial {best.number + 1} of {len(study.trials)}"
    console.print(f"best: {metric.title} {value}, {number}, run {runs.run_ids[best.number]}")
    console.say(f"rote train {shlex.join(runs.jobs[best.number])}")
