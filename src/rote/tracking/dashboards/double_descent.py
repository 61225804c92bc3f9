"""Where held-out loss turns as data outgrow a model."""

from rote.ledger.curve import BELOW_UNIFORM_BITS, MEMORISED_BITS
from rote.tracking.panels import (
    NUM_SEQUENCES,
    PARAMETERS,
    Dashboard,
    Scatter,
    Section,
    losses,
    over_every_axis,
)

DASHBOARD = Dashboard(
    title="Double descent",
    columns=(
        PARAMETERS, NUM_SEQUENCES, "config:seed", "summary:cost.heldout_code_bits",
        "summary:cost.heldout_tokens", "summary:training.converged",
    ),
    figures=("double_descent",),
    sections=(
        Section(
            title="Where held-out loss turns",
            text="Held-out sequences are as many in every run of a sweep, so that their code "
            "lengths compare. A peak is expected where data and capacity are equal.",
            panels=(
                Scatter(
                    title="held-out code length against data", x=NUM_SEQUENCES,
                    y="summary:cost.heldout_code_bits", log_x=True,
                ),
                Scatter(
                    title="held-out code length against size", x=PARAMETERS,
                    y="summary:cost.heldout_code_bits", log_x=True,
                ),
            ),
        ),
        Section(
            title="Bits while training",
            text="Random tokens have a known entropy and memorised bits; text has bits below a "
            "uniform guesser, of which a part is generalised.",
            panels=(*over_every_axis(MEMORISED_BITS), *over_every_axis(BELOW_UNIFORM_BITS)),
        ),
        losses(),
    ),
)  # fmt: skip
