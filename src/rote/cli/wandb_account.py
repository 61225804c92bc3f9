"""Where the runs of a sweep go in wandb: as its plan says, else as conf/log/offline.yaml does."""

from rote.cluster.plan import Plan
from rote.config.compose import Composer
from rote.tracking.session import Account


def account_of(plan: Plan | None) -> Account:
    """A sweep that was launched with log=none has none of its own."""
    own = plan.points[0].spec.how["log"]["observers"] if plan else {}
    if "wandb" not in own:
        own = Composer().config(["log=offline"])["log"]["observers"]
    return Account.of(own["wandb"])
