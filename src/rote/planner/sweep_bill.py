"""The bill of a planned sweep: what its runs cost at most, from measured and fitted rates."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rote.analysis.derived import FLOPS_PER_PARAMETER_AND_TOKEN
from rote.cluster.host import Host, host_of
from rote.cluster.pack import SHARING, Speed, estimates, stack_on_gpu, stacks
from rote.cluster.plan import Plan, Point
from rote.cluster.status import labels, varying_keys
from rote.config.host_and_log import AUTO
from rote.ledger.spec import flatten
from rote.ledger.store import Store
from rote.planner.bill import (
    H100_GIB,
    STEP_OVERHEAD_SECONDS,
    Bill,
    Line,
    Phase,
    bill,
    flops_per_second_here,
    h100_seconds,
)
from rote.run.preflight import Facts
from rote.training.graphed import GRAPH

LOCAL_WORKERS = "workers"  # a key of the local host alone


def make_bill(plan: Plan, facts: Sequence[Facts], todo: Sequence[int], store: Store) -> Bill:
    """What the whole costs, and how long what is left takes here.

    The time is that of finished runs of the same kind where there are any.
    """
    points = [plan.points[index] for index in todo]
    seconds: list[float] = []
    if todo:
        speed = Speed(
            flops_per_second=flops_per_second_here(), step_overhead_seconds=STEP_OVERHEAD_SECONDS
        )
        seconds = estimates(plan.points, points, store, speed)
    host = host_of(plan.host)
    left = {plan.run_ids[index]: facts[index] for index in todo}

    def here(point: Point) -> int:
        return 1 if left[point.run_id].trains_alone else host.stack_of(point)

    together = stacks(points, _on_h100 if plan.host.get("stack") == AUTO else here)
    return bill(
        _lines(plan, facts, host),
        seconds=seconds,
        num_workers=_workers(plan.host),
        num_stacks=len(stacks(points, here)),
        flops_left=sum(facts_of.max_flops for facts_of in left.values()),
        h100_seconds=sum(
            _run_seconds(point, left[point.run_id], len(stack))
            for stack in together
            for point in stack
        ),
    )


def _workers(host: Mapping[str, Any]) -> int:
    cores = len(os.sched_getaffinity(0))
    return (host[LOCAL_WORKERS] or cores) if LOCAL_WORKERS in host else cores


def _lines(plan: Plan, facts: Sequence[Facts], host: Host) -> list[Line]:
    peaks = {  # points that differ in their seed share their facts
        id(fact): fact.peak_bytes(host.processes(fact.parameters))
        for fact in {id(fact): fact for fact in facts}.values()
    }
    return [
        Line(
            label=name,
            parameters=fact.parameters,
            entropy_bits=fact.entropy_bits,
            max_steps=fact.max_steps + fact.finish_evaluations,
            flops=fact.max_flops,
            memory_bytes=peaks[id(fact)],
        )
        for name, fact in zip(labels(plan.specs), facts, strict=True)
    ]


def _on_h100(point: Point) -> int:
    """Return what `host.stack: auto` is there, wherever the sweep is planned."""
    return stack_on_gpu(point, H100_GIB / SHARING)


def _run_seconds(point: Point, fact: Facts, stack: int) -> float:
    steps = Phase(
        gradients=fact.max_steps,
        tokens=fact.tokens_per_step,
        stack=stack,
        precision=point.spec.what["precision"]["name"],
    )
    # Equal data sets are evaluated as one: how many of a stack these are is not looked at here.
    finish = Phase(
        gradients=fact.finish_evaluations, tokens=fact.epoch_tokens, stack=1, precision="fp32"
    )
    return h100_seconds(
        [steps, finish],
        layers=fact.step.shape.num_blocks,
        parameters=round(fact.step.shape.flops_per_token / FLOPS_PER_PARAMETER_AND_TOKEN),
        is_replayed=point.spec.how["host"]["compile"] == GRAPH,
    )


def bill_json(plan: Plan, total: Bill, todo: Sequence[int]) -> dict[str, Any]:
    """For JSON; of each run the settings that differ between runs."""
    keys, left = varying_keys(plan.specs), set(todo)
    settings = [flatten(spec.what) for spec in plan.specs]
    return {
        "name": plan.name,
        "question": plan.question,
        "num_runs": len(total.lines),
        "num_done": total.num_done,
        "num_stacks": total.num_stacks,
        "max_flops": total.flops,
        "max_memory_bytes": total.max_memory_bytes,
        "max_seconds_here": total.seconds_here,
        "max_gpu_hours": total.gpu_hours,
        "h100_mfu": total.h100_mfu,
        "runs": [
            {
                "run_id": run_id,
                "overrides": {key: settings[index][key] for key in keys if key in settings[index]},
                "parameters": line.parameters,
                "data_bits": line.entropy_bits,
                "max_steps": line.max_steps,
                "max_flops": line.flops,
                "max_memory_bytes": line.memory_bytes,
                "is_done": index not in left,
            }
            for index, (run_id, line) in enumerate(zip(plan.run_ids, total.lines, strict=True))
        ],
    }
