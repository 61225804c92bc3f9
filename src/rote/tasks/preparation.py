"""Work on its data that a task needs done before a run can be named; no torch."""

from collections.abc import Hashable, Mapping
from typing import Any, Protocol, runtime_checkable

from rote.core.progress import Progress


class Preparation(Hashable, Protocol):
    """Equal preparations are carried out once for a whole grid."""

    def __call__(self, progress: Progress) -> Mapping[str, Any]:
        """The keys of the task that are known now, with their values; raises ValueError."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """What a task's class may offer: its data are made ready before a run id is given."""

    def preparation(self) -> Preparation:
        """What has to be done; nothing is done yet."""
        ...
