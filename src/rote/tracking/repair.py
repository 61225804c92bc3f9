"""Complete wandb logs of finished runs whose process died before it logged their end."""

from rote.config.build import build
from rote.config.trust import require_own
from rote.ledger.store import RunFolder
from rote.tracking.mirror import RECORD
from rote.tracking.offline import is_complete, logs, read_log

OBSERVER = "wandb"  # its name in conf/log


def repair(run: RunFolder) -> None:
    """Write a further log with what the last one lacks, if it lacks its run's end.

    The run must be done and claimed by the caller. Raises ValueError for a run that names code
    that is not allowed.
    """
    found = logs(run.path)
    if not found or is_complete(found[-1]):
        return
    read = [read_log(path) for path in found]
    if any(RECORD in log.summary for log in read):
        return
    spec = run.spec()
    observers = spec.how["log"]["observers"]
    known = [log.config["epoch_tokens"] for log in read if "epoch_tokens" in log.config]
    if OBSERVER not in observers or not known:  # no process lived to log its config
        return
    record = run.record()
    require_own([spec], run.spec_path)
    mirror = build(observers[OBSERVER], folder=str(run.path))
    mirror.start(spec, record.parameters, known[0])
    mirror.finish(record)
