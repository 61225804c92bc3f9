"""Answer programs over http in JSON: sweeps, and what `rote.results` gives of one."""

import json
import math
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

from rote.cluster.plan import launched, load_plan
from rote.gathering.sweep_results import SweepResults
from rote.io.read import read_inside
from rote.ledger.spec import ID_DIGITS
from rote.ledger.store import RunFolder, Store

RUN_ID = re.compile(rf"[0-9a-f]{{{ID_DIGITS}}}")
UNKNOWN = "there is no such address: see /api/sweeps"


class Api:
    """The documents below /api/, by path; names are looked up, no path is built from others."""

    def __init__(self, outputs: Path) -> None:
        self.outputs, self.store = outputs, Store(outputs)

    def __call__(self, path: str) -> tuple[HTTPStatus, bytes]:
        """Return the status and the JSON of a path below /api/; an error is JSON as well."""
        try:
            found = self._found(path.split("/"))
        except (OSError, ValueError) as error:
            return error_json(HTTPStatus.CONFLICT, " ".join(str(error).split()))
        if found is None:
            return error_json(HTTPStatus.NOT_FOUND, UNKNOWN)
        return HTTPStatus.OK, found if isinstance(found, bytes) else _json(found)

    def _found(self, words: list[str]) -> Any:
        """Return the document, bytes if it is JSON already; None if there is none."""
        match words:
            case ["sweeps"]:
                return [self._sweep(name) for name in launched(self.outputs)]
            case ["sweeps", name, *rest] if name in launched(self.outputs):
                return self._of_sweep(name, rest)
            case ["runs", run_id, *rest] if RUN_ID.fullmatch(run_id):
                run = self.store.run(run_id)
                return self._of_run(run, rest) if run.is_done() else None
        return None

    def _sweep(self, name: str) -> dict[str, Any]:
        plan = load_plan(self.outputs, name)
        done = [run_id for run_id in plan.run_ids if self.store.run(run_id).is_done()]
        return {
            "name": name, "question": plan.question, "report": plan.report,
            "num_runs": len(plan.run_ids), "num_done": len(done),
        }  # fmt: skip

    def _of_sweep(self, name: str, words: list[str]) -> Any:
        match words:
            case []:
                return {**self._sweep(name), "run_ids": load_plan(self.outputs, name).run_ids}
            case ["runs"]:
                results = SweepResults(name, outputs=self.outputs)
                return {"axes": results.axes, "rows": results.runs.to_dicts()}
            case ["manifest"]:
                path = self.outputs / "reports" / name / "manifest.json"
                return read_inside(self.outputs, path) if path.exists() else None
        return None

    def _of_run(self, run: RunFolder, words: list[str]) -> Any:
        run.require_undamaged()
        match words:
            case ["curve"]:
                return {"run_id": run.run_id, "rows": run.curve()}
            case ["arrays"]:
                return {"run_id": run.run_id, "shapes": {
                    name: list(array.shape) for name, array in run.arrays().items()
                }}  # fmt: skip
            case ["arrays", name] if name in (arrays := run.arrays()):
                return {"run_id": run.run_id, "name": name, "values": arrays[name].tolist()}
        return None


def error_json(status: HTTPStatus, message: str) -> tuple[HTTPStatus, bytes]:
    """Return the answer to a request that cannot be met."""
    return status, _json({"status": status.value, "error": message})


def _json(value: Any) -> bytes:
    return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False).encode()


def _finite(value: Any) -> Any:
    """Replace numbers that JSON lacks, NaN and infinity, by null."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
