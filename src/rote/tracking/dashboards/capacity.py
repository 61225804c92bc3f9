"""How many bits a parameter holds."""

from rote.ledger.curve import MEMORISED_BITS
from rote.tracking.curves import BITS_PER_PARAMETER
from rote.tracking.panels import (
    NUM_SEQUENCES,
    PARAMETERS,
    Bars,
    Dashboard,
    Scatter,
    Section,
    losses,
    over_every_axis,
)

DASHBOARD = Dashboard(
    title="Capacity",
    columns=(
        PARAMETERS, "config:precision.name", NUM_SEQUENCES, "config:seed", "summary:entropy_bits",
        "summary:memorised_bits.max", "summary:bits_per_parameter.max",
        "summary:training.converged",
    ),
    figures=("memorised_bits", "bits_per_parameter", "training_curves"),
    sections=(
        Section(
            title="Memorised against what there is",
            text="On the diagonal data are stored whole; where points leave it a model is full. "
            "A run that had not converged gives a lower bound.",
            panels=(
                Scatter(
                    title="bits memorised against bits of data",
                    x="summary:entropy_bits", y="summary:memorised_bits.max",
                    log_x=True, log_y=True,
                ),
                Scatter(
                    title="bits per parameter", x=PARAMETERS, y="summary:bits_per_parameter.max",
                    log_x=True,
                ),
                Bars(
                    title="bits per parameter by number format (mean of all runs)",
                    metric="bits_per_parameter.max", by="precision.name",
                ),
            ),
        ),
        Section(
            title="Bits while training",
            text="Whether a run had converged stands in the table.",
            panels=(*over_every_axis(MEMORISED_BITS), *over_every_axis(BITS_PER_PARAMETER)),
        ),
        losses(),
    ),
)  # fmt: skip
