"""Define the facts task of Barron and White 2025: a name and its answer on each line.

Source: arXiv 2506.09099, 50 lines of the form ``Capital of X is Y ``. The list is our own: sixty
countries and their capitals, which are public knowledge; all names are ASCII.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rote.core.checks import require_list, require_whole
from rote.tasks.lines import UNKNOWN_BITS, LineTask, Question

_LIST = """
France: Paris; Germany: Berlin; Italy: Rome; Spain: Madrid; Portugal: Lisbon; Greece: Athens;
Norway: Oslo; Sweden: Stockholm; Finland: Helsinki; Denmark: Copenhagen; Iceland: Reykjavik;
Ireland: Dublin; Poland: Warsaw; Austria: Vienna; Hungary: Budapest; Romania: Bucharest;
Bulgaria: Sofia; Croatia: Zagreb; Serbia: Belgrade; Albania: Tirana; Latvia: Riga;
Lithuania: Vilnius; Estonia: Tallinn; Turkey: Ankara; Egypt: Cairo; Kenya: Nairobi; Ghana: Accra;
Nigeria: Abuja; Ethiopia: Addis Ababa; Morocco: Rabat; Tunisia: Tunis; Algeria: Algiers;
Senegal: Dakar; Uganda: Kampala; Zambia: Lusaka; Zimbabwe: Harare; Angola: Luanda; Japan: Tokyo;
China: Beijing; India: New Delhi; Nepal: Kathmandu; Thailand: Bangkok; Vietnam: Hanoi;
Mongolia: Ulaanbaatar; Canada: Ottawa; Mexico: Mexico City; Cuba: Havana; Peru: Lima;
Brazil: Brasilia; Argentina: Buenos Aires; Chile: Santiago; Uruguay: Montevideo;
Paraguay: Asuncion; Ecuador: Quito; Colombia: Bogota; Venezuela: Caracas; Jamaica: Kingston;
Jordan: Amman; Iraq: Baghdad; Australia: Canberra
"""

CAPITALS = tuple(tuple(pair.strip().split(": ")) for pair in _LIST.split(";"))


BLANK = "{}"
END = " "  # closes an answer, and pads the line


@dataclass(frozen=True, kw_only=True)
class Facts(LineTask):
    """The first ``num_facts`` pairs are trained on, the others held out, for every seed.

    Raises ValueError for names that occur twice, and if either part would be empty.
    """

    template: str  # text before the answer, with {} for the name
    pairs: Sequence[Sequence[str]] | None  # None: sixty countries and their capitals
    num_facts: int

    def __post_init__(self) -> None:
        if self.template.count(BLANK) != 1:
            raise ValueError(f"task.template must hold {BLANK} once, got {self.template!r}")
        require_list("task.pairs", self._pairs)
        for pair in self._pairs:
            require_list("each of task.pairs", pair)
        if wrong := [pair for pair in self._pairs if len(pair) != 2]:
            raise ValueError(f"task.pairs: {list(wrong[0])} is not a name and an answer")
        names = [name for name, _ in self._pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"task.pairs: {twice[0]!r} occurs {names.count(twice[0])} times")
        require_whole("task.num_facts", self.num_facts, 1, len(names) - 1)
        self.check()

    def questions(self, seed: int) -> Sequence[Question]:
        """Return all pairs in their order."""
        return [
            Question(
                before=self.template.replace(BLANK, name),
                answer=answer + END,
                group="fact",
                exposures=int(place < self.num_facts),
                bits=UNKNOWN_BITS,
            )
            for place, (name, answer) in enumerate(self._pairs)
        ]

    def texts(self) -> Iterable[str]:
        """Return all lines."""
        return (one.line for one in self.questions(0))

    @cached_property
    def longest(self) -> int:
        """Return the length of the longest line, held-out ones included."""
        return max(map(len, self.texts()))

    @property
    def _pairs(self) -> Sequence[Sequence[str]]:
        return CAPITALS if self.pairs is None else self.pairs
