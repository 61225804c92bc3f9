"""How far something long is, told to whoever watches; who that is, and on what screen, is above."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)

# What is being done, how much of it is done, how much there is (None: not known).
Progress = Callable[[str, float, float | None], None]


class SizedIterable(Sized, Iterable[Item_co], Protocol[Item_co]):
    """Things of which it is known how many there are."""


def no_progress(what: str, done: float, total: float | None) -> None:
    """Nobody watches."""


def with_progress(items: SizedIterable[Item], what: str, show: Progress) -> Iterator[Item]:
    """The items, one by one; ``show`` hears of each once it is behind."""
    show(what, 0, len(items))
    for done, item in enumerate(items, start=1):
        yield item
        show(what, done, len(items))
