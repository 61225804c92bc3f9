"""What is remembered of text beyond skill."""

from rote.ledger.curve import BELOW_UNIFORM_BITS
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
    title="Memorisation on text",
    columns=(
        PARAMETERS, NUM_SEQUENCES, "config:task.pool", "config:seed",
        "summary:cost.train_code_bits", "summary:cost.heldout_code_bits",
        "summary:training.converged",
    ),
    figures=("unintended", "double_descent", "extraction", "covariates", "oracle_quality"),
    sections=(
        Section(
            title="Bits while training",
            text="Bits below a uniform guesser: what is generalised and memorised, together. "
            "The report run tells them apart, against its reference models.",
            panels=over_every_axis(BELOW_UNIFORM_BITS),
        ),
        Section(
            title="Skill and extraction",
            text="The superset is what every other run of a seed was trained on. Extracted: "
            "sequences that greedy decoding goes on with, word for word.",
            panels=(
                Scatter(
                    title="code length of the superset", x=NUM_SEQUENCES,
                    y="summary:superset.code_bits", log_x=True,
                ),
                Scatter(
                    title="training sequences extracted from 16 tokens", x=NUM_SEQUENCES,
                    y="summary:extraction.train_extracted_16", log_x=True,
                ),
                Scatter(
                    title="held-out sequences extracted from 16 tokens", x=NUM_SEQUENCES,
                    y="summary:extraction.heldout_extracted_16", log_x=True,
                ),
            ),
        ),
        losses(),
    ),
)  # fmt: skip
