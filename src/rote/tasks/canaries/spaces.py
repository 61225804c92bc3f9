"""Define the sets R from which secrets are drawn uniformly: log2 |R| bits each, exactly.

Every set is a bijection between the ranks 0 ... |R| - 1 and its secrets, so secrets can be
enumerated, drawn and compared. None of them can belong to a real person:

uuid   version 4, RFC 9562 section 5.4: 122 random bits
email  domains that RFC 2606, sections 2 and 3, keeps out of use
phone  555-0100 to 555-0199, kept for fiction in every geographic area code of the North American
       Numbering Plan (Industry Numbering Committee, 555 NXX Assignment Guidelines); area codes are
       N[0-8]X, without those whose last two digits are equal: these are services or toll-free
card   IIN 00000, which ISO/TC 68 has assigned as a test IIN (ISO/IEC 7812-1:2015, note on IINs
       that begin with 00), with the check digit of its annex B (Luhn)
words  from our own list of 256 plain words, eight bits each
tokens any of the vocabulary
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

_LIST = """
apple apricot banana barley basil bean berry bread butter cabbage carrot celery cheese
cherry clove cocoa coffee cream fig flour garlic ginger grape honey lemon lentil mango melon
mint mustard nutmeg oat olive onion orange papaya parsley pasta peach peanut pear pepper
pickle plum potato pumpkin radish raisin rice salad salt sauce sesame soup spinach sugar
syrup tea thyme toast tomato turnip vanilla walnut badger bear beaver bee beetle bison camel
cat cheetah cobra cow crab crane crow deer dog dolphin donkey dove duck eagle eel falcon
ferret finch fox frog gecko goat goose hare hawk hedgehog heron horse hyena ibis jaguar
koala lark lemur leopard lion lizard llama lobster lynx magpie mole monkey moose moth mouse
newt octopus otter owl oyster panda parrot pelican penguin pigeon pony anchor apron arrow
axe bag ball barrel basket bell belt blanket boat book boot bottle bowl box brick bridge
broom brush bucket button candle canoe carpet cart chain chair chalk chest clock coat coin
comb compass cork cup curtain desk dial door drum easel engine fan feather fence flag flute
fork frame gate glass glove hammer harp hat helmet hinge hook horn jar kettle amber autumn
bay beach breeze brook canyon cave cliff cloud coast comet copper coral creek dawn delta
desert dune dusk dust ember fjord flame flood fog forest frost garden glacier gold grove
gulf hail harbour hill ice iron island ivory jade jungle lagoon lake lava leaf marble marsh
meadow mist moon moss mountain ocean opal pearl pebble plain planet pond prairie quartz rain
rapids
"""

WORDS = tuple(_LIST.split())


DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
HEX = "0123456789abcdef"
TEST_IIN = "00000"
DOMAINS = ("example.com", "example.net", "example.org", "mail.test")
AREA_CODES = tuple(n + b + c for n in DIGITS[2:] for b in DIGITS[:9] for c in DIGITS if b != c)

TEXT_KINDS = ("uuid", "email", "phone", "card", "words")
TOKENS = "tokens"
KINDS = (*TEXT_KINDS, TOKENS)


def bits(space: "TextSpace | TokenSpace") -> float:
    """Return log2 |R|."""
    return math.log2(space.size)


@dataclass(frozen=True)
class TextSpace:
    """Texts with one choice for each place; the last place varies fastest."""

    places: tuple[Sequence[str], ...]
    has_check_digit: bool = False  # Luhn's, after the last place

    @cached_property
    def size(self) -> int:
        """Return |R|."""
        return math.prod(map(len, self.places))

    @property
    def longest(self) -> int:
        """Return the characters of the longest text; each is one byte of UTF-8."""
        return sum(max(map(len, place)) for place in self.places) + self.has_check_digit

    def unrank(self, rank: int) -> str:
        """Return the text at ``rank``, from 0; raises IndexError beyond the end."""
        chosen = _mixed_radix(rank, [len(place) for place in self.places])
        text = "".join(place[i] for place, i in zip(self.places, chosen, strict=True))
        return text + luhn_digit(text) if self.has_check_digit else text

    def rank(self, secret: str) -> int:
        """Return the rank of a text; raises ValueError for a text outside the set."""
        match = self._pattern.fullmatch(secret)
        if match:
            rank = 0
            for place, part in zip(self.places, match.groups(), strict=True):
                rank = rank * len(place) + place.index(part)
            if self.unrank(rank) == secret:  # checks the check digit, too
                return rank
        raise ValueError(f"{secret!r} is not in the set that its kind is drawn from")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        groups = (f"({'|'.join(map(re.escape, place))})" for place in self.places)
        return re.compile("".join(groups) + ("[0-9]" if self.has_check_digit else ""))


@dataclass(frozen=True, kw_only=True)
class TokenSpace:
    """All sequences of ``num_tokens`` tokens of a vocabulary."""

    vocab_size: int
    num_tokens: int

    @property
    def size(self) -> int:
        """Return |R|."""
        return int(self.vocab_size**self.num_tokens)

    @property
    def longest(self) -> int:
        """Return the number of tokens."""
        return self.num_tokens

    def unrank(self, rank: int) -> tuple[int, ...]:
        """Return the tokens at ``rank``, from 0; the last varies fastest. Raises IndexError."""
        return tuple(_mixed_radix(rank, [self.vocab_size] * self.num_tokens))

    def rank(self, secret: Sequence[int]) -> int:
        """Return the rank of tokens; raises ValueError for tokens outside the set."""
        known = all(0 <= token < self.vocab_size for token in secret)
        if not known or len(secret) != self.num_tokens:
            raise ValueError(
                f"{list(secret)} is not {self.num_tokens} tokens of a vocabulary of "
                f"{self.vocab_size}"
            )
        rank = 0
        for token in secret:
            rank = rank * self.vocab_size + token
        return rank


def space_of(kind: str, *, secret_length: int, vocab_size: int) -> TextSpace | TokenSpace:
    """Return the set of secrets of a kind; raises ValueError for an unknown kind."""
    if kind == TOKENS:
        return TokenSpace(vocab_size=vocab_size, num_tokens=secret_length)
    if kind not in TEXT_KINDS:
        raise ValueError(f"canary kind {kind!r} is not among {', '.join(TEXT_KINDS)}")
    return {
        "uuid": TextSpace(_uuid_places()),
        "email": TextSpace((*[LOWER] * 8, ("@",), DOMAINS)),
        "phone": TextSpace((("+1-",), AREA_CODES, ("-555-01",), DIGITS, DIGITS)),
        "card": TextSpace(((TEST_IIN,), *[DIGITS] * 10), has_check_digit=True),
        "words": TextSpace(((WORDS, (" ",)) * secret_length)[:-1]),
    }[kind]


def _uuid_places() -> tuple[Sequence[str], ...]:
    """Return eight, four, four, four and twelve hex digits; version and two bits are fixed."""
    dash = ("-",)
    return (
        *[HEX] * 8, dash, *[HEX] * 4, dash, ("4",), *[HEX] * 3, dash, "89ab", *[HEX] * 3, dash,
        *[HEX] * 12,
    )  # fmt: skip


def luhn_digit(digits: str) -> str:
    """Return the digit with which the whole passes Luhn's check (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def _mixed_radix(rank: int, radices: Sequence[int]) -> list[int]:
    chosen = []
    left = rank
    for radix in reversed(radices):
        left, digit = divmod(left, radix)
        chosen.append(digit)
    if left != 0:  # also for a negative rank, where it ends at -1
        raise IndexError(f"rank {rank} is not within {math.prod(radices)} secrets")
    return chosen[::-1]
