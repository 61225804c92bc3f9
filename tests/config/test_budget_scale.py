"""A rehearsal has fewer steps and another run id; nothing else of it changes."""

import pytest
from tests.conftest import COMPOSER

from rote.config.budget_scale import VARIABLE
from rote.ledger.spec import Spec, flatten

SETTINGS = ["budget=standard", "optim/schedule=cosine_floor"]


def test_every_count_of_steps_is_scaled_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = COMPOSER.config(SETTINGS)
    monkeypatch.setenv(VARIABLE, "0.01")
    scaled = COMPOSER.config(SETTINGS)
    before, after = flatten(whole), flatten(scaled)
    changed = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
    assert changed == {
        "budget.max_steps": (40_000, 400),
        "budget.check_every_steps": (100, 1),
        "budget.saturation.window_steps": (1000, 10),
        "budget.saturation.min_steps": (2000, 20),
        "optim.schedule.warmup_steps": (100, 1),
        "optim.schedule.decay_steps": (25_000, 250),
    }
    assert before.keys() == after.keys()
    assert Spec.from_config(whole).run_id != Spec.from_config(scaled).run_id


def test_steps_set_on_the_command_line_are_scaled_and_wrong_ones_still_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "0.1")
    assert COMPOSER.config(["budget.max_steps=7"])["budget"]["max_steps"] == 1
    assert COMPOSER.config(["budget.max_steps=0"])["budget"]["max_steps"] == 0
    assert COMPOSER.config(["budget.max_steps=many"])["budget"]["max_steps"] == "many"


@pytest.mark.parametrize("scale", ["0", "-1", "2", "nan", "inf", "a tenth", ""])
def test_what_is_no_share_is_refused(monkeypatch: pytest.MonkeyPatch, scale: str) -> None:
    monkeypatch.setenv(VARIABLE, scale)
    with pytest.raises(ValueError, match=r"ROTE_BUDGET_SCALE must be a number above 0 and at mo"):
        COMPOSER.config([])
