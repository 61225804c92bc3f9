"""A report or an audit as one self-contained page, the same skeleton for every kind."""

from html import escape
from importlib import resources
from string import Template

from rote.analysis.content import Content, Section


def page(*, name: str, question: str, content: Content, closing: Section) -> str:
    """HTML with its style sheet and figures inside; it loads nothing."""
    template = resources.files("rote.analysis").joinpath("report.html.template")
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(f"{name}: {question}"),
        name=escape(name),
        question=escape(question),
        setting=escape(content.setting),
        cards="\n".join(content.cards),
        sections="\n".join(map(_section, content.sections)),
        closing=_section(closing),
    )


def _section(section: Section) -> str:
    return f"<h2>{escape(section.title)}</h2>\n{section.html}"
