"""Describe one run in full: settings, curve, sums, circumstances, checks, and failure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rote.analysis.derived import UNIFORM
from rote.analysis.estimate import number, typeset
from rote.analysis.metrics import METRICS, metric_of
from rote.analysis.results import FinishedRun
from rote.cluster.liveness import last_attempt
from rote.cluster.plan import Point
from rote.cluster.status import RunState, tail
from rote.config.names import run_name
from rote.core.units import bits_from_nats
from rote.io.read import Damaged
from rote.ledger.curve import BELOW_UNIFORM_BITS, LOSS_NATS, MEMORISED_BITS
from rote.ledger.spec import flatten
from rote.ledger.store import RunFolder, Store
from rote.site.catalogue import Records, short
from rote.site.columns import CANNOT, measured

POINTS_OF_A_CURVE = 200  # a screen resolves no more; curve.jsonl holds all of them
LINES_OF_A_LOG = 30
BITS_PER_TOKEN = "loss_bits_per_token"
CURVES = (MEMORISED_BITS, BELOW_UNIFORM_BITS, BITS_PER_TOKEN)  # each in its own chart
CARDS = [name for name, each in METRICS.items() if each.is_main and each.expression is not None]


def runs_data(
    runs: Sequence[tuple[Point, RunState, list[str]]], records: Records
) -> dict[str, dict[str, Any]]:
    """Return JSON-ready data by run id, for runs of one sweep with the sweeps they belong to.

    An untrusted record is not shown; its reason is.
    """
    finished, damaged = records.of_runs([(point, run) for point, run, _ in runs])
    try:
        numbers = _main_numbers(list(finished.values()))
    except CANNOT:  # the sweep's own page names the faulty column
        numbers = {}
    found = {}
    for point, run, sweeps in runs:
        done, damage = finished.get(point.run_id), damaged.get(point.run_id)
        page = _page(point, run, records.store, done, damage)
        found[point.run_id] = {"sweeps": sweeps, "cards": numbers.get(point.run_id, []), **page}
    return found


def _main_numbers(finished: Sequence[FinishedRun]) -> dict[str, list[dict[str, str]]]:
    """Return main numbers by run id, each with its title and unit."""
    table = measured(finished, CARDS)
    if table is None:
        return {}
    metrics = [METRICS[name] for name in CARDS if name in table.columns]
    return {
        row["run_id"]: [
            {"title": each.title, "unit": each.unit,
             "text": typeset(number(row[each.name], each.form))}
            for each in metrics
            if row[each.name] is not None
        ]
        for row in table.select("run_id", *(each.name for each in metrics)).rows(named=True)
    }  # fmt: skip


def _page(
    point: Point, run: RunState, store: Store, finished: FinishedRun | None, damage: str | None
) -> dict[str, Any]:
    """Return one run's data; damage of an unfinished run is added to its reason."""
    found: list[str] = []
    left = _left(point, run, store, finished, found)
    reasons = [damage or run.reason, *(one for one in found if one not in (run.reason or ""))]
    return {
        "id": point.run_id,
        "name": run_name(flatten(point.spec.what), point.run_id),
        "state": run.state if damage is None else "damaged",
        "reason": "; ".join(filter(None, reasons)) or None,
        "step": run.step,
        "max_steps": run.max_steps,
        "what": point.spec.what,
        "how": point.spec.how,
        **left,
    }


def _left(
    point: Point, run: RunState, store: Store, finished: FinishedRun | None, damaged: list[str]
) -> dict[str, Any]:
    """Return what a run has written; damaged files are left out and added to ``damaged``."""
    folder = store.run(point.run_id)
    is_done = run.state in ("done", "damaged")

    def read(reader: Callable[[], Any]) -> Any:
        try:
            return reader()
        except Damaged as error:
            damaged.append(str(error))
            return None

    return {
        "record": _record(finished),
        "circumstances": dict(finished.circumstances) if finished else None,
        "checks": _checks(point, finished),
        "failure": None if is_done else _failure(folder),
        "log": None if is_done else read(partial(_log, folder, store.outputs)),
        "curve": read(partial(curve, folder)) or {},
        "charts": [{"key": key, "title": metric_of(key).label} for key in CURVES],
        "levels": _levels(point, finished),
    }


def _levels(point: Point, finished: FinishedRun | None) -> dict[str, list[tuple[str, float]]]:
    """Return reference lines by curve: a uniform guess, and the entropy of the data."""
    settings = flatten(point.spec.what)
    number_of, length, symbols, base_symbols = (
        value if isinstance(value := settings.get(f"task.{key}"), int) else 0
        for key in ("num_sequences", "length", "vocab_size", "base.vocab_size")
    )
    token_bits = math.log2(max(symbols, base_symbols, 1))
    bits = finished.record.entropy_bits if finished else None
    if bits is None and settings.get("task._target_") == UNIFORM:
        bits = number_of * length * token_bits
    found: dict[str, list[tuple[str, float]]] = {}
    if token_bits:
        found[BITS_PER_TOKEN] = [("log2 V, a uniform guess", token_bits)]
    if bits:
        found[MEMORISED_BITS] = [(METRICS["entropy_bits"].title, bits)]
    return found


def curve(folder: RunFolder) -> dict[str, list[Any]]:
    """Return the curve by name, about 200 rows with the first and the last; losses in bits.

    Raises Damaged.
    """
    whole = folder.curve_lines()
    every = -(-len(whole) // POINTS_OF_A_CURVE) or 1
    chosen = whole[::every] if whole[-1:] == whole[::every][-1:] else [*whole[::every], whole[-1]]
    rows = [_in_bits(folder.row(line)) for line in chosen]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: short(row.get(name) for row in rows) for name in names}


def _in_bits(row: dict[str, Any]) -> dict[str, Any]:
    nats = row.pop(LOSS_NATS, None)
    return row if nats is None else {**row, BITS_PER_TOKEN: bits_from_nats(nats)}


def _record(finished: FinishedRun | None) -> dict[str, Any] | None:
    if finished is None:
        return None
    plain = asdict(finished.record)
    del plain["what"], plain["run_id"]
    return plain


def _checks(point: Point, finished: FinishedRun | None) -> list[dict[str, Any]]:
    """Return facts that were checked; ``holds`` is None if a no is a caution, not a fault."""
    found: list[tuple[str, bool | None]] = [
        ("the run id is the digest of its settings", point.spec.run_id == point.run_id)
    ]
    if finished is not None:
        converged = bool(finished.record.training["converged"])
        is_committed = finished.circumstances.get("uncommitted_digest") is None
        found += [
            ("the record's checksum matches its content", True),
            ("training converged (otherwise memorised bits are a lower bound)", converged or None),
            ("trained by committed code", is_committed or None),
        ]
    return [{"statement": statement, "holds": holds} for statement, holds in found]


def _failure(folder: RunFolder) -> dict[str, Any] | None:
    failure = folder.failure()
    keep = ("reason", "details", "time_unix_seconds")
    return {key: failure[key] for key in keep} if failure else None


def _log(folder: RunFolder, outputs: Path) -> dict[str, Any] | None:
    life = last_attempt(folder)
    if life is None:
        return None
    return {"path": life["log"], "lines": tail(Path(life["log"]), LINES_OF_A_LOG, outputs)}
