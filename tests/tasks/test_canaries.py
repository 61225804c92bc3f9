"""Canaries: secrets of exactly known randomness, planted as often as the manifest says."""

import json
import math
import re
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from tests.conftest import COMPOSER
from tests.tasks.bytetext import ByteText

from rote.config.build import build
from rote.tasks.canaries.manifest import read_manifest, space_of
from rote.tasks.canaries.spaces import KINDS, TEXT_KINDS, WORDS, bits, luhn_digit
from rote.tasks.canaries.task import Canaries
from rote.tasks.uniform import Uniform

SIZES = {
    "uuid": 2**122,
    "email": 26**8 * 4,
    "phone": 8 * 9 * 9 * 100,
    "card": 10**10,
    "words": 2**32,
    "tokens": 50**4,
}
FORMS = {
    "email": r"[a-z]{8}@(example\.(com|net|org)|mail\.test)",
    "phone": r"\+1-[2-9][0-8]\d-555-01\d\d",
    "card": r"00000\d{11}",
    "words": r"[a-z]+( [a-z]+){3}",
}


def uniform(**changes: int) -> Uniform:
    values = {"num_sequences": 10, "length": 12, "vocab_size": 50, "num_heldout_sequences": 3}
    return Uniform(**(values | changes))


def text() -> ByteText:
    return ByteText(num_sequences=10, length=64, vocab_size=256, num_heldout_sequences=3)


def planted(base: Uniform, **changes: Any) -> Canaries:
    values: dict[str, Any] = {
        "kinds": ["tokens"], "secret_length": 4, "repeats": [1, 4], "num_each": 2,
        "num_controls": 3,
    }  # fmt: skip
    return Canaries(base=base, **(values | changes))


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_and_secrets_are_in_bijection_and_bits_exact(kind: str) -> None:
    space, random = space_of(kind, secret_length=4, vocab_size=50), Random(0)
    assert space.size == SIZES[kind]
    assert bits(space) == math.log2(SIZES[kind])
    ranks = [0, 1, space.size - 1, *(random.randrange(space.size) for _ in range(300))]
    secrets = [space.unrank(rank) for rank in ranks]
    assert [space.rank(secret) for secret in secrets] == ranks
    assert len(set(secrets)) == len(set(ranks))
    assert max(map(len, secrets)) <= space.longest
    for beyond in (-1, space.size):
        with pytest.raises(IndexError, match=f"rank {beyond} is not within"):
            space.unrank(beyond)


def test_a_small_set_can_be_counted_up_whole() -> None:
    space = space_of("phone", secret_length=1, vocab_size=2)
    secrets = {space.unrank(rank) for rank in range(space.size)}
    assert len(secrets) == 64_800


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_secrets_have_the_form_of_what_they_imitate(kind: str) -> None:
    space, random = space_of(kind, secret_length=4, vocab_size=2), Random(1)
    for _ in range(100):
        assert re.fullmatch(FORMS[kind], space.unrank(random.randrange(space.size)))


def test_uuids_are_of_version_4() -> None:
    space, random = space_of("uuid", secret_length=1, vocab_size=2), Random(2)
    for _ in range(100):
        secret = space.unrank(random.randrange(space.size))
        read = uuid.UUID(secret)
        assert (str(read), read.version, read.variant) == (secret, 4, uuid.RFC_4122)


def test_check_digits_are_luhns() -> None:
    assert luhn_digit("7992739871") == "3"  # by hand: 2+7+7+9+6+7+4+9+9+7 = 67, and 3 to 70
    assert luhn_digit("0") == "0"
    space = space_of("card", secret_length=1, vocab_size=2)
    secret = space.unrank(1234567890)
    wrong = secret[:-1] + str((int(secret[-1]) + 1) % 10)
    with pytest.raises(ValueError, match=f"'{wrong}' is not in the set"):
        space.rank(wrong)


@pytest.mark.parametrize("kind", ["phone", "tokens"])
def test_draws_are_uniform(kind: str) -> None:
    space, random = space_of(kind, secret_length=2, vocab_size=4), Random(3)
    drawn = [str(space.unrank(random.randrange(space.size))[-1]) for _ in range(4000)]
    counts = [drawn.count(last) for last in sorted(set(drawn))]
    assert len(counts) == {"phone": 10, "tokens": 4}[kind]
    assert chisquare(counts).pvalue > 1e-4


def test_the_words_are_as_many_as_eight_bits_tell_apart() -> None:
    assert len(WORDS) == len(set(WORDS)) == 256


def test_base_sequences_keep_their_indices_and_canaries_follow_as_often_as_told() -> None:
    base, task = uniform(), planted(uniform())
    train, manifest = task.train(3), task.manifest(3)
    assert train.num_sequences == 10 + 2 * 1 + 2 * 4
    everything = train.tokens(torch.arange(train.num_sequences))
    assert torch.equal(everything[:10], base.train(3).tokens(torch.arange(10)))
    assert [one.repeats for one in manifest.canaries] == [1, 1, 4, 4, 0, 0, 0]
    assert [i for one in manifest.canaries for i in one.indices] == list(range(10, 20))
    for one in manifest.canaries:
        row = torch.tensor([0, 0, 0, 0, one.number, *one.secret, 0, 0, 0])
        found = (everything == row).all(dim=1).nonzero().flatten().tolist()
        assert tuple(found) == one.indices
        assert one.is_control == (len(found) == 0)
    picked = torch.tensor([19, 0, 12, 12])
    assert torch.equal(train.tokens(picked), everything[picked])
    heldout = task.heldout(3).tokens(torch.arange(3))
    assert torch.equal(heldout, base.heldout(3).tokens(torch.arange(3)))


def test_contexts_differ_beyond_one_digit_of_the_vocabulary() -> None:
    task = planted(uniform(vocab_size=3, length=16), num_controls=20)
    contexts = [one.before for one in task.manifest(0).canaries]
    assert len(set(contexts)) == 24
    assert contexts[14] == (0, 0, 0, 0, 1, 1, 2)  # 14 in base 3


def test_text_canaries_are_sentences_with_filler_behind() -> None:
    task = planted(text(), kinds=list(TEXT_KINDS), secret_length=3)
    train = task.train(0)
    for one in task.manifest(0).canaries:
        sentence = f"{one.before}{one.secret}."
        for row in train.tokens(torch.tensor(one.indices, dtype=torch.int64)):
            told = bytes(row.tolist()).decode()
            assert len(told) == 64
            assert (sentence + " Nothing follows." * 4).startswith(told)
    card = next(one for one in task.manifest(0).canaries if one.kind == "card")
    assert card.before == "Note 0: the card number is "


def test_entropy_is_the_bases_and_each_planted_secret_once() -> None:
    task, base = planted(uniform()), uniform()
    secrets = 4 * 4 * math.log2(50)  # four inserted canaries of four tokens
    assert task.entropy_bits() == pytest.approx(base.entropy_bits() + secrets, rel=1e-12)
    after_first = base.entropy_bits(from_position=1) + secrets
    assert task.entropy_bits(from_position=1) == pytest.approx(after_first, rel=1e-12)


def test_a_manifest_is_a_function_of_the_seed_and_is_read_back(tmp_path: Path) -> None:
    task, path = planted(text(), kinds=["tokens", "email"]), tmp_path / "canaries.json"
    manifest = task.manifest(5)
    assert manifest == task.manifest(5)
    assert manifest.canaries[0].secret != task.manifest(6).canaries[0].secret
    manifest.write(path)
    assert read_manifest(path) == manifest
    told = json.loads(path.read_text())["canaries"][-1]
    assert (told["is_control"], told["bits"]) == (True, math.log2(26**8 * 4))


def test_a_manifest_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "canaries.json"
    manifest = planted(text(), kinds=["card"]).manifest(0)
    forged = replace(manifest.canaries[0], secret="4111111111111111")
    replace(manifest, canaries=(forged,)).write(path)
    with pytest.raises(ValueError, match=r"canaries\.json is not a manifest .*4111111111111111"):
        read_manifest(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match=r"canaries\.json is not a manifest"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kinds": ["passport"]}, "must be one of uuid, email, phone, card, words, tokens"),
        ({"kinds": []}, r"task\.kinds must hold one or more different values, got \[\]"),
        ({"kinds": ["card"]}, "card is text, and Uniform's tokens are not: use tokens"),
        ({"repeats": [0]}, r"task\.repeats must be a whole number from 1 up, got 0"),
        ({"repeats": [2, 2]}, r"task\.repeats must hold one or more different values"),
        ({"secret_length": 9}, "kind tokens may take 14 tokens, and sequences have 12"),
        ({"num_each": 0}, r"task\.num_each must be"),
        ({"num_controls": -1}, r"task\.num_controls must be"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planted(uniform(), **changes)


def test_the_base_is_chosen_and_set_like_any_task() -> None:
    overrides = ["task=canaries", "task@task.base=uniform", "task.base.num_sequences=7"]
    task = build(COMPOSER.config(overrides)["task"])
    assert task.train(0).num_sequences == 7 + 4 * (1 + 2 + 4 + 8 + 16)


def test_canaries_that_no_run_would_learn_are_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Prompted(Uniform):
        scored_from: int = 11

    base = Prompted(num_sequences=10, length=12, vocab_size=50, num_heldout_sequences=3)
    with pytest.raises(ValueError, match="no canary can be learnt: Prompted's first 11 tokens"):
        planted(base)
