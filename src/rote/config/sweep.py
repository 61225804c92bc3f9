"""Read a sweep file, which states one question, one grid and one report, and list its points.

grid.product   axis -> values, all combinations
grid.zip       axis -> values, paired by position (all of one length)
grid.cases     name -> cases, each of them settings that belong together; all combinations of cases
grid.derive    key -> expression over axes, configuration, P (parameters) and keys derived before
grid.filter    expressions that see derived keys too; a point stays where all hold

An axis is a configuration key or group, or a name of its own that an expression uses.
"""

import ast
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from simpleeval import DEFAULT_OPERATORS, EvalWithCompoundTypes, InvalidExpression
from yaml import YAMLError

from rote.config.choices import own_place, unknown
from rote.config.compose import OWN, Composer
from rote.config.folders import sweep_files
from rote.config.grammar import parse, swept_values, written
from rote.config.own_choices import own_contents
from rote.config.primary import Primary
from rote.config.trust import allow_chosen, allow_chosen_before, require_allowed
from rote.core.units import sequences_holding
from rote.io.outputs import below

FUNCTIONS = {
    "round": round, "floor": math.floor, "ceil": math.ceil, "min": min, "max": max,
    "sqrt": math.sqrt, "log2": math.log2, "sequences_holding": sequences_holding,
}  # fmt: skip
ZIP = "grid.zip"  # as an override: axes paired by position, a dictionary of lists
FILTER = "grid.filter"  # as an override: a list of further expressions that must hold
PARAMETERS = "P"  # in an expression: the exact parameter count of the point's model

CountParameters = Callable[[Mapping[str, Any]], int]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Defines the points by their axes; raises ValueError for a part of the wrong shape."""

    product: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    zip: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    cases: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    derive: Mapping[str, str] = field(default_factory=dict)
    filter: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("product", "zip", "cases", "derive"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"grid.{name} must be keys with values: {getattr(self, name)!r}")
        if not isinstance(self.filter, list | tuple):  # a text would be read letter by letter
            raise ValueError(f"grid.filter must be a list of expressions: [{self.filter}]")
        for key, values in (*self.zip.items(), *self.cases.items()):
            if not isinstance(values, list | tuple):
                raise ValueError(f"grid: {key} must have a list of values: {values!r}")
        for case in itertools.chain(*self.cases.values()):
            if not isinstance(case, Mapping):
                raise ValueError(f"grid.cases must hold settings, KEY: VALUE, got {case!r}")
        lengths = {key: len(values) for key, values in self.zip.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"grid.zip needs axes of one length, got {lengths}")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A question and the runs that answer it; raises ValueError for a key of the wrong type."""

    name: str
    question: str
    report: str  # the kind of report
    fixed: Mapping[str, Any]
    grid: Grid
    capacity_from: str = ""  # the sweep whose reported capacity scales the report; "": published

    def __post_init__(self) -> None:
        if not isinstance(self.report, str):
            raise ValueError(f"report must name a kind of report: {self.report!r}")
        if not isinstance(self.fixed, Mapping):
            raise ValueError(f"fixed must be keys with values: {self.fixed!r}")
        if self.capacity_from:
            if not isinstance(self.capacity_from, str):
                raise ValueError(f"capacity_from must name a sweep: {self.capacity_from!r}")
            below(Path(), "capacity_from", self.capacity_from)

    def axes(self) -> list[dict[str, Any]]:
        """Return every combination of the axes, before filters and derived keys."""
        names = list(self.grid.product)
        products = itertools.product(*(_values(self.grid.product[name]) for name in names))
        rows = [dict(zip(names, values, strict=True)) for values in products]
        for cases in self.grid.cases.values():
            rows = [row | dict(case) for row in rows for case in cases]
        if not self.grid.zip:
            return rows
        side_by_side = zip(*self.grid.zip.values(), strict=True)
        zipped = [dict(zip(self.grid.zip, values, strict=True)) for values in side_by_side]
        return [row | extra for row in rows for extra in zipped]


def load_sweep(name: str) -> Sweep:
    """Load a sweep by name; raises ValueError for a name or a key that is not known."""
    files = sweep_files()
    if name not in files:
        raise unknown("sweep", name, files, own=own_place("sweeps", name))
    return read_sweep(files[name])


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file; raises ValueError naming the file where it is not a sweep."""
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except (YAMLError, OmegaConfBaseException) as error:
        raise ValueError(f"{path} is not a sweep: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a sweep: it holds no keys")
    allowed = ("question", "report", "capacity_from", "fixed", "grid")
    if wrong := set(map(str, content)) - set(allowed):
        raise unknown(f"{path.name}: key", min(wrong), allowed)
    try:
        return Sweep(
            name=path.stem,
            question=content["question"],
            report=content["report"],
            capacity_from=content.get("capacity_from") or "",
            fixed=content.get("fixed") or {},
            grid=Grid(**(content.get("grid") or {})),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is not a sweep: {error}") from error


def with_overrides(sweep: Sweep, overrides: Sequence[str], primary: Primary = OWN) -> Sweep:
    """Return the sweep as changed on the command line: a value for an axis replaces the axis.

    ``primary`` lists the choices of each group, for ``glob()``. Code that the command line names is
    allowed in this process; what the file names is checked. Raises ValueError for what is not an
    override, deletes a key, or has values that cannot be listed.
    """
    fixed, product = dict(sweep.fixed), dict(sweep.grid.product)
    zipped, derive = dict(sweep.grid.zip), dict(sweep.grid.derive)
    cases = {name: [dict(case) for case in listed] for name, listed in sweep.grid.cases.items()}
    filters = [*sweep.grid.filter]
    for override in parse(overrides):
        key, name = override.key_or_group, override.get_key_element()
        if override.is_delete():
            raise ValueError(f"{override.input_line!r}: a key cannot be taken away")
        if key == FILTER:
            filters += map(str, _values(override.value()))
            continue
        is_swept = override.is_sweep_override()
        given: Any = swept_values(override, primary.choices) if is_swept else override.value()
        side_by_side = _side_by_side(override) if key == ZIP else {}
        chosen = side_by_side or {key: given}
        allow_chosen([chosen, *(own_contents(*each) for each in chosen.items())])
        for axis in chosen:
            for axes in (fixed, product, zipped, derive, *itertools.chain(*cases.values())):
                axes.pop(axis, None)
        if side_by_side:
            zipped |= side_by_side
        elif is_swept or key in sweep.grid.product:
            product[name] = given if is_swept else [given]
        else:
            fixed[name] = given
    grid = Grid(product=product, zip=zipped, cases=cases, derive=derive, filter=filters)
    return replace(sweep, fixed=fixed, grid=grid)


def as_grid(jobs: Sequence[Sequence[str]]) -> list[str]:
    """Return the overrides of the grid with exactly these points; a lone job may already be a grid.

    Raises ValueError where two jobs set different keys.
    """
    if len(jobs) == 1:
        return list(jobs[0])
    settings = [{each.get_key_element(): each.value() for each in parse(job)} for job in jobs]
    if wrong := next((s for s in settings if set(s) != set(settings[0])), None):
        raise ValueError(
            f"jobs of one sweep set the same keys: {_lines(settings[0])}, {_lines(wrong)}"
        )
    axes = {key: [setting[key] for setting in settings] for key in settings[0]}
    zipped = {key: values for key, values in axes.items() if len(set(map(written, values))) > 1}
    fixed = {key: values[0] for key, values in axes.items() if key not in zipped}
    return _lines(fixed | ({ZIP: zipped} if zipped else {}))


@dataclass(frozen=True)
class GridPoint:
    """One combination of the axes, and the overrides that configure it."""

    axes: Mapping[str, Any]  # the value of each axis, also of those that only expressions use
    overrides: list[str]


def grid_points(sweep: Sweep, composer: Composer, count: CountParameters) -> Iterator[GridPoint]:
    """Yield every point; ``count`` returns the number of parameters of a configuration's model.

    Raises ValueError where no point is left, where an expression or a key is wrong, and where the
    sweep names code that is not allowed: its file may be somebody else's.
    """
    num_points = 0
    source, grid = f"sweep {sweep.name!r}", sweep.grid
    named = [sweep.fixed, grid.product, grid.zip, grid.cases]
    allow_chosen_before(named)
    require_allowed(named, source)
    used = _names([*grid.derive.values(), *grid.filter])
    fixed = _lines(sweep.fixed)
    for axes in sweep.axes():
        own = {key for key in axes if key in used and key != "seed" and not composer.is_group(key)}
        overrides = fixed + _lines({k: v for k, v in axes.items() if k not in own})
        composer.require_chosen(overrides, source)
        if grid.derive or grid.filter:
            names = axes | composer.config(overrides)
            if PARAMETERS in used:
                names[PARAMETERS] = count(names)
            derived: dict[str, Any] = {}
            for key, text in grid.derive.items():
                derived[key] = _evaluate(text, names)
                names = _with_key(names, key, derived[key])
            if not all(_evaluate(text, names) for text in grid.filter):
                continue
            require_allowed(derived, source)
            overrides += _lines(derived)
            composer.require_chosen(overrides, source)
        num_points += 1
        yield GridPoint(axes, overrides)
    if not num_points:
        raise ValueError(f"{source} has no points: an axis is empty or a filter too strict")


def _with_key(names: Any, key: str, value: Any) -> dict[str, Any]:
    """Return the names with one more value; the mappings on the way to it are copied."""
    first, _, rest = key.partition(".")
    held = names if isinstance(names, Mapping) else {}  # composing refuses a key inside a value
    return {**held, first: _with_key(held.get(first), rest, value) if rest else value}


def _side_by_side(override: Override) -> dict[str, list[Any]]:
    value = override.value()
    if not isinstance(value, dict) or not all(isinstance(axis, list) for axis in value.values()):
        raise ValueError(f"{ZIP} must be like {{seed:[0,1],size:[80k,93k]}}, got {value!r}")
    return {str(key): axis for key, axis in value.items()}


def _values(values: Any) -> Sequence[Any]:
    return values if isinstance(values, list | tuple) else [values]


def _lines(settings: Mapping[str, Any]) -> list[str]:
    return [f"{key}={written(value)}" for key, value in settings.items()]


def _names(expressions: Sequence[str]) -> set[str]:
    try:
        trees = [ast.parse(str(text), mode="eval") for text in expressions]
    except SyntaxError as error:
        raise ValueError(f"grid: cannot read the expression {error.text!r}") from error
    return {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _equal(left: Any, right: Any) -> bool:
    """Compare; raises ValueError for a group and a name, which would silently be unequal."""
    for settings, name in ((left, right), (right, left)):
        if isinstance(settings, dict) and isinstance(name, str):
            raise ValueError(
                f"{name!r} is compared with a group, which stands for its settings: "
                f"compare one of them ({', '.join(settings) or 'it has none'})"
            )
    return bool(left == right)


def _among(item: Any, items: Any) -> bool:
    if isinstance(items, list | tuple):
        return any(_equal(item, each) for each in items)
    return item in items


OPERATORS = DEFAULT_OPERATORS | {
    ast.Eq: _equal,
    ast.NotEq: lambda left, right: not _equal(left, right),
    ast.In: _among,
    ast.NotIn: lambda item, items: not _among(item, items),
}


def _evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    evaluator = EvalWithCompoundTypes(names=dict(names), functions=FUNCTIONS, operators=OPERATORS)
    try:
        return evaluator.eval(str(expression))
    except (InvalidExpression, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"grid: {expression!r}: {error}") from error
