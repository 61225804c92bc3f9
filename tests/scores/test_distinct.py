"""Near-duplicates, worked by hand."""

import random

from rote.scores.blind import distinct


def test_half_of_the_trigrams_make_a_duplicate() -> None:
    # abcdef has abc bcd cde def; cdefgh has cde def efg fgh: two of four are shared.
    assert distinct(["abcdef", "cdefgh"]) == [0]
    # defghi has def efg fgh ghi: one of four.
    assert distinct(["abcdef", "defghi"]) == [0, 1]
    # Two of five trigrams of the second are in the first.
    assert distinct(["abcdef", "cdefghi"]) == [0, 1]
    # The other way round two of four trigrams are.
    assert distinct(["cdefghi", "abcdef"]) == [0]


def test_trigrams_are_a_multiset() -> None:
    # aaaaaa has aaa four times, aaa has it once: a quarter of it is shared.
    assert distinct(["aaa", "aaaaaa"]) == [0, 1]
    assert distinct(["aaaaaa", "aaa"]) == [0]


def test_only_what_was_kept_makes_duplicates_and_short_guesses_are_compared_whole() -> None:
    assert distinct(["abcdef", "cdefgh", "efghij"]) == [0, 2]
    assert distinct([[1, 2], [1], [1, 2], [], [], [1, 2, 3]]) == [0, 1, 3, 5]


def test_the_index_finds_what_comparing_all_pairs_finds() -> None:
    letters = random.Random(0)
    guesses = ["".join(letters.choices("ab", k=letters.randint(0, 9))) for _ in range(200)]
    kept: list[int] = []
    for index, guess in enumerate(guesses):
        if not any(shares_half(guess, guesses[other]) for other in kept):
            kept.append(index)
    assert distinct(guesses) == kept


def shares_half(guess: str, other: str) -> bool:
    own = [guess[i : i + 3] for i in range(len(guess) - 2)]
    if not own:
        return guess == other
    left = [other[i : i + 3] for i in range(len(other) - 2)]
    shared = 0
    for trigram in own:
        if trigram in left:
            left.remove(trigram)
            shared += 1
    return 2 * shared >= len(own)
