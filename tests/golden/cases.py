"""Which commands the goldens hold, and the folder that each of them writes."""

SWEEPS = (
    "capacity",
    "controls",
    "double_descent",
    "generalisation",
    "leakage",
    "random_labels",
    "scaling",
    "shadows",
    "text",
)
OTHER_RATE = ("random_labels", "optim.optimiser.lr=2e-3")  # what is compared with random_labels
SCALED = ("--capacity-from", "capacity")
COMMANDS: dict[str, tuple[str, ...]] = {
    **{f"report_{name}": ("report", name, *SCALED) for name in SWEEPS},
    "report_capacity": ("report", "capacity"),
    "fit_scaling": ("fit", "scaling", "--resamples", "20"),
    "fit_capacity": ("fit", "capacity", "--law", "capacity", "--resamples", "20"),
    "compare": ("compare", "random_labels", "{other}"),
    "plan_published": ("plan", "--flops", "1e21"),
    "plan_hiding": ("plan", "--max-f1", "0.55", "--params", "1.5b"),
    "plan_own": ("plan", "--from", "scaling", "--flops", "1e10", "--max-exposure", "3", *SCALED),
}
SCALE = "report_capacity"  # whose capacities other reports divide by
FOLDERS = {"report": "reports", "fit": "fits", "compare": "comparisons", "plan": "plans"}
