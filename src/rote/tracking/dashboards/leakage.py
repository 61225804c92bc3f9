"""Membership, exposure and extraction."""

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

BASE_SEQUENCES = "config:task.base.num_sequences"  # canaries are planted among them

DASHBOARD = Dashboard(
    title="Leakage",
    columns=(
        PARAMETERS, BASE_SEQUENCES, "config:seed", "summary:membership.members",
        "summary:exposure.canaries", "summary:extraction.train_extracted_32",
        "summary:cost.heldout_code_bits",
    ),
    figures=(
        "membership_law", "scores", "shadows", "exposure", "canaries_extracted",
        "windows_extracted", "risk", "sizes",
    ),
    sections=(
        Section(
            title="Extraction",
            text="Sequences that greedy decoding goes on with, word for word. Those held out say "
            "what can be guessed. Membership and exposure are in the report run: they are made of "
            "scores of single sequences, not of sums.",
            panels=(
                Scatter(
                    title="training sequences extracted from 32 tokens", x=BASE_SEQUENCES,
                    y="summary:extraction.train_extracted_32", log_x=True,
                ),
                Scatter(
                    title="held-out sequences extracted from 32 tokens", x=BASE_SEQUENCES,
                    y="summary:extraction.heldout_extracted_32", log_x=True,
                ),
                Bars(
                    title="extracted by width (mean of all runs)",
                    metric="extraction.train_extracted_32", by="size.width",
                ),
            ),
        ),
        Section(
            title="Bits while training",
            text="Bits below a uniform guesser: generalised and memorised together.",
            panels=over_every_axis(BELOW_UNIFORM_BITS),
        ),
        losses(BASE_SEQUENCES),
    ),
)  # fmt: skip
