"""The report on leakage: membership, exposure and extraction against size, data and repeats."""

from html import escape

from rote.analysis.content import Content, Section
from rote.analysis.drawing import Drawing
from rote.analysis.elements import card, figure
from rote.analysis.fits.membership_law import MembershipLaw
from rote.analysis.reports.leakage import (
    captions,
    membership_tables,
    membership_wording,
    tables,
    wording,
)
from rote.analysis.reports.leakage.canary_figures import (
    draw_canaries_extracted,
    draw_exposure,
    draw_windows,
)
from rote.analysis.reports.leakage.kinds import Compared
from rote.analysis.reports.leakage.law import Fitted, crossing
from rote.analysis.reports.leakage.law_figure import draw_law
from rote.analysis.reports.leakage.numbers import numbers
from rote.analysis.reports.leakage.points import Scored
from rote.analysis.reports.leakage.risk_figures import draw_risk, draw_sizes
from rote.analysis.reports.leakage.score_figures import draw_scores, draw_shadowed
from rote.analysis.reports.leakage.study import Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE


def make(results: Results) -> Content:
    """Raises ValueError where there are no runs, or none of them measured leakage."""
    found = study(results)
    drawings = _drawings(found)
    return Content(
        headlines=wording.headlines(found),
        setting=wording.setting(found),
        cards=tuple(_cards(found)),
        sections=_sections(found, drawings),
        drawings=tuple(drawings.values()),
        numbers=numbers(found),
        table=found.runs,
        arrays_of=found.arrays_of,
    )


def _drawings(found: Study) -> dict[str, Drawing]:
    """Of every part that was measured."""
    has_loss = found.runs["heldout_bits_per_token"].count() > 0
    wanted = (
        (bool(found.laws), draw_law),
        (bool(found.scored), draw_scores),
        (any(isinstance(each, Scored) for each in found.shadowed), draw_shadowed),
        (bool(found.planted), draw_exposure),
        (any(each.extracted for each in found.planted), draw_canaries_extracted),
        (bool(found.windows), draw_windows),
        (has_loss, draw_risk),
        (bool(found.compared), draw_sizes),
    )
    made = [draw(found) for is_there, draw in wanted if is_there]
    return {drawing.name: drawing for drawing in made}


def _sections(found: Study, drawings: dict[str, Drawing]) -> tuple[Section, ...]:
    def shown(name: str, missing: str) -> str:
        there = name in drawings
        return figure(drawings[name], captions.CAPTIONS[name]) if there else missing

    without_law = captions.NO_COST if found.scored else captions.NO_MEMBERSHIP
    scores = shown("scores", captions.NO_MEMBERSHIP)
    shadows = shown("shadows", captions.NO_SHADOWS if not found.shadowed else "")
    return (
        Section(title="Membership", html=shown("membership_law", without_law) + _law(found)),
        Section(
            title="Scores compared",
            html=scores
            + (membership_tables.score_table(found.scored) if found.scored else "")
            + "<h3>Beside models of other seeds</h3>"
            + shadows
            + (membership_tables.score_table(found.shadowed) if found.shadowed else ""),
        ),
        Section(
            title="Exposure against repeats",
            html=shown("exposure", captions.NO_EXPOSURE) + _exposure(found),
        ),
        Section(
            title="Extraction against repeats and data",
            html=shown("canaries_extracted", captions.NO_CANARIES_TRIED)
            + shown("windows_extracted", captions.NO_WINDOWS)
            + (tables.window_table(found) if found.windows else ""),
        ),
        Section(
            title="Capacity and risk",
            html=shown("risk", captions.NO_LOSS)
            + (tables.loss_table(found) if "risk" in drawings else "")
            + shown("sizes", captions.ONE_SIZE)
            + (tables.compared_table(found) if found.compared else ""),
        ),
        Section(title="Runs", html=f"{tables.run_table(found)}\n<p>{NOTE}</p>"),
    )


def _law(found: Study) -> str:
    """Constants, checks, and what the law says of the published models."""
    if not found.laws:
        return ""
    sources = sorted(
        {
            f"{run['alpha']:.2f} bits per parameter ({run['alpha_source']})"
            for run in found.laws[0].runs.iter_rows(named=True)
        }
    )
    lines = [f"Capacity C of the runs: {'; '.join(sources)}; of the published models: 3.64."]
    for fitted in found.laws:
        if isinstance(fitted.law, MembershipLaw):
            lines += [membership_wording.law_check(fitted), membership_wording.beyond_line(fitted)]
            lines += membership_wording.doubts(fitted)
        else:
            lines.append(f"{membership_wording.law_line(fitted)}.")
    told = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return membership_tables.law_table(found) + told + membership_tables.forecast_table(found)


def _exposure(found: Study) -> str:
    if not found.planted:
        return ""
    lines = (wording.controls_line(found), wording.fits_line(found))
    told = "".join(f"<p>{escape(line)}.</p>" for line in lines)
    return tables.planted_table(found) + told + tables.control_table(found)


def _cards(found: Study) -> list[str]:
    made = [_law_card(each) for each in found.laws[:1]]
    overall = [each for each in found.compared if each.num_sequences is None]
    return made + [_compared_card(found, each) for each in overall]


def _law_card(fitted: Fitted) -> str:
    law = fitted.law
    here = crossing(law.curve) if isinstance(law, MembershipLaw) else None
    said = (
        membership_wording.doubts(fitted)
        if isinstance(law, MembershipLaw)
        else [membership_wording.law_line(fitted)]
    )
    there = crossing(fitted.published)
    return card(
        title="Membership",
        meaning="samples a parameter at which F1 of the loss attack is 0.75",
        value="none" if here is None else f"{here:.3g}",
        unit="|D| / P",
        lines=(
            f"<p>published: {there:.3g}</p>",
            *(f"<p>{escape(line)}</p>" for line in said),
        ),
    )


def _compared_card(found: Study, each: Compared) -> str:
    return card(
        title=membership_wording.sentence(each.kind.title.partition(" (")[0]),
        meaning=f"{found.series[-1]} less {found.series[0]}, at equal N",
        value=each.kind.apart.format(each.apart.value),
        unit="bits" if each.kind.column == "exposure_bits" else "",
        lines=(
            f"<p>95 % interval {each.apart.span(each.kind.apart)}</p>",
            f"<p>{each.kind.form.format(each.smaller)} to {each.kind.form.format(each.larger)}: "
            f"{wording.verdict(each)}</p>",
        ),
    )
