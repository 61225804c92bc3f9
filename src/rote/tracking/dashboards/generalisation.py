"""Rules against facts: what is answered that was never seen."""

from rote.ledger.curve import LOSS_NATS
from rote.tracking.panels import PARAMETERS, Bars, Curve, Dashboard, Scatter, Section

DASHBOARD = Dashboard(
    title="Memorise or generalise",
    columns=(
        PARAMETERS, "config:task._target_", "config:seed",
        "summary:exact_match.heldout_add_right_free",
        "summary:exact_match.train_fact_right_free", "summary:cost.heldout_code_bits",
    ),
    figures=("matches", "knowledge"),
    sections=(
        Section(
            title="Items answered",
            text="Answered right without help, seen and held out. A rule shows on what was held "
            "out, a fact only on what was seen.",
            panels=(
                Bars(
                    title="additions held out (mean of all runs)",
                    metric="exact_match.heldout_add_right_free", by="size.width",
                ),
                Bars(
                    title="subtractions held out (mean of all runs)",
                    metric="exact_match.heldout_subtract_right_free", by="size.width",
                ),
                Bars(
                    title="facts seen (mean of all runs)",
                    metric="exact_match.train_fact_right_free", by="size.width",
                ),
                Scatter(
                    title="held-out code length against size", x=PARAMETERS,
                    y="summary:cost.heldout_code_bits", log_x=True,
                ),
            ),
        ),
        Section(
            title="Loss while training",
            text="Extrapolation may come long after the training loss has fallen.",
            panels=(
                Curve(title="over steps", y=LOSS_NATS, log_x=True, log_y=True),
                Curve(title="over epochs", y=LOSS_NATS, x="epochs", log_x=True, log_y=True),
            ),
        ),
    ),
)  # fmt: skip
