"""Make the report on leakage: membership, exposure and extraction over size, data and repeats."""

from collections.abc import Iterator, Mapping

from rote.analysis import near_verbatim
from rote.analysis.definitions_table import (
    definition_numbers,
    definitions_headline,
    definitions_section,
)
from rote.analysis.fits.membership_law import MembershipLaw
from rote.analysis.metrics import Metric
from rote.analysis.page import Block, Card, Content, Heading, Section, Text
from rote.analysis.plot import Plot
from rote.analysis.published import BITS_PER_PARAMETER
from rote.analysis.quantities.definitions_of_runs import compare_definitions
from rote.analysis.quantities.leakage import GUESSES
from rote.analysis.reports.leakage import captions, law, plots, tables, wording
from rote.analysis.reports.leakage.law_plot import law_plot
from rote.analysis.reports.leakage.numbers import numbers
from rote.analysis.reports.leakage.study import LOSS, Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import runs_section
from rote.analysis.table import Table


def make(results: Results) -> Content:
    """Make it; raises ValueError if there are no runs, or if none of them measured leakage."""
    found = study(results)
    runs = found.runs
    definitions = compare_definitions(results, runs)
    drawn = _plots(found)
    lead = next(iter(drawn.values()), None)
    near = near_verbatim.near_rows(results, runs)
    titles = {name: plot.title for name, plot in drawn.items()}
    return Content(
        headlines=(
            *wording.headlines(found, titles),
            *near_verbatim.headlines(near),
            *map(definitions_headline, definitions),
        ),
        setting=wording.setting(found),
        cards=tuple(_card(found, kind) for kind in found.kinds),
        lead=lead,
        sections=(
            *_sections(found, drawn, lead),
            *near_verbatim.sections(near),
            *([definitions_section(definitions)] if definitions else []),
            runs_section(runs, tables.run_columns()),
        ),
        numbers=numbers(found) | near_verbatim.numbers(near) | definition_numbers(definitions),
        table=runs,
        arrays_of=tuple(dict.fromkeys([*runs["run_id"], *runs["oracle_id"].drop_nulls()])),
    )


def _plots(found: Study) -> dict[str, Plot]:
    """Return a plot of every measured part; the first leads the page."""
    has_loss = any(found.runs.drop_nulls([LOSS, kind.name]).height for kind in found.kinds)
    wanted = (
        (found.laws, law_plot),
        (found.scored, plots.scores_plot),
        (any(row["auroc"] for row in found.shadowed), plots.shadows_plot),
        (found.planted, plots.exposure_plot),
        (any(row["extracted"] for row in found.planted), plots.canaries_plot),
        (found.windows, plots.windows_plot),
        (has_loss, plots.risk_plot),
        (found.compared, plots.sizes_plot),
    )
    made = (draw(found) for is_there, draw in wanted if is_there)
    return {plot.name: plot for plot in made}


def _card(found: Study, kind: Metric) -> Card:
    """Show the level in the smallest and the largest size, then the difference."""
    compared = [row for row in found.compared if row["kind"] is kind]
    levels = [row for row in found.levels if row["kind"] is kind]
    if compared:
        levels = [row for row in levels if row["N"] in {each["N"] for each in compared}]
    ends = found.ends(levels, "level")
    lines = [f"{one}: {mean.words(kind.form, label='95 % interval')}" for one, mean in ends.items()]
    if compared:
        apart = compared[0]["apart"].words(kind.signed)
        lines.append(f"difference {apart}: {wording.verdict(compared[0])}")
    if kind.name == "f1" and found.laws:
        lines.append(f"{wording.sentence(law.short_line(found.laws[0]))}.")
    guess = kind.form.format(GUESSES[kind.name])
    return Card(
        title=wording.sentence(kind.title),
        meaning=f"mean over N and seeds in {' and in '.join(ends)}; a guess: {guess}",
        value=" \N{RIGHTWARDS ARROW} ".join(kind.form.format(each.value) for each in ends.values()),
        unit=kind.unit,
        lines=[Text(line) for line in lines],
    )


def _sections(found: Study, drawn: Mapping[str, Plot], lead: Plot | None) -> Iterator[Section]:
    """Yield the sections; tables without rows are left out."""

    def plot(name: str, missing: str) -> Block:
        return drawn.get(name) or Text(missing, is_html=True)

    law_missing = captions.NO_COST if found.runs["f1"].count() else captions.NO_MEMBERSHIP
    lines = (wording.controls_line(found), wording.fits_line(found)) if found.planted else ()
    refused = found.shadowed and "shadows" not in drawn  # the table says why
    private: list[Block] = [
        Heading("Beside the privacy planned"), tables.private_table(found), Text(captions.PRIVATE),
    ]  # fmt: skip
    pieces: dict[str, list[Block]] = {
        "Membership": [
            *(Text(line, is_warning=True) for line in wording.cautions(found)),
            plot("membership_law", law_missing),
            tables.law_table(found),
            *(Text(line) for line in _law_lines(found)),
            tables.forecast_table(found),
        ],
        "Scores compared": [
            plot("scores", captions.NO_MEMBERSHIP),
            tables.score_table(found.scored),
            Heading("Beside models of other seeds"),
            *([] if refused else [plot("shadows", captions.NO_SHADOWS)]),
            tables.score_table(found.shadowed),
            *(private if found.private else []),
        ],
        "Exposure against repeats": [
            plot("exposure", captions.NO_EXPOSURE),
            tables.planted_table(found),
            *(Text(f"{line}.") for line in lines),
            tables.control_table(found),
        ],
        "Extraction against repeats and data": [
            plot("canaries_extracted", captions.NO_CANARIES_TRIED),
            plot("windows_extracted", captions.NO_WINDOWS),
            tables.window_table(found),
        ],
        "Capacity and risk": [
            plot("risk", captions.NO_LOSS),
            *([tables.loss_table(found)] if "risk" in drawn else []),
            plot("sizes", captions.ONE_SIZE),
            tables.compared_table(found),
        ],
    }  # fmt: skip
    for title, blocks in pieces.items():
        some = [each for each in blocks if not isinstance(each, Table) or each.rows]
        yield Section(title=title, blocks=[each for each in some if each is not lead])


def _law_lines(found: Study) -> Iterator[str]:
    """Yield the capacity, and checks and doubts of each reading."""
    if not found.laws:
        return
    sources = found.laws[0].runs.select("alpha", "alpha_source").unique().sort("alpha").rows()
    capacity = "; ".join(f"{alpha:.2f} bits per parameter ({source})" for alpha, source in sources)
    yield f"Capacity C of the runs: {capacity}; of the published models: {BITS_PER_PARAMETER}."
    for fitted in found.laws:
        if isinstance(fitted.law, MembershipLaw):
            yield from (law.check_line(fitted), law.beyond_line(fitted), *law.doubts(fitted))
        else:
            yield f"{law.line(fitted)}."
