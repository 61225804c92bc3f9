"""Complete wandb logs of finished runs whose process died before it logged their end."""

from rote.config.build import build
from rote.config.trust import require_own
from rote.ledger.store import RunFolder
from rote.tracking.mirror import RECORD
from rote.tracking.offline import Log, is_complete, logs, read_log

OBSERVER = "wandb"  # its name in conf/log


def repair(run: RunFolder) -> bool:
    """Write a further log with what the last one lacks; return whether that was needed.

    The run must be done and claimed by the caller. Raises ValueError for a run that names code
    that is not allowed.
    """
    found = logs(run.path)
    if not found or is_complete(found[-1]):
        return False
    read = [read_log(path) for path in found]
    if any(RECORD in log.summary for log in read):
        return False
    spec, epoch_tokens = run.spec(), _epoch_tokens(read)
    observers = spec.how["log"]["observers"]
    if OBSERVER not in observers or epoch_tokens is None:
        return False
    record = run.record()
    require_own([spec], run.spec_path)
    mirror = build(observers[OBSERVER], folder=str(run.path))
    mirror.start(spec, record.parameters, epoch_tokens)
    mirror.finish(record)
    return True


def _epoch_tokens(logs: list[Log]) -> int | None:
    """Return the tokens of an epoch; None if no process lived to log its config."""
    return next((log.config["epoch_tokens"] for log in logs if "epoch_tokens" in log.config), None)
