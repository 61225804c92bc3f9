"""The bill of a sweep as it is printed."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rich import filesize
from rich.console import Console
from rich.table import Table

from rote.analysis.derived import FLOPS_PER_PARAMETER_AND_TOKEN
from rote.cluster.host import Host, host_settings
from rote.cluster.pack import Speed, estimates, stacks
from rote.cluster.plan import Plan
from rote.cluster.status import labels, varying_keys
from rote.config.build import build
from rote.ledger.spec import Spec, flatten
from rote.ledger.store import Store
from rote.planner.bill import (
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
    seconds: list[float] = []
    if todo:
        speed = Speed(
            flops_per_second=flops_per_second_here(), step_overhead_seconds=STEP_OVERHEAD_SECONDS
        )
        seconds = estimates(plan.points, [plan.points[index] for index in todo], store, speed)
    host: Host = build(host_settings(plan.host))
    left = [(plan.specs[index], facts[index]) for index in todo]
    return bill(
        _lines(plan, facts, host),
        seconds=seconds,
        num_workers=_workers(plan.host),
        h100_seconds=_h100_seconds(left, host),
    )


def _workers(host: Mapping[str, Any]) -> int:
    cores = len(os.sched_getaffinity(0))
    return (host[LOCAL_WORKERS] or cores) if LOCAL_WORKERS in host else cores


def _lines(plan: Plan, facts: Sequence[Facts], host: Host) -> list[Line]:
    return [
        Line(
            label=name,
            parameters=fact.parameters,
            entropy_bits=fact.entropy_bits,
            max_steps=fact.max_steps + fact.finish_evaluations,
            flops=fact.max_flops,
            memory_bytes=fact.peak_bytes(host.processes(fact.parameters)),
        )
        for name, fact in zip(labels(plan.specs), facts, strict=True)
    ]


def _h100_seconds(left: Sequence[tuple[Spec, Facts]], host: Host) -> float:
    """Of all these runs, stacked as the host would."""
    facts = {spec.run_id: fact for spec, fact in left}
    by_size: dict[int, list[Spec]] = {}
    for spec, fact in left:
        most = 1 if fact.trains_alone else host.stack_of(fact.parameters)
        by_size.setdefault(most, []).append(spec)
    together = [stack for most, specs in by_size.items() for stack in stacks(specs, most)]
    return sum(
        _run_seconds(spec, facts[spec.run_id], len(stack)) for stack in together for spec in stack
    )


def _run_seconds(spec: Spec, fact: Facts, stack: int) -> float:
    steps = Phase(
        gradients=fact.max_steps,
        tokens=fact.tokens_per_step,
        stack=stack,
        precision=spec.what["precision"]["name"],
    )
    # Equal data sets are evaluated as one: how many of a stack these are is not looked at here.
    finish = Phase(
        gradients=fact.finish_evaluations, tokens=fact.epoch_tokens, stack=1, precision="fp32"
    )
    return h100_seconds(
        [steps, finish],
        layers=fact.step.anatomy.num_blocks,
        parameters=round(fact.step.anatomy.flops_per_token / FLOPS_PER_PARAMETER_AND_TOKEN),
        is_replayed=spec.how["host"]["compile"] == GRAPH,
    )


def print_bill(console: Console, plan: Plan, total: Bill, *, each: bool) -> None:
    """A line for the whole; ``each``: a line for every run as well."""
    console.print(f"{plan.name}: {plan.question}", style="bold", soft_wrap=True)
    if each:
        console.print(_bill_table(plan.specs, total))
    console.print(
        f"{len(total.lines)} runs, {total.num_done} done before; at most {total.flops:.2e} FLOPs, "
        f"{filesize.decimal(total.max_memory_bytes)} of memory a process, "
        f"{duration(total.seconds_here)} on this machine",
        highlight=False,
    )
    if total.num_done < len(total.lines):
        told = ", ".join(
            f"{_round(least)} to {_round(most)} {name}"
            for name, (least, most) in total.gpu_hours.items()
        )
        console.print(f"hours of one GPU, at most: {told}", highlight=False)


def _round(hours: float) -> str:
    """To two digits: no more is known."""
    return f"{float(f'{hours:.2g}'):,g}"


def bill_told(plan: Plan, total: Bill, todo: Sequence[int]) -> dict[str, Any]:
    """For JSON; of each run the settings that tell it from the others."""
    keys, left = varying_keys(plan.specs), set(todo)
    return {
        "name": plan.name,
        "question": plan.question,
        "num_runs": len(total.lines),
        "num_done": total.num_done,
        "max_flops": total.flops,
        "max_memory_bytes": total.max_memory_bytes,
        "max_seconds_here": total.seconds_here,
        "max_gpu_hours": total.gpu_hours,
        "runs": [
            {
                "run_id": spec.run_id,
                "overrides": _settings(spec, keys),
                "parameters": line.parameters,
                "data_bits": line.entropy_bits,
                "max_steps": line.max_steps,
                "max_flops": line.flops,
                "max_memory_bytes": line.memory_bytes,
                "is_done": index not in left,
            }
            for index, (spec, line) in enumerate(zip(plan.specs, total.lines, strict=True))
        ],
    }


def _settings(spec: Spec, keys: Sequence[str]) -> dict[str, Any]:
    row = flatten(spec.what)
    return {key: row[key] for key in keys if key in row}


def _bill_table(specs: Sequence[Spec], total: Bill) -> Table:
    table = Table(box=None, header_style="bold")
    for header in ("run", "point"):
        table.add_column(header, overflow="fold")
    for header in (
        "parameters",
        "data bits",
        "bits/parameter",
        "max steps",
        "max FLOPs",
        "peak MiB",
    ):
        table.add_column(header, justify="right")
    for spec, line in zip(specs, total.lines, strict=True):
        known = line.entropy_bits is not None
        table.add_row(
            spec.run_id,
            line.label,
            f"{line.parameters:,}",
            f"{line.entropy_bits:,.0f}" if known else "unknown",
            f"{line.entropy_bits / line.parameters:.2f}" if line.entropy_bits else "unknown",
            f"{line.max_steps:,}",
            f"{line.flops:.2e}",
            f"{line.memory_bytes / 2**20:,.1f}",
        )
    return table


def duration(seconds: float) -> str:
    """In the unit a person would choose."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
