"""Generate sequences with class labels, which follow a learnable rule or are drawn at random.

After Zhang et al. 2016 (arXiv 1611.03530), section 2: true, partly random and random labels,
shuffled inputs and noise inputs. A sequence is its input followed by the label; only the label is
learnt and scored. Shapes: N sequences, I tokens of an input, B sequences asked for.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rote.core.checks import require_choice, require_share, require_whole
from rote.core.rng import generator
from rote.core.units import uniform_bits
from rote.tasks.lines import Rows
from rote.tasks.protocol import Items

INPUTS = ("patterns", "shuffled", "random")
GROUPS = ("rule", "drawn")
MARKS = 3  # per input: two of its class, one of another class


@dataclass(frozen=True, kw_only=True)
class RandomLabels:
    """N inputs of I tokens, each with one of C classes; raises ValueError.

    Every class has a mark. An input is noise with three marks at random places; its class is that
    of the two equal marks. ``shuffled`` permutes the tokens of all inputs in one fixed order;
    ``random`` replaces all tokens by noise, which may contain marks. The labels of
    ``random_fraction`` of the training set are redrawn uniformly, so a label may stay true; a
    smaller fraction is a subset of a larger one. Held-out labels are true.
    """

    inputs: str
    random_fraction: float
    num_sequences: int
    num_heldout_sequences: int
    num_classes: int
    num_noise_symbols: int
    input_length: int

    def __post_init__(self) -> None:
        require_whole("task.num_sequences", self.num_sequences, 1, 1 << 24)
        require_whole("task.num_heldout_sequences", self.num_heldout_sequences, 1, 1 << 24)
        require_whole("task.num_classes", self.num_classes, 2)
        require_whole("task.num_noise_symbols", self.num_noise_symbols, 1)
        require_whole("task.input_length", self.input_length, MARKS)
        require_choice("task.inputs", self.inputs, INPUTS)
        require_share("task.random_fraction", self.random_fraction)

    @property
    def vocab_size(self) -> int:
        """Return the number of noise symbols, marks and labels, in this order."""
        return self.num_noise_symbols + 2 * self.num_classes

    @property
    def length(self) -> int:
        """Return the length of the input and the label."""
        return self.input_length + 1

    @property
    def scored_from(self) -> int:
        """Return the label's position."""
        return self.input_length

    def train(self, seed: int) -> Rows:
        """Return sequences with the labels to learn, some of them redrawn."""
        rows_NL = self._rows(seed, "train", self.num_sequences)
        drawn_N = self._is_drawn(seed)
        classes_N = torch.randint(
            self.num_classes, drawn_N.shape, generator=generator(seed, "data", "labels")
        )
        rows_NL[:, -1] = torch.where(drawn_N, self._label(classes_N), rows_NL[:, -1])
        return Rows(rows_NL)

    def heldout(self, seed: int) -> Rows:
        """Return fresh inputs with their true labels."""
        return Rows(self._rows(seed, "heldout", self.num_heldout_sequences))

    def entropy_bits(self, *, from_position: int = 0) -> float:
        """Return the entropy of the training labels for somebody who knows the rule, in bits.

        They also know to which labels it applies. log2 C for each redrawn label, and for every
        label if inputs are random; 0 for the others. Exact.
        """
        is_random = self.inputs == "random"
        num_unruled = self.num_sequences if is_random else self._num_drawn
        return uniform_bits(num_unruled, self.num_classes)

    def items(self, seed: int) -> Items:
        """Return one item per input, grouped by whether the rule determines its label."""
        heldout = self.heldout(seed)  # only a part of them if early stopping uses the rest
        heldout_NL = heldout.tokens(torch.arange(heldout.num_sequences))
        tokens_NL = torch.cat([self.train(seed).tokens_NL, heldout_NL])
        is_train_N = torch.arange(len(tokens_NL)) < self.num_sequences
        unruled_N = torch.zeros_like(is_train_N)
        unruled_N[: self.num_sequences] = self._is_drawn(seed)
        if self.inputs == "random":
            unruled_N[:] = True
        places_N = torch.full_like(is_train_N, self.input_length, dtype=torch.int64)
        return Items(
            tokens_NL=tokens_NL,
            answer_start_N=places_N,
            answer_end_N=places_N + 1,
            group_N=unruled_N.long(),
            groups=GROUPS,
            exposures_N=is_train_N.long(),
            bits_N=unruled_N.double() * uniform_bits(1, self.num_classes),
        )

    @property
    def _num_drawn(self) -> int:
        return round(self.random_fraction * self.num_sequences)

    def _is_drawn(self, seed: int) -> Tensor:
        """Return which labels are redrawn, bool [N]; all fractions are prefixes of one order."""
        order_N = torch.randperm(self.num_sequences, generator=generator(seed, "data", "drawn"))
        drawn_N = torch.zeros(self.num_sequences, dtype=torch.bool)
        drawn_N[order_N[: self._num_drawn]] = True
        return drawn_N

    def _rows(self, seed: int, split: str, number: int) -> Tensor:
        """Return inputs and true labels, int64 [N, I + 1]."""
        random = generator(seed, "data", split)
        classes_N = torch.randint(self.num_classes, (number,), generator=random)
        inputs_NI = self._patterns(classes_N, random)
        if self.inputs == "shuffled":
            random = generator(seed, "data", "shuffled")
            inputs_NI = inputs_NI[:, torch.randperm(self.input_length, generator=random)]
        if self.inputs == "random":
            symbols = self.num_noise_symbols + self.num_classes
            inputs_NI = torch.randint(symbols, inputs_NI.shape, generator=random)
        return torch.cat([inputs_NI, self._label(classes_N)[:, None]], dim=1)

    def _patterns(self, classes_N: Tensor, random: torch.Generator) -> Tensor:
        """Return noise with two marks of the class and one of another class."""
        shape = (len(classes_N), self.input_length)
        inputs_NI = torch.randint(self.num_noise_symbols, shape, generator=random)
        steps_N = torch.randint(1, self.num_classes, classes_N.shape, generator=random)
        others_N = (classes_N + steps_N) % self.num_classes
        marks_N3 = torch.stack([classes_N, classes_N, others_N], dim=1) + self.num_noise_symbols
        places_N3 = torch.rand(shape, generator=random).argsort(dim=1)[:, :MARKS]
        return inputs_NI.scatter(1, places_N3, marks_N3)

    def _label(self, classes_N: Tensor) -> Tensor:
        return classes_N + self.num_noise_symbols + self.num_classes
