"""The content of a page without its layout: numbers, headlines, figures, headings and tables."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

MANIFEST_PARTS = ("headlines", "numbers")


class _Outline(HTMLParser):
    """Headings, and of every table its head and how many rows stand below it."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.tables: list[dict[str, Any]] = []
        self._open: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append({"head": [], "rows": -1})
        elif tag == "tr" and self.tables:
            self.tables[-1]["rows"] += 1
        elif tag == "th" and self.tables:
            self.tables[-1]["head"].append("")
            self._open = self.tables[-1]["head"]
        elif tag in ("h2", "h3"):
            self.headings.append("")
            self._open = self.headings

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "h2", "h3"):
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open[-1] += f"{' ' if self._open[-1] else ''}{data.strip()}"


def page_content(folder: Path) -> dict[str, Any]:
    """Of a folder with a page, and its numbers in a manifest or in a file of their own."""
    outline = _Outline()
    (page,) = folder.glob("*.html")
    outline.feed(page.read_text())
    numbers = {
        path.name: json.loads(path.read_text())
        for path in sorted(folder.glob("*.json"))
        if path.name != "manifest.json"
    }
    if (folder / "manifest.json").exists():
        manifest = json.loads((folder / "manifest.json").read_text())
        numbers |= {part: manifest[part] for part in MANIFEST_PARTS if part in manifest}
    return {
        **numbers,
        "figures": sorted(path.stem for path in folder.glob("*.svg")),
        "headings": outline.headings,
        "tables": outline.tables,
    }
