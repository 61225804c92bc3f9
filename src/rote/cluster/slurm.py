"""Run a sweep on a SLURM cluster: packs of runs in job arrays, resources by model size."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rote.cluster import queue
from rote.cluster.host import HowRunsTrain, Launch, LaunchRequest
from rote.cluster.journal import Submission
from rote.cluster.pack import Speed, estimates, packs, stack_on_gpu, stacks
from rote.cluster.plan import Point
from rote.cluster.submission import submit, take_back
from rote.config.host_and_log import AUTO, LIMIT_KEY
from rote.ledger.spec import FINISH
from rote.ledger.store import Store

SOAP = "rote.optim.soap."  # how its target begins


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The resources of one job; conf/host/slurm.yaml explains the keys."""

    partition: str | None
    account: str | None
    qos: str | None
    time_minutes: int
    signal_seconds: int
    cpus_per_task: int
    mem_per_cpu_mb: int | None
    gpus_per_node: int
    nodes: int
    tasks_per_node: int
    runs_at_once: int
    stack: int | str
    constraint: str | None
    extra_sbatch: Sequence[str]
    setup: Sequence[str]
    pack_minutes: float
    flops_per_second: float
    step_overhead_seconds: float
    gpu_memory_gib: float | None = None  # as plans of earlier versions have it

    def sbatch(self) -> dict[str, Any]:
        """Return submitit's parameters; unset values are left out."""
        asked = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "time": self.time_minutes,
            "signal_delay_s": self.signal_seconds,
            "cpus_per_task": self.cpus_per_task,
            "mem_per_cpu": self.mem_per_cpu_mb and f"{self.mem_per_cpu_mb}MB",
            "gpus_per_node": self.gpus_per_node or None,
            "nodes": self.nodes,
            "ntasks_per_node": self.tasks_per_node,
            "constraint": self.constraint,
            "setup": list(self.setup) or None,
            "additional_parameters": {"requeue": True, **dict(map(_flag, self.extra_sbatch))},
        }
        return {key: value for key, value in asked.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class SlurmHost(Resources, HowRunsTrain):
    """The keys of conf/host/slurm.yaml; raises ValueError for an unusable value."""

    detached: ClassVar[bool] = True

    max_array_size: int | None
    max_parallel_jobs: int | None
    by_parameters: Sequence[Mapping[str, Any]]

    def check(self, point: Point) -> None:
        """Raises ValueError if processes or cores cannot be shared as configured."""
        asked, together = self.resources(point.parameters), self.processes(point.parameters)
        what, batch_size = point.spec.what, point.spec.batch_size
        if together > 1 and FINISH in what["budget"]:
            raise ValueError(
                f"budget.finish trains in one process, not in {together} (host.nodes x "
                "host.tasks_per_node)"
            )
        is_soap = what["optim"]["optimiser"]["_target_"].startswith(SOAP)
        if together > 1 and self.strategy == "fsdp" and is_soap:
            raise ValueError(
                "SOAP does not go with host.strategy=fsdp: its bases are of whole matrices"
            )
        if batch_size % together:
            raise ValueError(
                f"{together} processes (host.nodes x host.tasks_per_node) cannot share batches of "
                f"{batch_size} sequences equally: change budget.batch_size"
            )
        if together > 1 and asked.runs_at_once > 1:
            raise ValueError(
                "host.runs_at_once: a run that several processes train shares its job with no other"
            )
        if asked.runs_at_once * self.threads > asked.cpus_per_task:
            raise ValueError(
                f"host.cpus_per_task is {asked.cpus_per_task}: too few for host.runs_at_once "
                f"({asked.runs_at_once}) x host.threads ({self.threads})"
            )

    def processes(self, parameters: int) -> int:
        """Return the number of processes on all nodes together."""
        asked = self.resources(parameters)
        return asked.nodes * asked.tasks_per_node

    def stack_of(self, point: Point) -> int:
        """Return `host.stack` of the rule for this model size.

        auto: 1 on CPUs and for runs of several processes, else what fits into a process's share of
        a GPU.
        """
        asked = self.resources(point.parameters)
        if asked.stack != AUTO:
            return int(asked.stack)
        has_gpu = self.accelerator in ("gpu", "cuda")
        has_gpu |= self.accelerator == "auto" and asked.gpus_per_node > 0
        if not has_gpu or self.processes(point.parameters) > 1:
            return 1
        sharing = -(-asked.runs_at_once // max(1, asked.gpus_per_node))
        return stack_on_gpu(point, asked.gpu_memory_gib and asked.gpu_memory_gib / sharing)

    def launch(self, order: LaunchRequest) -> Launch:
        """Submit arrays of packs, one resource class at a time; either all of them or none."""
        sent: list[Submission] = []
        try:
            size = self.max_array_size or queue.max_array_size(timeout_seconds=60.0)
            for parameters, assignments in self._arrays(order, size):
                submission = submit(
                    order.journal,
                    job_name=f"rote:{order.plan.name}",
                    parameters=parameters,
                    assignments=assignments,
                    import_first=order.import_first,
                )
                sent.append(submission)
        except queue.QueueUnknown as error:
            raise ValueError(f"the SLURM controller does not answer: {error}") from error
        except BaseException:
            for submission in sent:
                take_back(submission, submission.jobs)
                order.journal.withdrawn(submission)
            raise
        jobs = tuple(job for one in sent for job in one.jobs)
        return Launch(jobs, len(order.todo), self.detached)

    def resources(self, parameters: int) -> Resources:
        """Return the resources for a model size: the first rule that fits overrides the rest."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(Resources)}
        for rule in self.by_parameters:
            if rule[LIMIT_KEY] is None or parameters <= rule[LIMIT_KEY]:
                own |= {key: value for key, value in rule.items() if key != LIMIT_KEY}
                break
        return Resources(**own)

    def _arrays(
        self, order: LaunchRequest, size: int
    ) -> Iterator[tuple[dict[str, Any], list[Any]]]:
        """Yield the sbatch parameters and the workers' assignments of each array."""
        for resources, points in self._classes(order.todo):
            speed = Speed(
                flops_per_second=resources.flops_per_second,
                step_overhead_seconds=resources.step_overhead_seconds,
            )
            seconds = estimates(order.plan.points, points, Store(order.outputs), speed)
            of_run = dict(zip((point.run_id for point in points), seconds, strict=True))
            suspects = [point for point in points if point.run_id in order.suspect]
            others = [point for point in points if point.run_id not in order.suspect]
            together = [
                *stacks(
                    suspects, lambda each: min(order.suspect[each.run_id], self.stack_of(each))
                ),
                *stacks(others, self.stack_of),
            ]
            made = packs(
                together,
                [sum(of_run[point.run_id] for point in stack) for stack in together],
                target_seconds=60.0 * resources.pack_minutes * resources.runs_at_once,
                alone=lambda stack: stack[0].run_id in order.suspect,
            )
            for start in range(0, len(made), size):
                part = [
                    order.assignment(pack, runs_at_once=resources.runs_at_once)
                    for pack in made[start : start + size]
                ]
                yield self._sbatch(resources, len(part)), part

    def _classes(self, points: Sequence[Point]) -> list[tuple[Resources, list[Point]]]:
        """Group points with equal resources; not by hash, because resources hold mappings."""
        classes: list[tuple[Resources, list[Point]]] = []
        for point in points:
            wanted = self.resources(point.parameters)
            for resources, members in classes:
                if resources == wanted:
                    members.append(point)
                    break
            else:
                classes.append((wanted, [point]))
        return classes

    def _sbatch(self, resources: Resources, num_jobs: int) -> dict[str, Any]:
        asked = resources.sbatch() | {"array_parallelism": self.max_parallel_jobs or num_jobs}
        if self.max_parallel_jobs:
            # Arrays of one name run one after another, so that the limit of each is the limit of
            # all, also across a later `rote resume`.
            asked["dependency"] = "singleton"
        return asked


def _flag(text: str) -> tuple[str, str | bool]:
    """Convert ``mail-type=FAIL`` or ``--hold`` to submitit's form for unknown flags."""
    key, _, value = text.removeprefix("--").partition("=")
    return key, value or True
