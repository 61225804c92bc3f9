"""What tests read from the content of a report, and from the files that are written of it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rote.analysis.page import Block, Content, Text
from rote.analysis.plot import Plot
from rote.analysis.report import Report, write_report
from rote.analysis.results import Results
from rote.analysis.table import Table


def blocks(content: Content, section: str = "") -> list[Block]:
    """Of the sections whose title contains these words; of all, the lead first."""
    lead = [] if section or content.lead is None else [content.lead]
    return [*lead, *(b for each in content.sections if section in each.title for b in each.blocks)]


def plots(content: Content) -> dict[str, Plot]:
    return {each.name: each for each in blocks(content) if isinstance(each, Plot)}


def titles(content: Content) -> dict[str, str]:
    return {name: each.title for name, each in plots(content).items()}


def lead(content: Content) -> Plot:
    assert isinstance(content.lead, Plot)
    return content.lead


def tables(content: Content, section: str = "") -> list[Table]:
    return [each for each in blocks(content, section) if isinstance(each, Table)]


def lines(table: Table) -> list[list[str]]:
    """What the cells of each row say in one line."""
    return [[cell.line for cell in row] for row in table.body]


def texts(content: Content) -> str:
    found = [each for each in blocks(content) if isinstance(each, Text)]
    return "\n".join(line for each in found for line in (each.words, *each.items))


def words(lines: Iterable[Text]) -> list[str]:
    return [line.words for line in lines]


def written(kind: str, results: Results, folder: Path) -> tuple[Report, str, dict[str, Any]]:
    """A report, its page and its manifest; its question has a sign that pages escape."""
    report = write_report(
        kind=kind, name="demo", question="Is 2 < 3?", results=results, folder=folder
    )
    page = report.page.read_text()
    assert "$" not in page  # no formula is left as it was typed
    return report, page, json.loads((folder / "manifest.json").read_text())
