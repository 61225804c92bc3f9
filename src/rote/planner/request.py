"""Define the request for a plan: a budget, a target, a data set, or ceilings on leakage."""

from dataclasses import dataclass

# One H100 at 40 % of its 989 TFLOP/s of dense bf16 (NVIDIA's data sheet): a well-run cluster.
DEVICE_FLOPS_PER_SECOND = 4.0e14


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """A request; None: not requested. Raises ValueError for a request that cannot be answered."""

    flops: float | None = None  # training FLOPs, 6 N D
    loss_nats: float | None = None  # held-out, per token, at most
    tokens: float | None = None  # tokens available; repeated if the budget buys more
    parameters: tuple[float, ...] = ()  # sizes to project; empty: a ladder around the best
    max_f1: float | None = None  # F1 of membership inference
    max_exposure_bits: float | None = None  # exposure of canaries
    max_extracted: float | None = None  # share of training windows
    max_p_z: float | None = None  # probability that one sample is the true suffix
    repeats: float = 1.0  # how often the sequence of p_z occurs in the training set
    device_flops_per_second: float = DEVICE_FLOPS_PER_SECOND

    def __post_init__(self) -> None:
        given = (self.flops, self.loss_nats, self.tokens)
        if all(each is None for each in given) and not self.has_ceiling:
            raise ValueError(
                "nothing is asked: give --flops, --loss, --tokens, --max-f1, --max-exposure, "
                "--max-extracted or --max-extraction"
            )
        if self.max_f1 is not None and not 0.5 < self.max_f1 <= 1:
            raise ValueError(f"--max-f1 is above 0.5, a coin, and at most 1, got {self.max_f1:g}")
        if self.max_extracted is not None and not 0 < self.max_extracted <= 1:
            raise ValueError(f"--max-extracted is a share, got {self.max_extracted:g}")
        if self.max_p_z is not None and not 0 < self.max_p_z < 1:
            raise ValueError(f"--max-extraction is between 0 and 1, got {self.max_p_z:g}")
        if self.repeats < 1:
            raise ValueError(f"--repeats is at least 1, got {self.repeats:g}")

    @property
    def has_ceiling(self) -> bool:
        """Whether any kind of leakage has a ceiling."""
        ceilings = (self.max_f1, self.max_exposure_bits, self.max_extracted, self.max_p_z)
        return any(each is not None for each in ceilings)
