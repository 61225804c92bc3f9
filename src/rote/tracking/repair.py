"""Finished runs whose process died before wandb had heard of their end."""

from rote.config.build import build
from rote.config.trust import require_own
from rote.ledger.store import RunFolder
from rote.tracking.mirror import RECORD
from rote.tracking.offline import Log, is_complete, logs, read_log

OBSERVER = "wandb"  # its name in conf/log


def repair(run: RunFolder) -> bool:
    """Open a further log that holds what the last one lacks; says whether there was any need.

    Raises ValueError for a run that names code which is not allowed.
    The run is done, and nobody else may be at it: claim it before.
    """
    found = logs(run.path)
    if not found or is_complete(found[-1]):
        return False
    told = [read_log(path) for path in found]
    if any(RECORD in log.summary for log in told):
        return False
    spec, epoch_tokens = run.spec(), _epoch_tokens(told)
    observers = spec.how["log"]["observers"]
    if OBSERVER not in observers or epoch_tokens is None:
        return False
    record = run.record()
    require_own([spec], run.spec_path)
    mirror = build(observers[OBSERVER], folder=str(run.path))
    mirror.start(spec, record.parameters, epoch_tokens)
    mirror.finish(record)
    return True


def _epoch_tokens(told: list[Log]) -> int | None:
    """None where every process died before wandb had written what was run."""
    return next((log.config["epoch_tokens"] for log in told if "epoch_tokens" in log.config), None)
