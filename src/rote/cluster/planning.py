"""Turn a sweep into a plan: compose, check and count every point before the first one runs."""

from collections.abc import Mapping
from typing import Any

from rote.cluster.host import host_of
from rote.cluster.plan import Plan, Point
from rote.config.compose import Composer
from rote.config.data_resolver import DataResolver
from rote.config.grammar import written
from rote.config.host_and_log import require_log
from rote.config.sweep import Sweep, grid_points
from rote.core.checks import require_whole
from rote.core.progress import Progress, no_progress
from rote.ledger.spec import Spec
from rote.run.preflight import Facts, Preflight


def make_plan(
    sweep: Sweep, composer: Composer, progress: Progress = no_progress
) -> tuple[Plan, list[Facts]]:
    """Compose and check every point before anything runs; equal points become one.

    Data that a task needs prepared are prepared here, once, and ``progress`` follows that. Raises
    ValueError with one line for the first point that could not run.
    """
    preflight, resolver = Preflight(), DataResolver(progress)
    planned: dict[str, Point] = {}
    facts: list[Facts] = []
    # Points that differ in their seed alone share the groups of `Composer`, and are checked once.
    # The configuration is kept, so that no other one has groups of the same identity.
    checked: dict[tuple[int, ...], tuple[Mapping[str, Any], Spec, Facts]] = {}

    def count(config: Mapping[str, Any]) -> int:
        return preflight.parameters(resolver.resolved(config))

    for each in grid_points(sweep, composer, count):
        config = composer.config(each.overrides)
        seed = config["seed"]
        require_whole("seed", seed, 0)
        groups = tuple([id(group) for name, group in config.items() if name != "seed"])
        if groups not in checked:
            spec = Spec.from_config({**resolver.resolved(config), "log": _log(config, sweep)})
            checked[groups] = config, spec, preflight.facts(spec)
        _, like, fact = checked[groups]
        spec = Spec(what={**like.what, "seed": seed}, how=like.how)
        run_id = spec.run_id
        if run_id not in planned:
            facts.append(fact)
            planned[run_id] = Point(
                run_id=run_id,
                spec=spec,
                parameters=fact.parameters,
                max_flops=fact.max_flops,
                axes={  # as a column of a table holds them; a list of choices is one text
                    axis: written(value) if isinstance(value, list | tuple | dict) else value
                    for axis, value in each.axes.items()
                },
                stack_run_bytes=fact.stack.run_bytes if fact.stack else None,
                stack_base_bytes=fact.stack.base_bytes if fact.stack else 0,
            )
    plan = Plan(
        name=sweep.name,
        question=sweep.question,
        report=sweep.report,
        capacity_from=sweep.capacity_from,
        points=tuple(planned.values()),
    )
    host = host_of(plan.host)
    for point in {id(fact): point for fact, point in zip(facts, plan.points, strict=True)}.values():
        host.check(point)
    return plan, facts


def _log(config: Mapping[str, Any], sweep: Sweep) -> dict[str, Any]:
    """Return the settings of the log with the name and the question of the sweep."""
    log = config["log"]
    require_log(log)
    named = {"group": sweep.name, "notes": sweep.question}
    observers = {name: {**observer, **named} for name, observer in log["observers"].items()}
    return {**log, "group": sweep.name, "question": sweep.question, "observers": observers}
