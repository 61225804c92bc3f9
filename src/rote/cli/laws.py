"""Define the commands that fit laws to runs and plan a training from laws."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, Token

from rote.cli.arguments import CAPACITY, Json, argument, launched_sweeps, whole
from rote.cli.progress import Bar
from rote.cli.screen import Screen, grid, print_json, screen
from rote.io.outputs import outputs_folder
from rote.io.read import require_no_damage
from rote.io.write import named_by_digest, require_writable, sha256_of_file, write_json
from rote.planner.formatting import amount, short
from rote.planner.request import DEVICE_FLOPS_PER_SECOND, PlanRequest

if TYPE_CHECKING:
    from rote.analysis.fit_sections import NotFitted, Runs, Through
    from rote.core.progress import Progress
    from rote.planner.law_estimates import LawEstimates
    from rote.planner.plan import TrainingPlan

QUESTION = "Which law do these runs follow, and how well do they determine its constants?"
COLUMNS = "of a file, e.g. parameters=N,tokens=D*1e9,loss_nats=loss; loss_bits for bits a token"
CLUSTERS = "draw runs of equal ones together: their residuals are alike; without it each alone"
MAX_EXTRACTION = "p_z: probability that one sample is the rest of a training sequence"
NARROW = 120  # columns of a screen

Count = Annotated[Literal["total", "non-embedding"], argument("of parameters", converter=None)]


def positive(meaning: str, **more: Any) -> Parameter:
    """Define a number above 0, such as 1.5b."""
    form = {"converter": _amount, "metavar": "X", "allow_leading_hyphen": True}
    return argument(meaning, **(form | more))


def _amount(_: Any, words: Sequence[Token]) -> float:
    return amount(words[0].value)


def _amounts(_: Any, words: Sequence[Token]) -> tuple[float, ...]:
    return tuple(amount(each) for each in words[0].value.split(","))


SIZES = positive(
    "to look at, as 124m,1.5b; default: a ladder about the best",
    converter=_amounts, show_default=False,
)  # fmt: skip
DEVICE = positive("that one device sustains a second", show_default=short)
FITTED = argument(
    "laws fitted to its runs; without it published ones",
    name="--from", metavar="SWEEP", completer=launched_sweeps,
)  # fmt: skip


def fit(
    source: Annotated[
        str,
        argument(
            "a launched sweep, or a file: .csv, .tsv, .json, .parquet", completer=launched_sweeps
        ),
    ],
    /,
    *,
    law: Annotated[str | None, argument("default: each that the columns of the runs allow")] = None,
    columns: Annotated[str, argument(COLUMNS, metavar="NAME=COLUMN,...")] = "",
    resamples: Annotated[int, whole(0, 10**5, "of the bootstrap")] = 1000,
    clusters: Annotated[
        Literal["parameters", "tokens", "unique_tokens", "flops"] | None,
        argument(CLUSTERS, converter=None),
    ] = None,
    count: Count = "total",
    json: Json = False,
) -> int:
    """Writes outputs/fits/<name>-<digest of the request>/; prints the constants.

    Raises ValueError for runs that are damaged, once laws are fitted to the others.
    """
    from rote.analysis import fit_sections as fits
    from rote.analysis.laws import kinds
    from rote.analysis.laws.law import FitEffort

    outputs = require_writable(outputs_folder())
    effort = FitEffort(num_resamples=resamples, clusters=clusters or "")
    names = [law] if law else kinds.laws()
    with Bar() as progress:
        read = _read_source(source, columns, count, progress)
        fitted, others = fits.fit_laws(names, read.runs, effort, progress)
    if not fitted:
        raise ValueError(_why_none(others))
    asked = [read.asked, names, count, resamples, *([clusters] if clusters else [])]
    folder = outputs / "fits" / named_by_digest(read.name, asked)
    content = {each.name: fits.numbers(each) for each in fitted}
    _write_fit(folder, read.name, fitted, others, content)
    if json:
        print_json({"page": str(folder / "fit.html"), "laws": content})
    console = screen()
    for through in fitted:
        _print_law(console, through)
    for each in others:
        console.say(f"not fitted: {each.name}: {each.reason}", style="dim")
    if len(fitted) > 1:
        console.print(grid(fits.ranking(fitted)))
    console.say(f"{folder / 'fit.html'}")
    require_no_damage(read.damaged)
    return 0


def _why_none(others: "Sequence[NotFitted]") -> str:
    laws: dict[str, list[str]] = {}
    for each in others:
        laws.setdefault(each.reason, []).append(each.name)
    return "; ".join(f"law {', '.join(names)}: {reason}" for reason, names in laws.items())


@dataclass(frozen=True, kw_only=True)
class _Source:
    """The runs that laws are fitted to."""

    name: str
    asked: tuple[str, ...]  # identifies the content, if a source of this name may hold other runs
    runs: "Runs"
    damaged: tuple[str, ...] = ()  # runs that were left out


def _read_source(source: str, columns: str, count: str, progress: "Progress") -> _Source:
    from rote.analysis import fit_sections as fits
    from rote.analysis.csv_runs import measured_rows, read_runs
    from rote.analysis.laws.law import RunCount
    from rote.analysis.quantities.scaling import scaling_runs
    from rote.analysis.tables.cells import SUFFIXES
    from rote.gathering.runs import gathered, needs_columns

    counted = RunCount(count)
    path = Path(source)
    if path.suffix.lower() in SUFFIXES or path.is_file():
        table = read_runs(path, columns)
        runs = fits.Runs(
            columns=lambda law, _: measured_rows(table, law, counted),
            doubts=lambda law, _: table.doubts(table.names_for(law)),
        )
        return _Source(name=path.stem, asked=(sha256_of_file(path), columns), runs=runs)
    if columns:
        raise ValueError("--columns maps those of a CSV file; a sweep's are known")
    plan, results, damaged = gathered(source, progress)
    with needs_columns(plan.name):
        runs = fits.runs_of(scaling_runs(results, counted), counted)
    return _Source(name=plan.name, asked=(), runs=runs, damaged=tuple(damaged))


def _write_fit(
    folder: Path,
    name: str,
    fitted: "Sequence[Through]",
    others: "Sequence[NotFitted]",
    content: Mapping[str, Any],
) -> None:
    import polars as pl

    from rote.analysis import fit_sections as fits
    from rote.analysis.estimate import plural
    from rote.analysis.page import Content
    from rote.analysis.report import reproduce, write_page

    made = Content(
        headlines=tuple(map(fits.headline, fitted)),
        setting=f"{plural(len(fitted), 'law')} through {name}. {fits.LOSS_NOTE}",
        cards=(),
        lead=fits.ranking(fitted),
        sections=tuple(fits.sections(fitted, others)),
        numbers=content,
        table=pl.DataFrame(),
    )
    closing = reproduce([shlex.join(["rote", *sys.argv[1:]])])
    write_page(folder / "fit.html", name=name, question=QUESTION, content=made, closing=closing)
    write_json(folder / "fit.json", content)


def _print_law(console: Screen, through: "Through") -> None:
    from rote.analysis import fit_sections as fits

    console.say(f"{through.name}: {through.fitted.formula}", style="bold")
    shown = fits.constants(through)
    columns = [column for column in shown.columns if column.title != "meaning"]
    console.print(grid(replace(shown, columns=columns)))
    console.say(f"{fits.goodness(through.fitted)}. {fits.method(through.fitted)}.")
    for check in through.fitted.checks:
        console.say(f"{check}.")
    for warning in through.fitted.warnings:
        console.say(f"- {warning}", style="yellow")
    console.print()


def plan(
    *,
    flops: Annotated[float | None, positive("budget of training, 6 N D")] = None,
    loss: Annotated[float | None, positive("held-out nats a token to reach")] = None,
    tokens: Annotated[float | None, positive("distinct ones; the rest are repetitions")] = None,
    params: Annotated[tuple[float, ...], SIZES] = (),
    max_f1: Annotated[float | None, positive("of membership inference, from 0.5 to 1")] = None,
    max_exposure: Annotated[float | None, positive("of canaries, bits")] = None,
    max_extracted: Annotated[float | None, positive("share of training windows")] = None,
    max_extraction: Annotated[float | None, positive(MAX_EXTRACTION)] = None,
    repeats: Annotated[float, positive("of that sequence in the training set")] = 1.0,
    device_flops: Annotated[float, DEVICE] = DEVICE_FLOPS_PER_SECOND,
    from_: Annotated[str | None, FITTED] = None,
    capacity_from: Annotated[str | None, CAPACITY] = None,
    count: Count = "total",
    json: Json = False,
) -> int:
    """Writes outputs/plans/<from>-<digest of the request>/, and prints the table.

    Raises ValueError for runs that are damaged, once laws are fitted to the others.
    """
    from rote.planner.page import plan_json, write_plan
    from rote.planner.plan import make_plan

    request = PlanRequest(
        flops=flops,
        loss_nats=loss,
        tokens=tokens,
        parameters=params,
        max_f1=max_f1,
        max_exposure_bits=max_exposure,
        max_extracted=max_extracted,
        max_p_z=max_extraction,
        repeats=repeats,
        device_flops_per_second=device_flops,
    )
    outputs = require_writable(outputs_folder())
    with Bar() as progress:
        estimates, damaged = _estimates(from_, capacity_from, count, progress)
        progress("planning", 0, None)
        made = make_plan(request, estimates)
    name = named_by_digest(from_ or "published", [asdict(request), count])
    folder = outputs / "plans" / name
    content = plan_json(made)
    write_plan(made, folder / "plan.html", shlex.join(["rote", *sys.argv[1:]]))
    write_json(folder / "plan.json", content)
    if json:
        print_json({"page": str(folder / "plan.html"), **content})
    console = screen()
    _print_plan(console, made)
    console.say(f"{folder / 'plan.html'}")
    require_no_damage(damaged)
    return 0


def _estimates(
    sweep: str | None, capacity_from: str | None, count: str, progress: "Progress"
) -> "tuple[LawEstimates, list[str]]":
    """Return fitted or published laws, and why runs of the sweep were left out."""
    from rote.analysis.laws.law import RunCount
    from rote.analysis.quantities.scaling import scaling_runs
    from rote.gathering.runs import gathered, needs_columns
    from rote.planner.fitted import fitted_estimates, published_estimates

    if sweep is None:
        return published_estimates(), []
    launched, results, damaged = gathered(sweep, progress, capacity_from=capacity_from)
    progress("fitting laws", 0, None)
    counted = RunCount(count)
    with needs_columns(launched.name):
        runs = scaling_runs(results, counted)
        return fitted_estimates(launched.name, runs, counted, results.alphas), damaged


def _print_plan(console: Screen, made: "TrainingPlan") -> None:
    from rote.planner.checks import checks
    from rote.planner.page import sizes
    from rote.planner.wording import answer, notes

    for line in answer(made):
        console.say(line, style="bold")
    is_narrow = console.width < NARROW
    table = sizes(made, is_narrow=is_narrow, is_brief=True)
    styles = [
        "bold" if index == made.best else "dim" if row.breaks else ""
        for index, row in enumerate(made.rows)
    ]
    if table.folded:
        console.say(f"The same in all rows: {table.folded}.")
    console.print(grid(table, styles=styles, is_stacked=True, box=None, header_style="bold"))
    if is_narrow:
        console.print("plan.html has more columns, as a wider screen would", style="dim")
    for note in notes(made):
        console.say(f"- {note}")
    console.print("Check it on the trained model:", style="bold")
    for check in checks(made):
        console.say(f"- {check.measures}: {check.expects}")
        console.say(f"  {check.command}", style="dim")
