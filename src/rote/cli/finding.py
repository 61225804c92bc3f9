"""The run that somebody means: an id, its beginning, a folder, or the newest of a sweep."""

from pathlib import Path

from rote.cluster.plan import launched, load_plan
from rote.config.choices import unknown
from rote.ledger.store import RunFolder, Store


def find_run(outputs: Path, word: str) -> RunFolder:
    """Raises ValueError where there is no such run, more than one, or none that is done."""
    if word and (Path(word) / "spec.yaml").is_file():
        return RunFolder(Path(word).resolve())
    if word in launched(outputs):
        return _newest(outputs, word)
    begun = [run.run_id for run in Store(outputs).runs() if run.run_id.startswith(word)]
    if not word or not begun:
        raise unknown("run or launched sweep", word, launched(outputs))
    if len(begun) > 1:
        raise ValueError(f"run {word!r} may be any of {len(begun)}: {', '.join(begun[:5])}")
    return Store(outputs).run(begun[0])


def _newest(outputs: Path, sweep: str) -> RunFolder:
    """The one that was done last."""
    runs = [Store(outputs).run(run_id) for run_id in load_plan(outputs, sweep).run_ids]
    done = [run for run in runs if run.is_done()]
    if not done:
        raise ValueError(f"no run of {sweep!r} is done: rote sweep {sweep}")
    return max(done, key=lambda run: run.record_path.lstat().st_mtime_ns)
