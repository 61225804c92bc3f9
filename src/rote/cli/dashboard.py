"""`rote dashboard`: a wandb workspace and report for a sweep, or for a kind of report."""

import argparse
from pathlib import Path

from rote.analysis.overviews import overview_of
from rote.analysis.report import require_kind
from rote.cli.screen import print_json, screen
from rote.cli.wandb_account import account_of
from rote.cluster.plan import load_plan
from rote.io.outputs import outputs_folder
from rote.io.read import read_json
from rote.io.shapes import anything, keyed, mapped
from rote.tracking.workspaces import Workspaces


def run(arguments: argparse.Namespace) -> int:
    """Prints the spec as JSON and calls nobody, or with --push saves it."""
    made = _made(arguments)
    if not arguments.push:
        print_json(made.specs())
        return 0
    for address in made.push():
        screen().print(address, soft_wrap=True)
    return 0


def _made(arguments: argparse.Namespace) -> Workspaces:
    if arguments.name is None and not arguments.kind:
        raise ValueError("name a launched sweep, or a kind: rote dashboard --kind capacity")
    outputs = outputs_folder()
    plan = None if arguments.name is None else load_plan(outputs, arguments.name)
    kind = require_kind(arguments.kind) if arguments.kind else (plan.report if plan else "")
    entity, project = _place(arguments.push) if arguments.push else (None, None)
    account = account_of(plan)
    return Workspaces(
        overview_of(kind),
        entity=entity or account.entity,
        project=project or account.project,
        group=plan.name if plan else None,
        question=plan.question if plan else None,
        figures=_figures(outputs / "reports" / plan.name) if plan else [],
    )


def _figures(report: Path) -> list[str]:
    """Names of those that the report holds; none before there is one."""
    try:
        manifest = read_json(report / "manifest.json", keyed({"figures": mapped(anything)}, {}))
    except FileNotFoundError:
        return []
    return list(manifest["figures"])


def _place(word: str) -> tuple[str, str]:
    entity, _, project = word.partition("/")
    if not entity or not project:
        raise ValueError(f"--push must be ENTITY/PROJECT, got {word!r}")
    return entity, project
