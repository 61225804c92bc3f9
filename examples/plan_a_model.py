"""Which size and how much data for a budget, if membership must stay hidden?

python examples/plan_a_model.py
"""

from rote.planner.fitted import published_estimates
from rote.planner.plan import make_plan
from rote.planner.request import PlanRequest
from rote.planner.wording import answer, notes


def main() -> None:
    """With published laws; `rote.planner.fitted.fitted_estimates` takes those of a sweep."""
    plan = make_plan(PlanRequest(flops=1e20, max_f1=0.55), published_estimates())
    for row in plan.rows:
        f1 = row.f1.value if row.f1 else float("nan")
        print(
            f"{row.parameters:>14,.0f} parameters {row.tokens:>18,.0f} tokens "
            f"{row.loss_nats.value:.3f} nats  F1 {f1:.3f}  {', '.join(row.breaks)}"
        )
    for line in [*answer(plan), *notes(plan)]:
        print(line)


if __name__ == "__main__":
    main()
