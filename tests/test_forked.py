"""Reading shared between forked processes."""

import os
import signal
import threading

import pytest

from rote.core.forked import A_PART, mapped
from rote.core.progress import no_progress

MANY = range(5 * A_PART + 1)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to have two cores, and no threads of other tests."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def test_results_come_in_order_and_from_other_processes() -> None:
    found = [*mapped(lambda item: (item, os.getpid()), MANY, "reading", no_progress)]
    assert [item for item, _ in found] == [*MANY]
    assert os.getpid() not in {process for _, process in found}


@pytest.mark.parametrize("items", [MANY[: 2 * A_PART], MANY[:0]])
def test_few_items_stay_in_this_process(items: range) -> None:
    found = [*mapped(lambda item: (item, os.getpid()), items, "reading", no_progress)]
    assert found == [(item, os.getpid()) for item in items]


def test_a_process_with_threads_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert {*mapped(lambda _: os.getpid(), MANY, "reading", no_progress)} == {os.getpid()}


def test_progress_is_shown_up_to_the_end() -> None:
    shown: list[tuple[float, float | None]] = []
    list(mapped(str, MANY, "reading", lambda _, done, total: shown.append((done, total))))
    assert shown == [(done, 6) for done in range(7)]


def test_an_error_reaches_the_caller() -> None:
    def read(item: int) -> int:
        if item == 1234:
            raise ValueError("not 1234")
        return item

    with pytest.raises(ValueError, match="not 1234"):
        list(mapped(read, MANY, "reading", no_progress))


def test_a_killed_process_is_an_error_and_no_endless_wait() -> None:
    def read(item: int) -> None:
        if item == 1234:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ChildProcessError, match="reading: a process was killed"):
        list(mapped(read, MANY, "reading", no_progress))
