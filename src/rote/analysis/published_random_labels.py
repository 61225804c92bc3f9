"""Published accuracies on CIFAR-10 with random labels, to stand beside measured ones.

Zhang et al. 2016, arXiv 1611.03530: every network fits them, and then tells nothing of new images
(10 % is a guess).
"""

from dataclasses import dataclass

SOURCE = "Zhang et al. 2016, arXiv 1611.03530"


@dataclass(frozen=True, kw_only=True)
class PublishedFit:
    """One network, all labels random."""

    network: str
    train_percent: float
    test_percent: float


PUBLISHED_FITS = (
    PublishedFit(network="Inception", train_percent=100.0, test_percent=9.78),
    PublishedFit(network="AlexNet", train_percent=99.82, test_percent=9.86),
    PublishedFit(network="MLP 3x512", train_percent=100.0, test_percent=10.48),
    PublishedFit(network="MLP 1x512", train_percent=99.34, test_percent=10.61),
)
