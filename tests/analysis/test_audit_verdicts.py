"""Verdicts and what it would take to be sure, worked by hand."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from rote.analysis.audit.names import controls_missing, to_bound, to_exclude_chance, to_narrow
from rote.analysis.audit.page import Found, content
from rote.analysis.audit.verdicts import auroc_difference, judge_membership, judge_regurgitation
from rote.analysis.audit.wording import surer_of_membership
from rote.analysis.estimate import Estimate
from rote.analysis.page import Content
from rote.analysis.plot import Plot
from rote.auditing.stored import StoredAudit
from tests.golden.outputs import AUDIT

NUM = 400


def stored(score: np.ndarray, blind: np.ndarray, **columns: object) -> StoredAudit:
    """``NUM`` members, then as many others; two more of these are set aside."""
    types = {"suffix_log_p": pl.Float64, "extracted": pl.Boolean, "suffix_documents": pl.Int64}
    number = 2 * NUM + 2
    aside = np.arange(number) >= 2 * NUM
    table = pl.DataFrame(
        {
            "set": ["member"] * NUM + ["nonmember"] * (NUM + 2),
            "aside": aside,
            "score.loss": np.where(aside, 1e9, np.append(score, [0, 0])),
            "score.other": np.random.default_rng(9).normal(size=number),
            "blind": np.where(aside, 1e9, np.append(blind, [0, 0])),
            **{name: [None] * number for name in types},
            **columns,
        },
        schema_overrides=types,
    )
    settings = {"seed": 0, "prefix_tokens": 50, "suffix_tokens": 50}
    return StoredAudit(scores=table, facts={"settings": settings}, canaries=None)


def shifted(by: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=2 * NUM) + by * (np.arange(2 * NUM) < NUM)


@pytest.mark.parametrize(
    ("model", "words", "verdict"),
    [
        (1.0, 0.0, "leaks"),
        (0.0, 0.0, "no evidence"),
        (-1.0, 0.0, "no evidence"),
        (1.0, 1.0, "confounded"),
        (0.0, 1.0, "confounded"),
    ],
)
def test_the_verdict_follows_from_the_chosen_score_and_from_words(
    model: float, words: float, verdict: str
) -> None:
    found = judge_membership(stored(shifted(model, 1), shifted(words, 2)))
    assert found.verdict == verdict
    assert (found.num_members, found.num_nonmembers) == (NUM // 2, NUM // 2)
    if model > 0:
        assert found.score == "loss"
        # The normal shift d has AUROC Phi(d / sqrt 2): 0.760 for 1.
        assert found.auroc.interval[0] < 0.760 < found.auroc.interval[1]
    assert (found.privacy.epsilon_one_run > 0) == (model > 0)
    assert found.privacy.mu <= max(model, 0)


@pytest.mark.slow
def test_luck_on_the_half_that_chooses_is_not_in_the_number() -> None:
    """Of two hundred scores that know nothing the best of one half is near chance on the other."""
    noise = np.random.default_rng(3).normal(size=(200, 2 * NUM + 2))
    columns = {f"score.n{place}": row for place, row in enumerate(noise)}
    found = judge_membership(stored(shifted(0, 1), shifted(0, 2), **columns))
    best = max(quality.auroc.value for quality in found.qualities.values())
    assert best > 0.54 and found.auroc.value < best and found.verdict == "no evidence"


def test_a_difference_is_taken_document_by_document() -> None:
    """Two equal scores differ by exactly 0 in every resample, however wide each interval is."""
    score = shifted(0.3, 4)
    pair = score[:NUM], score[NUM:]
    same = auroc_difference(pair, pair, seed=0)
    assert (same.value, same.interval) == (0, (0, 0))


def test_numbers_of_documents_by_hand() -> None:
    estimate, below = (
        Estimate.of(value, ends, n=1000, method="given")
        for value, ends in ((0.54, (0.48, 0.60)), (0.49, (0.4, 0.6)))
    )
    # Half the width is 0.06: to 0.01 takes 6^2 times as many, in each of two halves.
    assert to_narrow(estimate, 500) == 2 * 36 * 500
    # An effect of 0.04 needs a half-width of 0.04: (0.06 / 0.04)^2 = 2.25 times.
    assert to_exclude_chance(estimate, 500) == 2 * 1125
    assert to_exclude_chance(below, 500) is None
    # 1 - (0.025)^(1 / n) < 0.001.
    assert to_bound() == 3688
    assert 1 - 0.025 ** (1 / 3688) < 0.001 < 1 - 0.025 ** (1 / 3687)
    assert (controls_missing(1800), controls_missing(5000)) == (198, 0)


def test_an_odd_member_is_counted_among_those_judged_and_calibrated_on() -> None:
    found = judge_membership(stored(shifted(1, 1), shifted(0, 2)))
    odd = replace(found, num_members=201, blind=replace(found.blind, num_members=401))
    assert "(401 were judged and calibrated on)" in surer_of_membership(odd)[0]


def test_regurgitation_needs_members_above_others() -> None:
    def found(members: int, others: int) -> str:
        extracted = [place < members for place in range(NUM)]
        extracted += [place < others for place in range(NUM + 2)]
        held = [1 if each else None for each in extracted]
        log_p = [np.log(0.01) if each else -90.0 for each in extracted]
        columns = {"suffix_log_p": log_p, "extracted": extracted, "suffix_documents": held}
        judged = judge_regurgitation(stored(shifted(0, 1), shifted(0, 2), **columns))
        assert judged.extraction.train.successes == judged.eidetic[1] == members
        # At 1 in 100 a sample, 69 draws reach one half: 1 - 0.99^69 = 0.50.
        counts = {n: sides["nonmember"].successes for n, sides in judged.discoverable.items()}
        assert counts == {1: 0, 10: 0, 100: others, 1000: others}
        return judged.verdict

    assert found(40, 0) == "regurgitates"
    assert found(40, 38) == "no evidence"
    assert found(0, 0) == "no evidence"
    nothing = judge_regurgitation(stored(shifted(0, 1), shifted(0, 2)))
    assert nothing.verdict == "not measured" and nothing.extraction is None


def said(model: float, words: float) -> Content:
    """The page of an audit whose score and whose words are so far apart; nothing was extracted."""
    facts = {**json.loads((AUDIT / "facts.json").read_text()), "references": []}
    facts["skipped"] = {"extraction": "no document has 100 tokens"}
    scores = stored(shifted(model, 1), shifted(words, 2))
    of_loss = scores.scores.drop("score.other")
    found = replace(scores, scores=of_loss, facts=facts)
    judged = Found(
        membership=judge_membership(found), regurgitation=judge_regurgitation(found), unintended=[]
    )
    return content(judged, found, {})


def test_a_page_at_chance_claims_nothing() -> None:
    at_chance, leaking = said(0.0, 0.0), said(1.0, 0.0)
    assert at_chance.lead.title == "No score separates members from non-members for certain"
    assert leaking.lead.title == "Loss separates members from non-members"
    assert [card.value for card in at_chance.cards] == ["no evidence", "not measured"]
    assert not any(card.is_warning for card in at_chance.cards)
    roc, tradeoff = (
        block for each in at_chance.sections for block in each.blocks if isinstance(block, Plot)
    )
    assert roc.title.endswith("% of members are found, no more than by chance")
    assert tradeoff.title == "These errors refute no privacy at all"
    assert at_chance.headlines[1] == (
        "regurgitation: not measured. Extraction was not tried: no document has 100 tokens."
    )


def test_words_that_separate_the_sets_are_the_finding() -> None:
    confounded = said(1.0, 1.0)
    assert confounded.lead.title == "Words alone separate members from non-members"
    assert "differ by themselves" in confounded.headlines[0]
    assert any("the sets differ by themselves" in line.words for line in confounded.cards[0].lines)
