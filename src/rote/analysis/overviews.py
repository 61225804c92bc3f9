"""Choose the first charts for the runs of each kind of report: axes and training curves.

The site and the dashboards draw them; `rote.analysis.metrics` has titles, units and forms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rote.analysis.metrics import METRICS, metric_of
from rote.ledger.curve import BELOW_UNIFORM_BITS, MEMORISED_BITS

LOSS = "loss_bits_per_token"
HELDOUT = "heldout_bits_per_token"
SEQUENCES = "task.num_sequences"
BASE_SEQUENCES = "task.base.num_sequences"  # canaries are inserted among them
DATA = "data_bits_per_parameter"  # data over capacity, before a report knows the capacity
SETTING = "setting"  # equal for runs that differ only in their seeds
STEP, TOKENS, EPOCHS = "step", "tokens", "epochs"
PROGRESS = (STEP, TOKENS, EPOCHS)  # x axes of curves


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Columns of the table of runs to chart, and curves of training."""

    title: str
    text: str  # what to look for
    axes: tuple[tuple[str, str], ...]  # x and y; the first that the runs have is shown first
    by: tuple[tuple[str, str], ...] = ()  # a setting, and the number averaged at each value
    curves: tuple[str, ...] = (LOSS, BELOW_UNIFORM_BITS)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One chart of a dashboard: runs as points, means over seeds as bars, or a training curve."""

    kind: Literal["points", "bars", "curve"]
    x: str  # of bars: the setting whose values have a bar each
    y: str

    @property
    def title(self) -> str:
        """Return the title, with units."""
        word = {"points": "against", "bars": "by", "curve": "over"}[self.kind]
        across = metric_of(self.x)
        return (
            f"{metric_of(self.y).label} {word} "
            f"{across.label if self.kind == 'points' else across.title}"
        )


def is_count(column: str) -> bool:
    """Return whether a column spans decades: bits, parameters, sequences."""
    return metric_of(column).form.startswith("{:,")


@dataclass(frozen=True, kw_only=True)
class PanelSection:
    """Charts below one heading, and what to look for."""

    title: str
    text: str
    panels: tuple[Panel, ...]


def panel_sections(overview: Overview, is_known: Callable[[str], bool]) -> list[PanelSection]:
    """Return the results of runs, then their curves; points only of axes that are known."""
    axes = [pair for pair in overview.axes if all(map(is_known, pair))]
    bars = [(SETTING, up) for up in dict.fromkeys(up for _, up in axes)] + [*overview.by]
    curves = [(across, up) for up in overview.curves for across in PROGRESS]
    results = (
        *(Panel(kind="points", x=x, y=y) for x, y in axes),
        *(Panel(kind="bars", x=x, y=y) for x, y in bars),
    )
    while_training = tuple(Panel(kind="curve", x=x, y=y) for x, y in curves)
    return [
        PanelSection(title=overview.title, text=overview.text, panels=results),
        PanelSection(title="While training", text="", panels=while_training),
    ]


def overview_of(kind: str) -> Overview:
    """Return the overview of a kind; an unlisted kind plots each main number over model size."""
    main = [name for name, each in METRICS.items() if each.is_main and each.expression is not None]
    return OVERVIEWS.get(kind) or Overview(
        title=kind.replace("_", " ").capitalize() or "Runs",
        text="Every main number of every run.",
        axes=tuple(("parameters", name) for name in main),
    )


OVERVIEWS = {
    "architectures": Overview(
        title="Architectures",
        text="Bits memorised by models of nearly equal parameters. A run that had not converged "
        "gives a lower bound. Differences paired by seed, and FLOPs, are in the report.",
        axes=(("parameters", "bits_per_parameter"), ("entropy_bits", "memorised_bits")),
        by=(("model._target_", "bits_per_parameter"),),
        curves=(LOSS, MEMORISED_BITS, "bits_per_parameter"),
    ),
    "capacity": Overview(
        title="Capacity",
        text="On the diagonal data are stored whole; where points leave it a model is full. A run "
        "that had not converged gives a lower bound.",
        axes=(
            ("entropy_bits", "memorised_bits"), (DATA, "bits_per_parameter"),
            ("parameters", "bits_per_parameter"),
        ),
        by=(("precision.name", "bits_per_parameter"),),
        curves=(LOSS, MEMORISED_BITS, "bits_per_parameter"),
    ),
    "controls": Overview(
        title="Controls",
        text="Down is less memorised, left is better on held-out sequences. Exposure of canaries "
        "is in the report.",
        axes=(
            (HELDOUT, "exposure_bits"), (HELDOUT, "memorised_bits"),
            (HELDOUT, "accuracy.train_drawn"),
        ),
        by=tuple(
            (f"control.{strength}", "memorised_bits")
            for strength in (
                "dropout.rate", "label_smoothing.share", "goldfish.k", "dp_sgd.epsilon",
            )
        ),
        curves=(LOSS, MEMORISED_BITS, BELOW_UNIFORM_BITS),
    ),
    "double_descent": Overview(
        title="Double descent",
        text="Held-out sequences are as many in every run of a sweep. A peak is expected where "
        "data and capacity are equal.",
        axes=(
            ("data_per_capacity", HELDOUT), (DATA, HELDOUT), (SEQUENCES, HELDOUT),
            ("parameters", HELDOUT),
        ),
        curves=(LOSS, MEMORISED_BITS, BELOW_UNIFORM_BITS),
    ),
    "formats": Overview(
        title="Number formats",
        text="Bits memorised against bits stored: nothing lies above the diagonal. Formats that "
        "were only measured after training are in the report.",
        axes=(
            ("stored_bits_per_parameter", "bits_per_parameter"),
            ("stored_bits_per_parameter", "bits_memorised_per_bit_stored"),
        ),
        by=(("precision.name", "bits_memorised_per_bit_stored"),),
        curves=(LOSS, MEMORISED_BITS),
    ),
    "generalisation": Overview(
        title="Memorise or generalise",
        text="Answered right without help, seen and held out. A rule shows on what was held out, "
        "a fact only on what was seen. Extrapolation may come long after the training loss fell.",
        axes=(
            ("parameters", "accuracy.heldout_add"), ("parameters", "accuracy.heldout_subtract"),
            ("parameters", "accuracy.train_fact"), ("parameters", HELDOUT),
        ),
        by=(("size.width", "accuracy.heldout_add"), ("size.width", "accuracy.train_fact")),
        curves=(LOSS,),
    ),
    "leakage": Overview(
        title="Leakage",
        text="Sequences that greedy decoding continues word for word. Those held out say what can "
        "be guessed. Membership and exposure are in the report: they are made of scores of single "
        "sequences.",
        axes=(
            ("parameters", "f1"), (BASE_SEQUENCES, "extracted.train_32"),
            (BASE_SEQUENCES, "extracted.heldout_32"), (BASE_SEQUENCES, HELDOUT),
        ),
        by=(("size.width", "extracted.train_32"),),
    ),
    "memory": Overview(
        title="Memory over time",
        text="Losses of runs with windows of insertion. What is learnt and forgotten is in the "
        "report: it is made of the code lengths of single sequences at several steps.",
        axes=(("control.insertion.every_steps", HELDOUT), ("parameters", HELDOUT)),
        by=(("control.insertion.from_step", HELDOUT),),
        curves=(LOSS,),
    ),
    "random_labels": Overview(
        title="Random labels",
        text="Random labels can only be learnt by heart; those of the rule also held out. The more "
        "labels are random, the later the loss falls.",
        axes=(
            ("task.random_fraction", "accuracy.train_drawn"),
            ("task.random_fraction", "accuracy.heldout_rule"),
            ("task.random_fraction", "train_bits_per_token"),
        ),
        by=(("task.random_fraction", "accuracy.train_drawn"),),
        curves=(LOSS,),
    ),
    "scaling": Overview(
        title="Scaling",
        text="Held-out loss of all runs; laws and their intervals are in the report.",
        axes=(("parameters", HELDOUT), ("training.tokens_seen", HELDOUT)),
        by=(("size.width", HELDOUT),),
    ),
    "text": Overview(
        title="Memorisation on text",
        text="Bits below a uniform guesser are generalised and memorised together: the report "
        "separates them by reference models. Extracted: sequences that greedy decoding continues "
        "word for word.",
        axes=(
            (SEQUENCES, HELDOUT), (SEQUENCES, "train_bits_per_token"),
            (SEQUENCES, "extracted.train_16"), (SEQUENCES, "extracted.heldout_16"),
        ),
    ),
}  # fmt: skip
