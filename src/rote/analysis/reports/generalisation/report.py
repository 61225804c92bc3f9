"""Make the report on generalisation: rules against rote, by size, over splits and seeds."""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from rote.analysis.estimate import plural, setting_words
from rote.analysis.figures import DOTTED, GREY, PALETTE
from rote.analysis.marks import Layer, runs_and_means
from rote.analysis.metrics import METRICS
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.plot import Axis, Plot, means, tidy
from rote.analysis.published import published_match
from rote.analysis.reports.generalisation import wording
from rote.analysis.reports.generalisation.study import ComparedSizes, Series, Study, study
from rote.analysis.reports.generalisation.wording import HOLDS, PublishedClaim, claims
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE
from rote.analysis.table import INTERVAL, Column, Table, warning

SIDES = {"heldout": "held out", "train": "seen"}
ASKED = {
    "ours, held out": ("arithmetic", "heldout"),
    "ours, seen arithmetic": ("arithmetic", "train"),
    "ours, seen facts": ("facts", "train"),
}
KNOWLEDGE, GIVEN = METRICS["knowledge_bits"], METRICS["given_bits"]
PARAMETERS = Axis(label=METRICS["parameters"].label, is_log=True)
BITS_LINES = (1.0, 2.0)  # bits per parameter, as guides for the eye
LAST_LINEAR_BITS = 100.0  # below, the axis of knowledge is linear, so that it shows 0 and less


def make(results: Results) -> Content:
    """Make it; raises ValueError if no run measured exact matches."""
    found = study(results)
    tested = claims(found)
    sections = [
        Section(
            "Which published conclusions survive",
            [Text(wording.verdict(tested)), _claim_table(tested), Text(wording.CLAIM_NOTE)],
        ),
        Section(
            "Does a larger model extrapolate less?", [_match_table(found), Text(NOTE, is_html=True)]
        ),
        Section(
            "Beside the published table", [_published_table(found), Text(wording.PUBLISHED_NOTE)]
        ),
        Section("Every held-out split", [_split_table(found)]),
    ]
    if not found.knowledge.is_empty():
        sections.append(Section("Knowledge", [_knowledge(found.knowledge), _recall_table(found)]))
    return Content(
        headlines=wording.headlines(found, tested),
        setting=wording.setting(found.runs),
        cards=tuple(_card(each) for each in found.extrapolated if each.apart),
        lead=_matches(found),
        sections=tuple(sections),
        numbers=_numbers(found, tested),
        table=found.runs,
        arrays_of=tuple(found.knowledge["run_id"]),
    )


def _matches(found: Study) -> Plot:
    """Plot share right over parameters, a panel per subject and split, a colour per setting."""
    shares, single = [], []
    for each in (point for side in SIDES for point in found.wholes if point.side == side):
        row: dict[str, Any] = {
            "panel": each.series.place, "parameters": each.parameters,
            "setting": _label(each.series.setting),
            "items": SIDES[each.side],
        }  # fmt: skip
        shares.append(row | {"right": each.free})
        single += [row | {"right": answer.rate.value} for answer in each.answers]
    return Plot(
        name="matches", title=wording.matches_title(found), caption=wording.MATCHES_CAPTION,
        panel="panel", panel_inches=2.2, x=PARAMETERS,
        y=Axis(label="answered exactly", form="share", low=-0.04, high=1.04),
        layers=runs_and_means(
            tidy(single), tidy(shares).sort("parameters"), x="parameters", y="right",
            style="items", **_colour(row["setting"] for row in shares),
        ),
    )  # fmt: skip


def _label(setting: str) -> str:
    return setting_words(setting) or "no other setting"


def _colour(settings: Iterable[str]) -> dict[str, Any]:
    return {"hue": "setting"} if len(set(settings)) > 1 else {"look": {"color": PALETTE[0]}}


def _knowledge(people: pl.DataFrame) -> Plot:
    """Plot bits stored of biographies over parameters."""
    runs = people.with_columns(pl.col("setting").map_elements(_label, pl.String))
    averages = means(runs, KNOWLEDGE.name, by=["setting", "parameters"])
    sizes = runs.select("parameters").unique(maintain_order=True)
    lines = sizes.join(pl.DataFrame({"each": BITS_LINES}), how="cross").with_columns(
        knowledge_bits=pl.col("each") * pl.col("parameters")
    )
    axes: dict[str, Any] = {"x": "parameters", "y": "knowledge_bits"}
    return Plot(
        name="knowledge", title=wording.knowledge_title(people), caption=wording.KNOWLEDGE_CAPTION,
        x=PARAMETERS, y=Axis(label=KNOWLEDGE.label, form="count", linear_below=LAST_LINEAR_BITS),
        layers=[
            Layer(
                frame=lines, kind="line", each="each", label="1 and 2 bits per parameter",
                look=DOTTED, **axes,
            ),
            Layer(
                frame=runs, x="parameters", y="given_bits", label=GIVEN.title,
                look={"color": GREY, "marker": "_", "markersize": 12},
            ),
            *runs_and_means(runs, averages, **axes, **_colour(runs["setting"])),
        ],
    )  # fmt: skip


def _match_table(found: Study) -> Table:
    return Table(
        rows=found.points,
        is_tall=True,
        columns=[
            Column("series", lambda each: each.series.title),
            Column("size", "size", unit="layers x width"),
            Column("items", lambda each: SIDES[each.side]),
            Column("free-running", "free", unit=INTERVAL, form="{:.1%}"),
            Column("teacher-forced", "forced", unit=INTERVAL, form="{:.1%}"),
            Column("group", "group"),
            Column.of(METRICS["parameters"]),
            Column(
                "right",
                lambda each: (each.pooled.successes, f"{each.pooled.trials:,}"),
                unit="of asked, all runs",
            ),
            Column("splits", lambda each: (each.free.num_splits, str(each.free.n)), unit="runs"),
        ],
    )


def _split_table(found: Study) -> Table:
    """Build a row per series of arithmetic, size and split: held-out items summed over seeds."""
    rows = [
        (point, split, rate)
        for point in found.wholes
        if point.side == "heldout" and point.series.subject == "arithmetic"
        for split, rate in sorted(point.by_split.items())
    ]
    return Table(
        rows=rows,
        is_tall=True,
        columns=[
            Column("series", lambda row: row[0].series.title),
            Column("size", lambda row: row[0].size),
            Column("split", lambda row: row[1], unit="seed"),
            Column("right", lambda row: (row[2].successes, str(row[2].trials)), unit="of asked"),
            Column("share", lambda row: row[2], unit="95 %, Clopper-Pearson", form="{:.0%}"),
        ],
    )


def _claim_table(tested: Sequence[PublishedClaim]) -> Table:
    columns = [
        Column("verdict", lambda each: HOLDS if each.verdict == HOLDS else warning(each.verdict)),
        Column("conclusion", "conclusion"),
        Column("series", lambda each: each.series.title),
        Column("measured", "measured", unit="free-running"),
        Column("rule", "rule"),
    ]
    return Table(columns=columns, rows=tested, is_tall=True)


def _published_table(found: Study) -> Table | Text:
    """List sizes that were published, on the published split or on facts."""
    keys = ["trained_on", "setting", "size", "size.num_layers", "size.width"]
    chosen = found.runs.filter(pl.col("split").is_in(["original", ""])).select(keys)
    rows = []
    for trained_on, setting, size, *shape in chosen.unique(maintain_order=True).iter_rows():
        published = published_match(trained_on, *shape)
        if not published:
            continue
        split = "" if trained_on == "facts" else "original"
        row: dict[str, Any] = {"trained_on": trained_on, "setting": setting}
        points = {
            title: each
            for title, (subject, side) in ASKED.items()
            for each in found.of(Series(subject=subject, split=split, **row), side)
            if each.size == size
        }
        for title, each in points.items():
            counts = f"{each.pooled.successes} of {each.pooled.trials}"
            row[title] = counts, f"{each.free.value:.1%}, {each.free.span('{:.0%}')}"
        model, row["printed"] = published
        row |= {"size": f"{model}, {size}", "runs": max(each.free.n for each in points.values())}
        rows.append(row)
    if not rows:
        return Text("None of these runs is one that was published.")
    columns = [
        Column("trained on", lambda row: (row["trained_on"], setting_words(row["setting"]))),
        Column("size", "size"),
        Column("published", "printed"),
        *(Column(title, title, unit="right of asked", missing="none") for title in ASKED),
        Column("runs", "runs"),
    ]
    return Table(columns=columns, rows=rows)


def _recall_table(found: Study) -> Table:
    columns = [
        Column("size", lambda row: (row["size"], setting_words(row["setting"])), unit="setting"),
        Column("attribute", lambda row: row["attribute"].replace("_", " ")),
        Column("exposures", "exposures", unit="0: held out"),
        Column("recalled", "recalled", unit=INTERVAL, form="{:.1%}"),
        Column("stored a value", "stored_bits", unit="bits", form="{:+.2f}"),
        Column("entropy", "entropy_bits", unit="bits", form="{:.2f}"),
    ]
    return Table(columns=columns, rows=found.recalls, is_tall=True)


def _card(each: ComparedSizes) -> Card:
    assert each.apart is not None  # `make` excludes those without one
    low, high = (f"{100 * end:+.0f}" for end in each.apart.ends)
    points, is_open = f"{100 * each.apart.value:+.0f}", each.apart.sign == 0
    splits = f"{plural(each.apart.num_splits, 'split')}, {plural(each.apart.n, 'pair')} of runs"
    shares = [f"{one.size}: {one.free.words('{:.0%}')}" for one in (each.smaller, each.larger)]
    return Card(
        title=each.series.title,
        meaning=f"held-out items answered: {each.larger.size} less {each.smaller.size}",
        value="not decided" if is_open else points,
        unit="" if is_open else "points",
        is_warning=is_open,
        lines=[
            Text(f"{points} points, 95 % interval {low} to {high}; {splits}"),
            *map(Text, shares),
        ],
    )


def _numbers(found: Study, tested: Sequence[PublishedClaim]) -> dict[str, Any]:
    shares = {
        f"share {each.series.name}, {each.size}, {each.side}": {
            "free_running": each.free.value, "interval": each.free.interval,
            "right": each.pooled.successes, "asked": each.pooled.trials,
            "runs": list(each.run_ids),
        }
        for each in found.wholes
    }  # fmt: skip
    verdicts = {
        f"claim {each.conclusion} on {each.series.name}": {
            "verdict": each.verdict, "rule": each.rule, "runs": found.runs_of(each.series),
        }
        for each in tested
    }  # fmt: skip
    knowledge = {
        f"knowledge {run['run_id']}": {
            "stored_bits": run["knowledge_bits"], "given_bits": run["given_bits"],
            "parameters": run["parameters"], "runs": [run["run_id"]],
        }
        for run in found.knowledge.iter_rows(named=True)
    }  # fmt: skip
    return shares | verdicts | knowledge
