"""The report on leakage: membership, exposure and extraction against size, data and repeats."""

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean
from typing import Any

from rote.analysis.content import Block, Card, Content, Heading, Section, Text
from rote.analysis.estimators import mean_of_estimates
from rote.analysis.fits.membership_law import MembershipLaw
from rote.analysis.metrics import Metric
from rote.analysis.plot import Plot
from rote.analysis.quantities.leakage import GUESSES
from rote.analysis.reports.leakage import captions, law, plots, tables, wording
from rote.analysis.reports.leakage.law import Fitted
from rote.analysis.reports.leakage.law_plot import law_plot
from rote.analysis.reports.leakage.sizes import Row
from rote.analysis.reports.leakage.study import LOSS, Study, study
from rote.analysis.results import Results

Numbers = Iterator[tuple[str, dict[str, Any]]]


def make(results: Results) -> Content:
    """Raises ValueError where there are no runs, or none of them measured leakage."""
    found = study(results)
    runs = found.runs
    drawn = _plots(found)
    lead = next(iter(drawn.values()), None)
    return Content(
        headlines=wording.headlines(found),
        setting=wording.setting(found),
        cards=tuple(_card(found, kind) for kind in found.kinds),
        lead=lead,
        sections=_sections(found, drawn, lead),
        numbers=dict(_numbers(found)),
        table=runs,
        arrays_of=tuple(dict.fromkeys([*runs["run_id"], *runs["oracle_id"].drop_nulls()])),
    )


def _plots(found: Study) -> dict[str, Plot]:
    """Of every part that was measured; the first leads the page."""
    wanted = (
        (found.laws, law_plot),
        (found.scored, plots.scores_plot),
        (found.has_shadows, plots.shadows_plot),
        (found.planted, plots.exposure_plot),
        (found.has_tried, plots.canaries_plot),
        (found.windows, plots.windows_plot),
        (found.runs[LOSS].count(), plots.risk_plot),
        (found.compared, plots.sizes_plot),
    )
    made = [plot(found) for is_there, plot in wanted if is_there]
    return {plot.name: plot for plot in made}


def _card(found: Study, kind: Metric) -> Card:
    """The level in the smallest and the largest size, then what lies between them."""
    levels = [row for row in found.levels if row["kind"] is kind]
    known = [one for one in found.series if any(row["series"] == one for row in levels)]
    ends = list(dict.fromkeys([known[0], known[-1]]))
    overall = next((row for row in found.compared if row["kind"] is kind), None)
    means = [
        mean_of_estimates([row["level"] for row in levels if row["series"] == one]) for one in ends
    ]
    values = [mean.value for mean in means]
    if overall:
        values = [overall["smaller"], overall["larger"]]
    lines = [f"{one}: {mean.words(kind.form)}" for one, mean in zip(ends, means, strict=True)]
    if overall:
        lines.append(
            f"difference {overall['apart'].words(kind.signed)}: {wording.verdict(overall)}"
        )
    if kind.name == "f1" and found.laws:
        fitted = found.laws[0]
        lines.append(
            f"{law.halfway(fitted)}."
            if isinstance(fitted.law, MembershipLaw)
            else f"No law in {fitted.name}: {fitted.law.reason}."
        )
    guess = kind.form.format(GUESSES[kind.name])
    return Card(
        title=wording.sentence(kind.title),
        meaning=f"mean over N and seeds in {' and in '.join(ends)}; a guess: {guess}",
        value=" \N{RIGHTWARDS ARROW} ".join(map(kind.form.format, values)),
        unit=kind.unit,
        lines=[Text(words=line) for line in lines],
    )


def _sections(found: Study, drawn: Mapping[str, Plot], lead: Plot | None) -> tuple[Section, ...]:
    def shown(name: str, has_any: object, missing: str) -> list[Block]:
        if name in drawn:
            return [drawn[name]] if drawn[name] is not lead else []
        return [] if has_any else [Text(words=missing, is_html=True)]

    cautions = [Text(words=line, is_warning=True) for line in wording.cautions(found)]
    without_law = captions.NO_COST if found.scored else captions.NO_MEMBERSHIP
    has_loss = found.runs[LOSS].count()
    membership = [*cautions, *shown("membership_law", found.laws, without_law), *_law_blocks(found)]
    scores = [
        *shown("scores", found.scored, captions.NO_MEMBERSHIP),
        *([tables.score_table(found.scored)] if found.scored else []),
        Heading(title="Beside models of other seeds"),
        *shown("shadows", found.shadowed, captions.NO_SHADOWS),
        *([tables.score_table(found.shadowed)] if found.shadowed else []),
    ]
    extraction = [
        *shown("canaries_extracted", found.has_tried, captions.NO_CANARIES_TRIED),
        *shown("windows_extracted", found.windows, captions.NO_WINDOWS),
        *([tables.window_table(found)] if found.windows else []),
    ]
    risk = [
        *shown("risk", has_loss, captions.NO_LOSS),
        *([tables.loss_table(found)] if has_loss else []),
        *shown("sizes", found.compared, captions.ONE_SIZE),
        *([tables.compared_table(found)] if found.compared else []),
    ]
    exposure = [*shown("exposure", found.planted, captions.NO_EXPOSURE), *_exposure_blocks(found)]
    runs: list[Block] = [tables.run_table(found), Text(words=captions.NOTE, is_html=True)]
    return tuple(
        Section(title=title, blocks=blocks)
        for title, blocks in (
            ("Membership", membership),
            ("Scores compared", scores),
            ("Exposure against repeats", exposure),
            ("Extraction against repeats and data", extraction),
            ("Capacity and risk", risk),
            ("Runs", runs),
        )
    )


def _law_blocks(found: Study) -> list[Block]:
    """Constants, checks, and what the law says of the published models."""
    if not found.laws:
        return []
    sources = dict.fromkeys(
        f"{run['alpha']:.2f} bits per parameter ({run['alpha_source']})"
        for run in found.laws[0].runs.iter_rows(named=True)
    )
    lines = [
        f"Capacity C of the runs: {'; '.join(sorted(sources))}; of the published models: 3.64."
    ]
    for fitted in found.laws:
        if isinstance(fitted.law, MembershipLaw):
            lines += [law.check_line(fitted), law.beyond_line(fitted), *law.doubts(fitted)]
        else:
            lines.append(f"{law.line(fitted)}.")
    fitted_laws = tables.law_table(found)
    return [
        *([fitted_laws] if fitted_laws.rows else []),
        *(Text(words=line) for line in lines),
        tables.forecast_table(found),
    ]


def _exposure_blocks(found: Study) -> list[Block]:
    if not found.planted:
        return []
    lines = (wording.controls_line(found), wording.fits_line(found))
    return [
        tables.planted_table(found),
        *(Text(words=f"{line}.") for line in lines),
        *([tables.control_table(found)] if found.controls else []),
    ]


def _numbers(found: Study) -> Numbers:
    """For the manifest, each by a name that is unique within the report."""
    for fitted in found.laws:
        yield f"membership law {fitted.reading.value}", _law_numbers(fitted)
    yield from _score_numbers(found.scored, "")
    yield from _score_numbers(found.shadowed, " beside shadows")
    for row in found.planted:
        extracted, exposure = row["extracted"], row["exposure"]
        yield (
            f"exposure, {_place(row)}, {row['repeats']} repeats",
            {
                "mean_bits": exposure.value,
                "interval_bits": exposure.interval,
                "extracted": extracted and extracted.value,
                "runs": row["runs"],
            },
        )
    for row in found.windows:
        yield (
            f"windows extracted, {_place(row)}, prefix {row['prefix']}",
            {
                "excess": row["excess"].value,
                "interval": row["excess"].interval,
                "runs": row["runs"],
            },
        )
    for row in found.compared:
        where = "all N" if row["N"] is None else f"N = {row['N']}"
        apart = row["apart"]
        yield (
            f"largest less smallest, {row['kind'].label}, {where}",
            {
                "smaller": row["smaller"],
                "larger": row["larger"],
                "difference": apart.value,
                "interval": apart.interval,
                "runs": row["runs"],
            },
        )


def _law_numbers(fitted: Fitted) -> dict[str, Any]:
    found, runs = fitted.law, list(fitted.runs["run_id"])
    if not isinstance(found, MembershipLaw):
        return {"height": None, "reason": found.reason, "runs": runs}
    names = ("height", "slope", "offset")
    return {
        **{name: getattr(found.curve, name) for name in (*names, "limit")},
        **{f"{name}_error": getattr(found, f"{name}_error") for name in names},
        "noise": found.noise,
        "between_sizes": found.between_sizes,
        "at_bounds": list(found.at_bounds),
        "ratios": fitted.ratios,
        "runs": runs,
    }


def _score_numbers(rows: Iterable[Row], beside: str) -> Numbers:
    for row in rows:
        if row["auroc"] is None:
            continue
        judged = row["qualities"].values()
        yield (
            f"AUROC {row['score']}{beside}, {_place(row)}",
            {
                "auroc": row["auroc"].value,
                "interval": row["auroc"].interval,
                "f1_at_equal_errors": fmean(each.f1.value for each in judged),
                "balanced_accuracy": fmean(each.balanced_accuracy for each in judged),
                "largest_f1": fmean(each.largest_f1 for each in judged),
                "runs": row["runs"],
            },
        )


def _place(row: Row) -> str:
    return f"{row['series']}, N = {row['N']}"
