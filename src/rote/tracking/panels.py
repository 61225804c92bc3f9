"""What a dashboard is made of, said without wandb: which curve over what, which sum against what.

Columns are named as wandb names them: ``config:`` with a key of conf, ``summary:`` with a stored
sum, or with a curve's best (``.max``, ``.min``) or last (``.last``).
"""

from dataclasses import dataclass

from rote.ledger.curve import BELOW_UNIFORM_BITS, LOSS_NATS, MEMORISED_BITS
from rote.tracking.curves import BITS_PER_PARAMETER, EPOCHS, STEP, TOKENS

PARAMETERS = "config:parameters"
NUM_SEQUENCES = "config:task.num_sequences"
AXIS_TITLES = {
    STEP: "optimiser steps",
    TOKENS: "tokens seen",
    EPOCHS: "epochs",
    MEMORISED_BITS: "bits memorised",
    BITS_PER_PARAMETER: "bits per parameter",
    BELOW_UNIFORM_BITS: "bits below a uniform guesser",
    LOSS_NATS: "nats per token",
}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Runs as lines."""

    title: str
    y: str
    x: str = STEP
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """Runs as points."""

    title: str
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Means over the runs that share a key of conf."""

    title: str
    metric: str  # of the summary
    by: str  # of conf


Panel = Curve | Scatter | Bars


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, what to look for below it, and panels."""

    title: str
    text: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One kind's workspace and report."""

    title: str
    columns: tuple[str, ...]  # shown in the table of runs
    figures: tuple[str, ...]  # drawings of the report, as far as its runs allow them
    sections: tuple[Section, ...]


def over_every_axis(y: str) -> tuple[Curve, ...]:
    """The same curve over steps, over tokens and over epochs."""
    return tuple(
        Curve(title=f"{AXIS_TITLES[y]} over {AXIS_TITLES[x]}", y=y, x=x, log_x=True)
        for x in (STEP, TOKENS, EPOCHS)
    )


def losses(num_sequences: str = NUM_SEQUENCES) -> Section:
    """What every kind shows; ``num_sequences`` is the task's key for how much there is to learn."""
    return Section(
        title="Losses",
        text="Training loss at every look, and what either side costs at the end.",
        panels=(
            Curve(title="training loss", y=LOSS_NATS, log_x=True),
            Scatter(
                title="code length of the training set",
                x=num_sequences,
                y="summary:cost.train_code_bits",
                log_x=True,
                log_y=True,
            ),
            Scatter(
                title="code length of held-out sequences",
                x=num_sequences,
                y="summary:cost.heldout_code_bits",
                log_x=True,
            ),
        ),
    )
