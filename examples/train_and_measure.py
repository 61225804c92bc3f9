"""Train one model on random tokens and measure what it memorised: seconds on a laptop.

python examples/train_and_measure.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from rote.config.compose import Composer
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute

OVERRIDES = [
    "task=uniform", "task.num_sequences=64", "task.length=16", "task.vocab_size=64",
    "size=demo_s", "budget=demo", "budget.max_steps=600",
    "optim=adamw", "optim/schedule=linear", "optim.optimiser.lr=1.5e-2", "log=none",
]  # fmt: skip


def main() -> None:
    """Everything that the command line can set, an override can."""
    spec = Spec.from_config(Composer().config(OVERRIDES))
    with TemporaryDirectory() as folder:
        record = execute(spec, Store(Path(folder)))  # in ./outputs: Store(Path("outputs"))
    assert record.entropy_bits is not None
    memorised_bits = record.entropy_bits - record.measures["cost"]["train_code_bits"]
    print(f"run {record.run_id}: {record.parameters:,} parameters")
    print(f"{memorised_bits:,.0f} of {record.entropy_bits:,.0f} bits memorised")
    print(f"{memorised_bits / record.parameters:.2f} bits per parameter")
    print("converged" if record.training["converged"] else "not converged: a lower bound")


if __name__ == "__main__":
    main()
