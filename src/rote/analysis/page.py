"""A report or an audit as one self-contained page, the same skeleton for every kind."""

from html import escape
from importlib import resources
from string import Template

from rote.analysis.content import Content, Section


def page(*, name: str, question: str, content: Content, closing: Section) -> str:
    """HTML with its style sheet and figures inside; it loads nothing."""
    return Template(_read("report.html.template")).substitute(
        style=style_sheet(),
        title=escape(f"{name}: {question}"),
        name=escape(name),
        question=escape(question),
        setting=escape(content.setting),
        cards="\n".join(content.cards),
        sections="\n".join(map(_section, content.sections)),
        closing=_section(closing),
    )


def style_sheet() -> str:
    """How every page of ours looks, in light, in the dark and on paper."""
    return _read("page.css")


def _read(name: str) -> str:
    return resources.files("rote.analysis").joinpath(name).read_text(encoding="utf-8")


def _section(section: Section) -> str:
    return f"<h2>{escape(section.title)}</h2>\n{section.html}"
