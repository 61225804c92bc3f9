"""Record which canaries were inserted and which were not, before any training.

A control is made like every other canary but never inserted. Its secret is as likely as any other
of its set under every model, so any apparent exposure of a control is chance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from rote.io.read import read_json
from rote.io.shapes import anything, mapped
from rote.io.write import write_json
from rote.tasks.canaries.spaces import TOKENS, TextSpace, TokenSpace, bits, space_of

VERSION = 1
# What reading a manifest raises for other content.
FALSE = (OSError, LookupError, TypeError, ValueError, AttributeError, OverflowError)
NOUNS = {
    "uuid": "UUID", "email": "address", "phone": "phone number", "card": "card number",
    "words": "passphrase",
}  # fmt: skip
# Random tokens begin with these by chance once in V^4 sequences.
TOKEN_OPENING = (0, 0, 0, 0)

Piece = str | tuple[int, ...]
Space = TextSpace | TokenSpace
Encode = Callable[[str], Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A template with a secret: ``before``, the secret, ``after``; all text or all tokens."""

    kind: str
    number: int  # within its kind; part of its template, so contexts are unique
    before: Piece
    secret: Piece
    after: Piece
    bits: float  # log2 |R|: unknown to a reader who knows the template
    repeats: int  # how often it was inserted; 0: a control
    indices: tuple[int, ...]  # of the training sequences that hold it

    @property
    def is_control(self) -> bool:
        """Return whether it was never inserted."""
        return self.repeats == 0

    def filled(self, secret: Piece) -> Piece:
        """Return the template with another secret of the same set."""
        return self.before + secret + self.after  # type: ignore[operator]

    def tokens(self, secret: Piece, encode: Encode) -> Sequence[int]:
        """Return the tokens of the template with ``secret``, without filler."""
        return _tokens(self.filled(secret), encode)

    def first_of_secret(self, encode: Encode) -> int:
        """Return how many tokens precede the secret; none of them overlaps it."""
        opening, whole = _tokens(self.before, encode), self.tokens(self.secret, encode)
        differ = (
            place
            for place, pair in enumerate(zip(opening, whole, strict=False))
            if pair[0] != pair[1]
        )
        return next(differ, len(opening))


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Every canary of a data set, in the order of creation."""

    seed: int
    vocab_size: int
    secret_length: int  # words or tokens per secret, for these kinds
    canaries: tuple[Canary, ...]

    def space(self, kind: str) -> Space:
        """Return the set from which secrets of ``kind`` were drawn."""
        return space_of(kind, secret_length=self.secret_length, vocab_size=self.vocab_size)

    def write(self, path: Path) -> None:
        """Write the manifest atomically, as JSON."""
        canaries = [asdict(one) | {"is_control": one.is_control} for one in self.canaries]
        write_json(path, {"version": VERSION, **asdict(self), "canaries": canaries})


@dataclass(frozen=True, kw_only=True)
class CanaryPlacement:
    """How many canaries of which kinds to make, and how often to insert each."""

    kinds: Sequence[str]
    secret_length: int
    vocab_size: int
    repeats: Sequence[int]
    num_each: int  # canaries for each kind and number of repeats
    num_controls: int  # for each kind

    def manifest(self, seed: int, random: Random, first_index: int) -> Manifest:
        """Draw secrets from ``random``; inserted sequences are numbered from ``first_index``.

        Controls come last in their kind.
        """
        canaries = []
        inserted = [times for times in self.repeats for _ in range(self.num_each)]
        numbered = enumerate([*inserted, *[0] * self.num_controls])
        for kind, (number, repeats) in product(self.kinds, numbered):
            space = space_of(kind, secret_length=self.secret_length, vocab_size=self.vocab_size)
            before, after = self.template(kind, number)
            canaries.append(
                Canary(
                    kind=kind,
                    number=number,
                    before=before,
                    secret=space.unrank(random.randrange(space.size)),
                    after=after,
                    bits=bits(space),
                    repeats=repeats,
                    indices=tuple(range(first_index, first_index + repeats)),
                )
            )
            first_index += repeats
        return Manifest(
            seed=seed,
            vocab_size=self.vocab_size,
            secret_length=self.secret_length,
            canaries=tuple(canaries),
        )

    def template(self, kind: str, number: int) -> tuple[Piece, Piece]:
        """Return the parts before and after the secret."""
        if kind != TOKENS:
            return f"Note {number}: the {NOUNS[kind]} is ", "."
        largest = len(self.repeats) * self.num_each + self.num_controls - 1
        digits: list[int] = []
        while len(digits) == 0 or largest > 0:
            digits.insert(0, number % self.vocab_size)
            number, largest = number // self.vocab_size, largest // self.vocab_size
        return (*TOKEN_OPENING, *digits), ()

    def longest(self, kind: str) -> int:
        """Return the most tokens that a canary may take: one for each byte of text."""
        number = len(self.repeats) * self.num_each + self.num_controls - 1
        before, after = self.template(kind, number)
        space = space_of(kind, secret_length=self.secret_length, vocab_size=self.vocab_size)
        return len(before) + space.longest + len(after)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; raises ValueError for another file, or a secret outside its set."""
    try:
        content = read_json(path, mapped(anything))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, not {VERSION}")
        manifest = Manifest(
            seed=content["seed"],
            vocab_size=content["vocab_size"],
            secret_length=content["secret_length"],
            canaries=tuple(_canary(one) for one in content["canaries"]),
        )
        for one in manifest.canaries:
            manifest.space(one.kind).rank(one.secret)  # type: ignore[arg-type]
    except FALSE as error:
        raise ValueError(f"{path} is not a manifest of canaries: {error!r}") from error
    return manifest


def _canary(content: Mapping[str, Any]) -> Canary:
    held = {each.name: content[each.name] for each in fields(Canary)}
    for name in ("before", "secret", "after"):
        held[name] = held[name] if isinstance(held[name], str) else tuple(held[name])
    return Canary(**held | {"indices": tuple(held["indices"])})


def _tokens(piece: Piece, encode: Encode) -> Sequence[int]:
    return encode(piece) if isinstance(piece, str) else piece
