"""Progress callbacks for long operations; the CLI displays them."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)

# Arguments: what is being done, how much is done, how much there is in all (None if unknown).
Progress = Callable[[str, float, float | None], None]


class SizedIterable(Sized, Iterable[Item_co], Protocol[Item_co]):
    """An iterable whose length is known."""


def no_progress(what: str, done: float, total: float | None) -> None:
    """Ignore progress: the default callback."""


def with_progress(items: SizedIterable[Item], what: str, show: Progress) -> Iterator[Item]:
    """Yield the items one by one and call ``show`` after each item is finished."""
    show(what, 0, len(items))
    for done, item in enumerate(items, start=1):
        yield item
        show(what, done, len(items))
