"""The tables of the report on text, as HTML."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from rote.analysis.elements import (
    estimate_cell,
    number_cell,
    scrolled,
    table,
    text_cell,
    warning_cell,
)
from rote.analysis.estimate import span
from rote.analysis.reports.text.remembered import Remembered, Sample
from rote.analysis.reports.text.study import REFERENCE_NAMES, Extracted, Study
from rote.analysis.reports.text.wording import COVARIATE_NAMES

SHOWN_CHARACTERS = 160  # of a sample's text
TEXT_COLUMNS = ("series", "reference", "text", "extracted", "sum <= capacity", "covariate")
UNINTENDED_HEADERS = (
    ("series", ""),
    ("reference", ""),
    ("N", "seed"),
    ("mem_U (bits)", "max code, 95 % interval"),
    ("mem_U (bits)", "mixture code"),
    ("a sample (bits)", "max code"),
    ("held-out control", "bits a sample"),
    ("samples memorised", "of all"),
    ("in the reference", "not scored by it"),
    ("of capacity", ""),
    ("sum <= capacity", ""),
)
SAMPLE_HEADERS = (
    ("text", "sample id"),
    ("model (bits)", ""),
    ("reference (bits)", ""),
    ("mem_U (bits)", "mixture code"),
    ("occurrences", ""),
    ("extracted", "from so many tokens"),
)
EXTRACTION_HEADERS = (
    ("series", ""),
    ("N", ""),
    ("prefix", "tokens"),
    ("train", "95 % interval"),
    ("held-out", "95 % interval"),
    ("difference", "95 % interval"),
    ("explained by held-out", "of the train rate"),
)
CORRELATION_HEADERS = (("covariate", ""), ("series", ""), ("rho", "95 % interval"), ("samples", ""))
QUALITY_HEADERS = (
    ("series", ""),
    ("reference", "its pool"),
    ("its held-out loss", "bits per token"),
    ("mean mem_U (bits)", "95 % interval"),
    ("samples", "it never trained on"),
)


def unintended_table(found: Study) -> str:
    """A row a run and reference."""
    rows = [
        _unintended_cells(run, kind)
        for run in found.targets.iter_rows(named=True)
        for kind in found.references
        if run[f"{kind}.run_id"]
    ]
    return scrolled(table(UNINTENDED_HEADERS, rows, text=TEXT_COLUMNS), tall=True)


def _unintended_cells(run: Mapping[str, Any], kind: str) -> list[str]:
    bits, samples = run[f"{kind}.max_code_bits"], run[f"{kind}.samples"]
    heldout_bits = run[f"{kind}.heldout_max_code_bits"] / run[f"{kind}.heldout_samples"]
    interval_bits = (run[f"{kind}.max_code_low_bits"], run[f"{kind}.max_code_high_bits"])
    fits = bits <= run["capacity_bits"]
    return [
        text_cell(run["series"]),
        text_cell(REFERENCE_NAMES[kind]),
        number_cell(f"{run['task.num_sequences']:,}", str(run["seed"])),
        number_cell(f"{bits:,.0f}", span(interval_bits, "{:,.0f}")),
        number_cell(f"{run[f'{kind}.mixture_code_bits']:,.0f}"),
        number_cell(f"{bits / samples:.2f}"),
        number_cell(f"{heldout_bits:.2f}"),
        number_cell(f"{run[f'{kind}.samples_memorised']:,}", f"{samples:,}"),
        number_cell(
            f"{run[f'{kind}.samples_in_reference']:,}", f"{run[f'{kind}.samples_unpaired']:,}"
        ),
        number_cell(f"{bits / run['capacity_bits']:.1%}"),
        text_cell("yes") if fits else warning_cell("no"),
    ]


def extraction_table(points: Iterable[Extracted]) -> str:
    """A row a series, size and prefix."""
    made = table(EXTRACTION_HEADERS, map(_extraction_cells, points), text=TEXT_COLUMNS)
    return scrolled(made, tall=True)


def _extraction_cells(point: Extracted) -> list[str]:
    both = point.extraction
    explained = both.explained_by_heldout
    return [
        text_cell(point.series),
        number_cell(f"{point.num_sequences:,}"),
        number_cell(both.prefix_tokens),
        estimate_cell(both.train, "{:.1%}"),
        estimate_cell(both.heldout, "{:.1%}"),
        estimate_cell(both.excess, "{:+.1%}"),
        number_cell("none extracted" if explained is None else f"{explained:.0%}"),
    ]


def correlation_table(found: Study) -> str:
    """A row a covariate and series."""
    rows = []
    for name, told in COVARIATE_NAMES.items():
        for each in found.remembered:
            correlation = each.correlations[name]
            rho = estimate_cell(correlation, "{:+.3f}", otherwise="not known")
            samples = number_cell(f"{correlation.n:,}" if correlation else "")
            rows.append([text_cell(told), text_cell(each.name), rho, samples])
    return scrolled(table(CORRELATION_HEADERS, rows, text=TEXT_COLUMNS), tall=True)


def quality_table(found: Study) -> str:
    """A row a target and possible reference, the best reference first."""
    rows = [
        [
            text_cell(each.series),
            f'<td class="text">{escape(each.reference_series)}'
            f"<small>{escape(each.reference_pool)}</small></td>",
            number_cell(f"{each.reference_heldout_bits_per_token:.3f}"),
            estimate_cell(each.mean_bits, "{:.2f}"),
            number_cell(f"{each.mean_bits.n:,}"),
        ]
        for each in found.qualities
    ]
    return scrolled(table(QUALITY_HEADERS, rows, text=TEXT_COLUMNS), tall=True)


def samples_html(each: Remembered) -> str:
    """The most and the least memorised samples of one run."""
    parts = [f"<h3>{escape(each.name)}, against the {escape(REFERENCE_NAMES[each.reference])}</h3>"]
    for title, samples in (("Most memorised", each.most), ("Least memorised", each.least)):
        made = table(SAMPLE_HEADERS, map(_sample_cells, samples), text=TEXT_COLUMNS)
        parts.append(f"<p>{title}</p>{scrolled(made, tall=True)}")
    return "\n".join(parts)


def _sample_cells(sample: Sample) -> list[str]:
    return [
        f'<td class="text sample"><code>{escape(shortened(sample.text))}</code>'
        f"<small>{sample.sample_id}</small></td>",
        number_cell(f"{sample.target_bits:.1f}"),
        number_cell(f"{sample.reference_bits:.1f}", "trained on it" * sample.in_reference),
        number_cell(f"{sample.max_code_bits:.1f}", f"{sample.mixture_code_bits:.1f}"),
        number_cell(sample.occurrences),
        text_cell(_extracted(sample)),
    ]


def shortened(text: str) -> str:
    """On one line, what cannot be seen written out, cut at `SHOWN_CHARACTERS`."""
    seen = "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)
    return seen if len(seen) <= SHOWN_CHARACTERS else seen[: SHOWN_CHARACTERS - 3] + "..."


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


def _extracted(sample: Sample) -> str:
    if sample.extracted is None:
        return "not tried"
    prefixes = [str(tokens) for tokens, done in sample.extracted.items() if done]
    return ", ".join(prefixes) or "no"
