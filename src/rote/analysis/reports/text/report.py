"""The report on text: what is memorised beyond skill, what of it comes out, and which texts."""

from html import escape
from typing import Any

from rote.analysis import descents
from rote.analysis.content import Content, Section, Text
from rote.analysis.drawing import Drawing
from rote.analysis.elements import card, figure
from rote.analysis.reports.text import tables, wording
from rote.analysis.reports.text.figures import (
    draw_covariates,
    draw_extraction,
    draw_oracle_quality,
    draw_unintended,
)
from rote.analysis.reports.text.study import REFERENCE_NAMES, Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import runs_section

CAPTIONS = wording.CAPTIONS
CONTROL_NOTE = (
    "The held-out control is mem_U of windows that neither model was trained on: it is what a "
    "difference in skill alone looks like, and no memorisation. A sample counts once however "
    "often it was repeated. A sum over capacity would mean that the reference is too weak, or "
    "that capacity was underestimated."
)
NO_EXTRACTION = "<p>No run measured extraction (measure extraction).</p>"


def make(results: Results) -> Content:
    """Raises ValueError for runs that are not on one corpus, or have no reference."""
    found = study(results)
    drawings = _drawings(found)
    return Content(
        headlines=(
            *wording.headlines(found),
            *(descents.headline(curve) for curve in found.descents),
        ),
        setting=wording.setting(found),
        cards=tuple(_cards(found)),
        sections=_sections(found, drawings),
        drawings=tuple(drawings.values()),
        numbers=_numbers(found),
        table=found.runs,
        arrays_of=tuple(found.runs["run_id"]),
    )


def _drawings(found: Study) -> dict[str, Drawing]:
    made = [
        draw_unintended(found),
    ]
    if found.extracted:
        made.append(draw_extraction(found))
    made += [draw_covariates(found), draw_oracle_quality(found)]
    return {drawing.name: drawing for drawing in made}


def _sections(found: Study, drawings: dict[str, Drawing]) -> tuple[Section, ...]:
    def shown(name: str) -> str:
        return figure(drawings[name], CAPTIONS[name])

    extraction = (
        shown("extraction") + tables.extraction_table(found.extracted)
        if found.extracted
        else NO_EXTRACTION
    )
    return (
        Section(
            title="Unintended memorisation",
            html=f"<p>{escape(wording.check(found))}.</p>{shown('unintended')}"
            f"{tables.unintended_table(found)}<p>{CONTROL_NOTE}</p>",
        ),
        Section(
            title="Double descent",
            blocks=[
                descents.descents_plot(found.descents),
                descents.descents_table(found.descents),
                Text(words=descents.axis_note(found.descents)),
            ],
        ),
        Section(title="Extraction", html=extraction),
        Section(
            title="What is remembered",
            html=shown("covariates") + tables.correlation_table(found),
        ),
        Section(
            title="The most and the least memorised samples",
            html="\n".join(map(tables.samples_html, found.remembered)),
        ),
        Section(
            title="How good the reference has to be",
            html=shown("oracle_quality") + tables.quality_table(found),
        ),
        runs_section(found.runs),
    )


def _cards(found: Study) -> list[str]:
    kind = found.references[-1]
    made = [
        card(
            title=f"{run['series']}, {run['parameters']:,} parameters",
            meaning=f"sum of mem_U against the {REFERENCE_NAMES[kind]}",
            value=f"{run[f'{kind}.max_code_bits']:,.0f}",
            unit="bits",
            lines=(
                f"<p>{run[f'{kind}.max_code_bits'] / run['capacity_bits']:.0%} of capacity, at N = "
                f"{run['task.num_sequences']:,}</p>",
                f"<p>mixture code: {run[f'{kind}.mixture_code_bits']:,.0f} bits</p>",
                "" if run["training.converged"] else '<p class="bound">had not converged</p>',
            ),
        )
        for run in wording.most_runs(found, kind)
    ]
    for each in found.remembered[-1:]:
        correlation = each.correlations["tf_idf"]
        made.append(
            card(
                title="TF-IDF",
                meaning=f"rank correlation with mem_U, {each.name}",
                value="none" if correlation is None else f"{correlation.value:+.2f}",
                unit="Spearman's rho",
                lines=(f"<p>{escape(wording.correlation_words(correlation))}</p>",),
            )
        )
    return made


def _numbers(found: Study) -> dict[str, Any]:
    return {
        **{
            f"mem_U {run['series']} against {kind}": {
                "max_code_bits": run[f"{kind}.max_code_bits"],
                "mixture_code_bits": run[f"{kind}.mixture_code_bits"],
                "samples_in_reference": run[f"{kind}.samples_in_reference"],
                "capacity_bits": run["capacity_bits"],
                "runs": [run["run_id"], run[f"{kind}.run_id"]],
            }
            for kind in found.references
            for run in wording.most_runs(found, kind)
        },
        **{f"peak {curve.name}": descents.number(curve) for curve in found.descents},
        **{
            f"TF-IDF {each.name}": {
                "rho": correlation and correlation.value,
                "interval": correlation and correlation.interval,
                "runs": [each.run_id, each.reference_id],
            }
            for each in found.remembered
            for correlation in (each.correlations["tf_idf"],)
        },
    }
