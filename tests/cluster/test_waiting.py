"""How long one waits for a cancelled sweep, by a clock that only sleeping moves."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from rote.cluster import launching


class Clock:
    """Seconds that pass in sleep alone."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize(
    ("end_seconds", "has_ended", "waited_seconds"),
    [
        (0.0, True, 0.0),
        (0.5, True, 0.6),  # a look every 0.2 s
        (0.9, True, 1.0),
        (5.0, False, 1.2),  # the first look after the limit of 1.1 s
    ],
)
def test_it_gives_up_after_the_limit_and_not_before(
    end_seconds: float,
    has_ended: bool,
    waited_seconds: float,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    clock = Clock()
    job = SimpleNamespace(is_live=True)

    def live_jobs(outputs: Path, name: str) -> list[SimpleNamespace]:
        return [job] if clock.seconds < 1000 + end_seconds else []

    monkeypatch.setattr(launching, "time", clock)
    monkeypatch.setattr(launching, "live_jobs", live_jobs)
    assert launching.wait_for_end(tmp_path, "lr", limit_seconds=1.1) is has_ended
    assert clock.seconds == pytest.approx(1000 + waited_seconds)
