"""Generate sentences about invented people: knowledge of exactly known entropy.

After Allen-Zhu and Li 2024 (arXiv 2404.05405), sections 2 and 3: N people with uniformly drawn
attributes, each stated in one or more wordings. A model can know a value only from reading it, so
log2 of the number of choices minus the value's code length is knowledge in bits.

The lists of attributes, values and wordings are our own. Names combine syllables as no language
does; cities and companies have two parts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from random import Random

from rote.core.checks import require_choice, require_distinct, require_whole
from rote.core.rng import stream_seed
from rote.tasks.canaries.spaces import TextSpace, bits
from rote.tasks.lines import LineTask, Question

BLANK = "{}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _behind(text: str) -> tuple[str, ...]:
    """Return words for the second place of two."""
    return tuple(f" {word}" for word in _words(text))


_ONSETS = _words("bl br dr fl fr gl gr kl kr pl sk sl sn tr vr zw")
_GIVEN = tuple(onset.capitalize() + vowel for onset in _ONSETS for vowel in "aeio")
_SYLLABLES = tuple(onset + vowel for onset in _ONSETS for vowel in "aeio")
NAMES = TextSpace((_GIVEN, _SYLLABLES, (" ",), _GIVEN, _SYLLABLES))  # 24 bits

_DAYS = tuple(map(str, range(1, 29)))
_MONTHS = _words(
    "January February March April May June July August September October November December"
)
_YEARS = tuple(map(str, range(1901, 2001)))
_OPENINGS = _words("""
Alder Amber Birch Cedar Cinder Copper Falcon Hazel Juniper Linden Maple Otter Raven Silver
Thistle Willow
""")
_CITIES = _words(
    "bay bridge bury dale field ford gate haven hurst mere mouth port stead ton wick worth"
)
_COLLEGES = _behind("Academy College Conservatory Faculty Institute Polytechnic School University")
_COMPANIES = _behind("""
Bank Brewery Ceramics Dairy Dyeworks Engines Foods Foundry Freight Glass Lamps Mills Papers
Press Shipping Textiles
""")
_MAJORS = _words("""
accounting acoustics agronomy algebra shape anthropology archaeology architecture astronomy
ballet biochemistry biology botany calculus carpentry ceramics chemistry cinema cookery
cryptography dentistry design drama ecology economics education electronics engineering ethics
forestry genetics geography geology geometry grammar history horticulture hydrology immunology
journalism law linguistics literature logic mathematics mechanics medicine metallurgy
meteorology mineralogy music navigation nursing nutrition oceanography optics painting pharmacy
philosophy physics poetry psychology sculpture statistics
""")
_PLACES = TextSpace((_OPENINGS, _CITIES))


@dataclass(frozen=True)
class Attribute:
    """One uniform choice for each place of ``values``; ``wordings`` come before the value."""

    values: TextSpace
    wordings: tuple[str, ...]


ATTRIBUTES = {
    "birth_date": Attribute(
        TextSpace((_DAYS, (" ",), _MONTHS, (" ",), _YEARS)),
        ("{} was born on ", "The birthday of {} is ", "{} came to life on ", "{} dates from "),
    ),
    "birth_city": Attribute(
        _PLACES, ("{} was born in ", "The birthplace of {} is ", "{} comes from ", "{} grew up in ")
    ),
    "university": Attribute(
        TextSpace((_OPENINGS, _COLLEGES)),
        ("{} studied at ", "The school of {} was ", "{} graduated from ", "{} was taught at "),
    ),
    "major": Attribute(
        TextSpace((_MAJORS,)),
        ("{} majored in ", "The subject of {} is ", "{} took a degree in ", "{} specialised in "),
    ),
    "employer": Attribute(
        TextSpace((_OPENINGS, _COMPANIES)),
        ("{} works for ", "The employer of {} is ", "{} is employed by ", "{} has a job with "),
    ),
    "work_city": Attribute(
        _PLACES,
        ("{} works in ", "The workplace of {} is ", "{} has an office in ", "{} commutes to "),
    ),
}
NUM_WORDINGS = min(len(one.wordings) for one in ATTRIBUTES.values())


END = "."
MAX_PEOPLE = 1 << 17  # held as text, sentence by sentence; there are far more names


@dataclass(frozen=True, kw_only=True)
class _Fact:
    """One attribute of one person."""

    name: str
    attribute: str
    value: str
    first_wording: int
    exposures: int

    def before(self, exposure: int, paraphrases: int) -> str:
        """Return the text before the value; wordings rotate, from one that was drawn."""
        wording = (self.first_wording + exposure) % paraphrases
        return ATTRIBUTES[self.attribute].wordings[wording].replace(BLANK, self.name)


@dataclass(frozen=True, kw_only=True)
class Biographies(LineTask):
    """One sentence per line: a person, an attribute, its value. Raises ValueError.

    The people of a smaller set are the first ones of a larger set. No sentence about a held-out
    person is in the training set. A question uses the wording that was shown first.
    """

    num_people: int
    num_heldout_people: int
    attributes: Sequence[str]
    exposures: Sequence[int]  # sentences per fact; people get these numbers in turn
    paraphrases: int  # wordings per attribute

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
            require_choice("each of task.attributes", name, ATTRIBUTES)
        self.check()

    def questions(self, seed: int) -> Sequence[Question]:
        """Return questions person by person; held-out people come last."""
        return [
            Question(
                before=fact.before(0, self.paraphrases),
                answer=fact.value + END,
                group=fact.attribute,
                exposures=fact.exposures,
                bits=bits(ATTRIBUTES[fact.attribute].values),
            )
            for fact in self._facts(seed)
        ]

    def train_lines(self, seed: int) -> list[str]:
        """Return each fact as often as it is stated, with rotating wordings."""
        return [
            fact.before(exposure, self.paraphrases) + fact.value + END
            for fact in self._facts(seed)
            for exposure in range(fact.exposures)
        ]

    def texts(self) -> Iterable[str]:
        """Return the parts of names, wordings and values."""
        used = [ATTRIBUTES[name] for name in self.attributes]
        wordings = (text.replace(BLANK, "") for one in used for text in one.wordings)
        values = chain(*(place for one in used for place in one.values.places))
        return chain(*NAMES.places, wordings, values, END)

    @cached_property
    def longest(self) -> int:
        """Return the longest line in any wording, so that wordings change no parameter count."""
        used = [ATTRIBUTES[name] for name in self.attributes]
        longest = max(max(map(len, one.wordings)) + one.values.longest for one in used)
        return longest - len(BLANK) + NAMES.longest + len(END)

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
    """Return different names in the order in which they are drawn."""
    random = Random(stream_seed(seed, "names"))
    ranks: dict[int, None] = {}
    while len(ranks) < number:
        ranks[random.randrange(NAMES.size)] = None
    return [NAMES.unrank(rank) for rank in ranks]
