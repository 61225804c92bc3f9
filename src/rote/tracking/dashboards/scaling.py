"""Loss over parameters, tokens and compute."""

from rote.ledger.curve import BELOW_UNIFORM_BITS
from rote.tracking.panels import (
    PARAMETERS,
    Bars,
    Dashboard,
    Scatter,
    Section,
    losses,
    over_every_axis,
)

STEPS = "config:budget.max_steps"  # times batch and length: tokens
HELDOUT_BITS = "summary:cost.heldout_code_bits"

DASHBOARD = Dashboard(
    title="Scaling",
    columns=(PARAMETERS, STEPS, "config:seed", HELDOUT_BITS, "summary:cost.train_tokens"),
    figures=("fit-parametric", "fit-isoflop", "fit-kaplan", "fit-repetition", "fit-membership"),
    sections=(
        Section(
            title="Size and data",
            text="Held-out code lengths of all runs; laws and their intervals are in the report "
            "run.",
            panels=(
                Scatter(
                    title="held-out bits over parameters", x=PARAMETERS, y=HELDOUT_BITS, log_x=True
                ),
                Scatter(title="held-out bits over steps", x=STEPS, y=HELDOUT_BITS, log_x=True),
                Bars(
                    title="held-out bits by width (mean of all runs)",
                    metric="cost.heldout_code_bits", by="size.width",
                ),
            ),
        ),
        Section(
            title="Bits while training",
            text="Bits below a uniform guesser: generalised and memorised together.",
            panels=over_every_axis(BELOW_UNIFORM_BITS),
        ),
        losses(STEPS),
    ),
)  # fmt: skip
