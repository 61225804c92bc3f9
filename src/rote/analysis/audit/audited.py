"""What was audited: models, documents, and what was left out of them."""

from collections.abc import Mapping
from html import escape
from typing import Any

from rote.analysis.content import Section
from rote.analysis.elements import number_cell, scrolled, table, text_cell

LEFT_OUT = {
    "rows": "lines or rows",
    "empty": "empty",
    "too_short": "fewer than two tokens",
    "duplicates": "equal to an earlier one",
    "scored": "scored",
    "truncated": "of these, cut to the limit",
}


def audited_section(facts: Mapping[str, Any]) -> Section:
    """Models, documents, and what was left out of them."""
    models = [{"role": "audited", **facts["model"]}] + [
        {"role": "reference", **each} for each in facts["references"]
    ]
    headers = [("model", ""), ("role", ""), ("kind", ""), ("parameters", ""), ("context", "tokens")]
    rows = [
        [
            text_cell(each["name"]),
            text_cell(each["role"]),
            text_cell(each["kind"]),
            number_cell(f"{each['parameters']:,}"),
            number_cell("no bound" if each["max_length"] is None else f"{each['max_length']:,}"),
        ]
        for each in models
    ]
    made = table(headers, rows, text=("model", "role", "kind"))
    parts = [scrolled(made), *map(_noted, models), _documents(facts), _aside(facts)]
    return Section(title="What was audited", html="\n".join(parts))


def start_warnings(facts: Mapping[str, Any]) -> list[str]:
    """Of each model whose tokeniser and configuration name different start tokens."""
    models = [facts["model"], *facts["references"]]
    return [
        f"{each['name']}: {each['start_token_note']}" for each in models if each["start_token_note"]
    ]


def _noted(model: Mapping[str, Any]) -> str:
    """What is to be known of a model beside its numbers."""
    parts = []
    if model["start_token_note"]:
        note = escape(f"{model['name']}: {model['start_token_note']}")
        parts.append(f'<p class="bound">{note}.</p>')
    if model["unused_weights"]:
        names = ", ".join(f"<code>{escape(name)}</code>" for name in model["unused_weights"])
        parts.append(
            f"<p>Stored in {escape(model['name'])} and not used, since they are made from the "
            f"configuration or declared needless by the architecture: {names}.</p>"
        )
    return "\n".join(parts)


def _documents(facts: Mapping[str, Any]) -> str:
    headers = [("set", ""), ("file", ""), *((words, "") for words in LEFT_OUT.values())]
    rows = [
        [
            text_cell(name),
            text_cell(facts[key]["file"]),
            *(number_cell(f"{facts[key][count]:,}") for count in LEFT_OUT),
        ]
        for key, name in (("members", "members"), ("nonmembers", "non-members"))
    ]
    return "<h3>Documents</h3>\n" + scrolled(table(headers, rows, text=("set", "file")))


def _aside(facts: Mapping[str, Any]) -> str:
    sentences = [
        f"A document is cut to {facts['max_tokens']:,} tokens, and two that are equal in them "
        "count as one. A document in both sets would have been refused."
    ]
    if facts["aside"]:
        sentences.append(
            f"{facts['aside']:,} non-members were set aside for scores that need known ones "
            "(prefixes, a population, tokens to draw from); no score is evaluated on them."
        )
    return f"<p>{escape(' '.join(sentences))}</p>"
