"""Which control lowers leakage, and what it costs."""

from rote.ledger.curve import BELOW_UNIFORM_BITS, LOSS_NATS, MEMORISED_BITS
from rote.tracking.panels import AXIS_TITLES, Bars, Curve, Dashboard, Scatter, Section

RATES = ("dropout.rate", "label_smoothing.share", "goldfish.k", "dp_sgd.epsilon")

DASHBOARD = Dashboard(
    title="Controls",
    columns=(
        *(f"config:control.{rate}" for rate in RATES), "config:optim.optimiser.weight_decay",
        "config:optim.clip_norm", "config:seed", "summary:memorised_bits.last",
        "summary:cost.heldout_code_bits",
    ),
    figures=("frontier",),
    sections=(
        Section(
            title="What is memorised, and what it costs",
            text="Down is less memorised, left is better on what was never seen. Controls are tags "
            "of their runs. Exposure of canaries is in the report run.",
            panels=(
                Scatter(
                    title="bits memorised against held-out code length",
                    x="summary:cost.heldout_code_bits", y="summary:memorised_bits.last",
                ),
                Scatter(
                    title="drawn labels told right against held-out code length",
                    x="summary:cost.heldout_code_bits",
                    y="summary:exact_match.train_drawn_right_forced",
                ),
                *(
                    Bars(
                        title=f"bits memorised by {rate} (mean of all runs)",
                        metric="memorised_bits.last", by=f"control.{rate}",
                    )
                    for rate in RATES
                ),
            ),
        ),
        Section(
            title="While training",
            text="The plain loss, whatever a control does to the gradient.",
            panels=tuple(
                Curve(title=AXIS_TITLES[y], y=y, x="epochs")
                for y in (LOSS_NATS, MEMORISED_BITS, BELOW_UNIFORM_BITS)
            ),
        ),
    ),
)  # fmt: skip
