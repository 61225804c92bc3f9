"""What a page asks for every two seconds while runs are under way, JSON-ready."""

from typing import Any

from rote.cluster.status import RunState, label, varying_keys
from rote.config.names import run_name
from rote.ledger.spec import flatten
from rote.site.html import counts
from rote.site.site import Site

STILL = ("done", "waiting")  # what a table of a second ago has already


def index(site: Site) -> dict[str, Any]:
    """The four counts of every sweep."""
    return {name: counts(sweep) for name, sweep in site.sweeps.items()}


def sweep(site: Site, name: str) -> dict[str, Any]:
    """Counts, how each unfinished run stands, and a word that changes with every finished one."""
    now = site.sweeps[name]
    keys = varying_keys(now.plan.specs) if any(run.state == "running" for run in now.runs) else []
    return {
        "counts": counts(now),
        "queue_is_known": now.queue_is_known,
        "done": site.stamp(name, only_done=True),
        "states": [[run.run_id, run.state, run.step] for run in now.runs if run.state not in STILL],
        "moving": [
            {
                **_moving(run),
                "name": run_name(flatten(point.spec.what), run.run_id),
                "label": label(point.spec, keys),
            }
            for point, run in zip(now.plan.points, now.runs, strict=True)
            if run.state == "running"
        ],
    }


def _moving(run: RunState) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "step": run.step,
        "max_steps": run.max_steps,
        "told": run.told,
        "left_seconds": None if run.eta_seconds is None else round(run.eta_seconds),
    }
