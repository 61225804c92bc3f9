"""How fast random labels are fitted, and what storing them takes."""

from rote.ledger.curve import LOSS_NATS
from rote.tracking.panels import NUM_SEQUENCES, PARAMETERS, Bars, Curve, Dashboard, Scatter, Section

SHARE = "config:task.random_fraction"

DASHBOARD = Dashboard(
    title="Random labels",
    columns=(
        PARAMETERS, NUM_SEQUENCES, SHARE, "config:task.inputs", "config:seed",
        "summary:exact_match.train_drawn_right_forced",
        "summary:exact_match.train_rule_right_forced",
    ),
    figures=("fit", "bits"),
    sections=(
        Section(
            title="Labels told right",
            text="Drawn labels can only be learnt by heart; those of the rule also held out.",
            panels=(
                Scatter(
                    title="drawn labels told right", x=SHARE,
                    y="summary:exact_match.train_drawn_right_forced",
                ),
                Scatter(
                    title="the rule's labels told right, held out", x=SHARE,
                    y="summary:exact_match.heldout_rule_right_forced",
                ),
                Bars(
                    title="code length of drawn labels (bits, mean of all runs)",
                    metric="exact_match.train_drawn_answer_code_bits", by="task.random_fraction",
                ),
            ),
        ),
        Section(
            title="Time to fit",
            text="The more labels are random, the later the loss falls.",
            panels=(
                Curve(title="over steps", y=LOSS_NATS, log_y=True),
                Curve(title="over epochs", y=LOSS_NATS, x="epochs", log_y=True),
            ),
        ),
    ),
)  # fmt: skip
