"""Smooth labels: the target is mostly the true token, and all tokens for the rest.

Source: Szegedy et al. 2016 (arXiv 1512.00567), section 7. Shapes: B batch, L positions, V
vocabulary.
"""

from dataclasses import dataclass

from torch import Tensor

from rote.core.checks import require_number


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing:
    """Settings of label smoothing; raises ValueError for a share outside [0, 1)."""

    share: float  # of the target, spread over the whole vocabulary, the true token included

    def __post_init__(self) -> None:
        require_number("control.label_smoothing.share", self.share, 0, below=1)

    def change_loss(self, loss_BL: Tensor, logits_BLV: Tensor, tokens_BL: Tensor) -> Tensor:
        """Return (1 - share) * -ln p(token) + share * mean over v of -ln p(v).

        Both terms contain the logarithm of the sum, so only the token's logit above the mean is
        added.
        """
        logit_BL = logits_BLV.gather(2, tokens_BL[:, :, None])[:, :, 0].float()
        return loss_BL + self.share * (logit_BL - logits_BLV.float().mean(dim=2))
