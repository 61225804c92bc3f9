"""What is told of invented people: attributes, what they are drawn from, and how they are worded.

After the biographies of Allen-Zhu and Li 2024 (arXiv 2404.05405), section 2, with lists of our own.
Names are made of syllables that no language puts together so, cities and companies of two parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rote.tasks.canaries.spaces import TextSpace, bits

BLANK = "{}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _behind(text: str) -> tuple[str, ...]:
    """Words that stand as the second of two."""
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
accounting acoustics agronomy algebra anatomy anthropology archaeology architecture astronomy
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
    """One choice of each place of ``values``, uniformly; ``wordings`` say what stands before it."""

    values: TextSpace
    wordings: tuple[str, ...]

    @property
    def bits(self) -> float:
        """log2 of how many values there are."""
        return bits(self.values)


ATTRIBUTES = {
    "birth_date": Attribute(
        TextSpace((_DAYS, (" ",), _MONTHS, (" ",), _YEARS)),
        ("{} was born on ", "The birthday of {} is ", "{} came to life on ", "{} dates from "),
    ),
    "birth_city": Attribute(
        _PLACES,
        ("{} was born in ", "The birthplace of {} is ", "{} comes from ", "{} grew up in "),
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


def longest_line(names: Sequence[str]) -> int:
    """Characters of the longest sentence that some attributes can make, full stop included."""
    return max(
        max(map(len, ATTRIBUTES[name].wordings))
        - len(BLANK)
        + NAMES.longest
        + ATTRIBUTES[name].values.longest
        + len(".")
        for name in names
    )
