"""What commands say of damaged files once they have gone on with the rest."""

from collections.abc import Sequence

SHOWN_REASONS = 5


def require_no_damage(damaged: Sequence[str]) -> None:
    """Raises ValueError with the reasons, once all that is sound has been shown or written."""
    if damaged:
        more = len(damaged) - SHOWN_REASONS
        rest = [f"and {more} more: rote doctor --outputs"] if more > 0 else []
        raise ValueError("; ".join([*damaged[:SHOWN_REASONS], *rest]))
