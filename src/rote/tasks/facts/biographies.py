"""Sentences about invented people: knowledge of exactly known entropy.

After Allen-Zhu and Li 2024 (arXiv 2404.05405), sections 2 and 3: N people, attributes drawn
uniformly, each stated in one or more wordings. A value can only be known from having been read, so
log2 of its choices minus its code length are bits of knowledge.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from random import Random

from rote.core.checks import require_distinct, require_whole
from rote.core.rng import stream_seed
from rote.tasks.facts.attributes import ATTRIBUTES, BLANK, NAMES, NUM_WORDINGS, longest_line
from rote.tasks.lines import LineTask, Question

END = "."
MAX_PEOPLE = 1 << 17  # held as text, sentence by sentence; and far fewer than there are names


@dataclass(frozen=True, kw_only=True)
class _Fact:
    """One attribute of one person."""

    name: str
    attribute: str
    value: str
    first_wording: int
    exposures: int

    def before(self, exposure: int, paraphrases: int) -> str:
        """Wordings follow one another in a circle, from one that was drawn."""
        wording = (self.first_wording + exposure) % paraphrases
        return ATTRIBUTES[self.attribute].wordings[wording].replace(BLANK, self.name)


@dataclass(frozen=True, kw_only=True)
class Biographies(LineTask):
    """One sentence a line: a person, an attribute, its value. Raises ValueError.

    People of a smaller set are the first of a larger one. A held-out person is one of whom no
    sentence is trained on. A question is asked in the wording that was shown first.
    """

    num_people: int
    num_heldout_people: int
    attributes: Sequence[str]
    exposures: Sequence[int]  # sentences of each fact; people are dealt these in turn
    paraphrases: int  # wordings of each attribute

    def __post_init__(self) -> None:
        require_whole("task.num_people", self.num_people, 1, MAX_PEOPLE)
        require_whole("task.num_heldout_people", self.num_heldout_people, 1, MAX_PEOPLE)
        require_whole("task.paraphrases", self.paraphrases, 1, NUM_WORDINGS)
        require_distinct("task.attributes", self.attributes)
        require_distinct("task.exposures", self.exposures)
        for times in self.exposures:
            require_whole("each of task.exposures", times, 1)
        if len(self.exposures) > self.num_people:
            raise ValueError(
                f"task.exposures: {len(self.exposures)} are dealt to {self.num_people} people"
            )
        for name in self.attributes:
            if name not in ATTRIBUTES:
                choices = ", ".join(ATTRIBUTES)
                raise ValueError(f"task.attributes: {name!r} is not among {choices}")
        self.check()

    def questions(self, seed: int) -> Sequence[Question]:
        """Person by person; held-out people come last."""
        return [
            Question(
                before=fact.before(0, self.paraphrases),
                answer=fact.value + END,
                group=fact.attribute,
                exposures=fact.exposures,
                bits=ATTRIBUTES[fact.attribute].bits,
            )
            for fact in self._facts(seed)
        ]

    def train_lines(self, seed: int) -> list[str]:
        """Each fact as often as it is stated, in one wording after another."""
        return [
            fact.before(exposure, self.paraphrases) + fact.value + END
            for fact in self._facts(seed)
            for exposure in range(fact.exposures)
        ]

    def texts(self) -> Iterable[str]:
        """Parts of names, wordings and values."""
        used = [ATTRIBUTES[name] for name in self.attributes]
        wordings = (text.replace(BLANK, "") for one in used for text in one.wordings)
        values = chain(*(place for one in used for place in one.values.places))
        return chain(*NAMES.places, wordings, values, END)

    @cached_property
    def longest(self) -> int:
        """In any wording, also of those that are not used: wordings move no parameter count."""
        return longest_line(self.attributes)

    def _facts(self, seed: int) -> Iterator[_Fact]:
        names = _names(seed, self.num_people + self.num_heldout_people)
        attributes, exposures = tuple(self.attributes), tuple(self.exposures)
        for person, name in enumerate(names):
            random = Random(stream_seed(seed, "biography", person))
            is_train = person < self.num_people
            for attribute in attributes:
                values = ATTRIBUTES[attribute].values
                yield _Fact(
                    name=name,
                    attribute=attribute,
                    value=values.unrank(random.randrange(values.size)),
                    first_wording=random.randrange(self.paraphrases),
                    exposures=exposures[person % len(exposures)] if is_train else 0,
                )


def _names(seed: int, number: int) -> list[str]:
    """All different, in the order in which they are drawn."""
    random = Random(stream_seed(seed, "names"))
    ranks: dict[int, None] = {}
    while len(ranks) < number:
        ranks[random.randrange(NAMES.size)] = None
    return [NAMES.unrank(rank) for rank in ranks]
