"""What a measure cannot take is refused in one line before training."""

import pytest
from tests.conftest import MakeSpec

from rote.run.preflight import Preflight

OF_A_PREFIX = ("discoverable", "extraction", "near_verbatim")
FITTING = {
    **dict.fromkeys(OF_A_PREFIX, ("prefix_tokens=[2]",)),
    "generation": ("match_tokens=3", "window_tokens=8"),
}
WHOLE = "must be a whole number from 1 up, got 0"
REFUSED = [
    ("prefix_tokens=[2,8]", "a prefix of 8 tokens leaves nothing .* task.length=8"),
    ("prefix_tokens=[]", "prefix_tokens is empty"),
    ("prefix_tokens=4", r"prefix_tokens must be a list such as \[4\], got 4"),
    ("prefix_tokens=[0]", f"each of .*prefix_tokens {WHOLE}"),
    ("num_sequences=0", f"num_sequences {WHOLE}"),
]


@pytest.mark.parametrize(
    ("measure", "override", "message"),
    [
        *((measure, *row) for measure in OF_A_PREFIX for row in REFUSED),
        ("discoverable", "num_beams=0", f"num_beams {WHOLE}"),
        ("discoverable", "samplers.top_k.top_k=0", f"top_k {WHOLE}"),
        ("discoverable", "samplers.plain.temperature=0", "must be a number above 0, got 0"),
        ("near_verbatim", "distances_tokens=[]", r"distances_tokens is empty: \[2, 5\] are usual"),
        ("near_verbatim", "distances_tokens=2", r"must be a list such as \[2\], got 2"),
        ("near_verbatim", "distances_tokens=[0]", f"each of .*distances_tokens {WHOLE}"),
        ("near_verbatim", "distances_tokens=[1,6]", "is within 6 tokens of a rest of 6"),
        ("near_verbatim", "num_beams=0", f"num_beams {WHOLE}"),
        ("near_verbatim", "sampler.top_k=0", f"top_k {WHOLE}"),
        ("generation", "num_samples=0", f"num_samples {WHOLE}"),
        ("generation", "match_tokens=8", "match_tokens=8 is more than the 3 tokens there are"),
        ("generation", "window_tokens=9", "window_tokens=9 is more than the 8 tokens there are"),
        ("generation", "drawings.decaying.decay_tokens=0", "needs decay_tokens of 1 or more"),
        ("generation", "drawings.top_k.sampler.top_k=0", f"top_k {WHOLE}"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    tiny: MakeSpec, measure: str, override: str, message: str
) -> None:
    chosen = (f"measure.{measure}.{each}" for each in (*FITTING[measure], override))
    with pytest.raises(ValueError, match=message) as caught:
        Preflight().facts(tiny(f"measure=[{measure}]", *chosen))
    assert "\n" not in str(caught.value)
