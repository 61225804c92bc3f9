"""In the finish of a mixture experts are fixed for a round, and what is reported is the model's."""

import pytest
import torch
from tests.conftest import After, MakeSpec
from tests.test_finish import FINISH
from tests.training.finish.test_evaluation import CPU, member_of, plain

from rote.ledger.store import Store
from rote.run.execute import execute, execute_together
from rote.training.finish import routing
from rote.training.finish.evaluation import FullBatch, flat
from rote.training.finish.routing import Rounds
from rote.training.training_run import Interrupted

MOE = ("model=moe", "model.mlp_width=8")


def test_chosen_experts_give_the_loss_of_the_model_itself(tiny: MakeSpec) -> None:
    members = [member_of(tiny, *MOE, f"seed={seed}") for seed in (0, 1)]
    for together in (members[:1], members):
        full = FullBatch(together, CPU)
        points = [flat(one.model) for one in together]
        routed = [loss for loss, _ in full(points)]
        full.fix([full.chosen_experts(place, point) for place, point in enumerate(points)])
        for member, before, (loss, gradient_P) in zip(together, routed, full(points), strict=True):
            wanted, gradient = plain(member)
            assert loss == pytest.approx(before, rel=1e-6) == pytest.approx(wanted, rel=1e-6)
            torch.testing.assert_close(gradient_P, gradient.double(), rtol=1e-3, atol=1e-6)


def test_fixed_experts_stay_where_the_router_would_choose_others(tiny: MakeSpec) -> None:
    member = member_of(tiny, *MOE)
    full, point_P = FullBatch([member], CPU), flat(member.model)
    choices = full.chosen_experts(0, point_P)
    others = {name: (one_TA + 1) % 4 for name, one_TA in choices.items()}
    full.fix([others])
    fixed = full([point_P])[0][0]
    assert fixed != pytest.approx(plain(member)[0], rel=1e-3)
    full.fix([choices])
    assert full([point_P])[0][0] == pytest.approx(plain(member)[0], rel=1e-6)


def test_the_best_first_point_of_a_round_is_the_result() -> None:
    points = list(torch.arange(4.0)[:, None])
    rounds = Rounds()
    for loss, point_P in zip((3.0, 1.0), points, strict=False):
        rounds.note(loss, point_P)
    assert (rounds.loss_nats, rounds.point_P) == (3.0, points[0])
    for loss, point_P in ((2.5, points[2]), (2.7, points[3])):
        rounds.begin({"blocks.0.mlp.choices_NA": torch.zeros(1, 1)})
        rounds.note(loss, point_P)
    assert (rounds.loss_nats, rounds.point_P) == (2.5, points[2])
    assert rounds.is_over(1, stuck=False) and not rounds.is_over(2, stuck=False)


@pytest.fixture
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "ROUND_EVALUATIONS", 10)


@pytest.mark.usefixtures("short_rounds")
@pytest.mark.parametrize("calls", [31, 38, 47])
def test_a_mixture_goes_on_bit_for_bit_and_reports_what_is_measured(
    calls: int, tiny: MakeSpec, store: Store, tmp_path: object
) -> None:
    spec = tiny(*FINISH, *MOE)
    record = execute(spec, store)
    finish = record.training["finish"]
    measured = record.entropy_bits - record.measures["cost"]["train_code_bits"]
    assert finish["memorised_bits_after"] == pytest.approx(measured, rel=1e-5)
    assert finish["memorised_bits_after"] > finish["memorised_bits_before"]
    assert (finish["evaluations"], finish["ended_by"]) == (40, "evaluations")
    parted = Store(tmp_path / "parted")  # type: ignore[operator]
    with pytest.raises(Interrupted):
        execute(spec, parted, stop=After(calls))
    assert execute(spec, parted).to_json() == record.to_json()


@pytest.mark.usefixtures("short_rounds")
def test_mixtures_finish_together_as_alone(tiny: MakeSpec, tmp_path: object) -> None:
    alone, together = (Store(tmp_path / name) for name in ("alone", "together"))  # type: ignore[operator]
    specs = [tiny(*FINISH, *MOE, f"seed={seed}") for seed in (0, 1)]
    assert execute_together(specs, together) == {}
    for spec in specs:
        wanted = execute(spec, alone).training["finish"]["memorised_bits_after"]
        made = together.run(spec.run_id).record().training["finish"]["memorised_bits_after"]
        assert made == pytest.approx(wanted, rel=0.05)
