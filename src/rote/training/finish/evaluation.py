"""Compute loss, gradient and metric on whole training sets, in chunks that fit into memory.

Shapes: K runs with equally many sequences, N of each, L positions, P parameters, b a chunk, T
tokens of a training set, A active experts.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from rote.models.contracts import FLOAT32
from rote.models.count import named_trainable
from rote.models.likelihood import Model, started, whole_logits_bytes
from rote.training.finish.routing import chosen_experts
from rote.training.functional import per_sample_gradients, stacked_model, stacked_weights
from rote.training.graphed import Graphed, Step, is_recorded
from rote.training.objective import Objective
from rote.training.training_run import TrainingRun

# Fits into a core's cache: all of 1x32 with 8 heads at V=2048, S=64, N=514 takes 1,024 ms at once
# and 365 in chunks of this size; 1x12 at V=256, S=16, N=193 takes 7.4 and 6.4 (AMD EPYC, one core).
CACHED_LOGITS_BYTES = 1 << 21
# Squared gradients of single sequences that are held at once.
OWN_GRADIENT_BYTES = 1 << 26
# Fraction of the mean square, added to each: a weight without gradient must not get infinite steps.
FLOOR = 1e-4


def chunk_sequences(batch_size: int, length: int, vocab_size: int, *, on_cpu: bool) -> int:
    """Return the number of sequences whose loss is computed at once, limited by their logits."""
    sequence_bytes = FLOAT32 * length * vocab_size
    if on_cpu:
        return max(1, CACHED_LOGITS_BYTES // sequence_bytes)
    return max(1, batch_size, whole_logits_bytes(on_cpu=False) // sequence_bytes)


class FullBatch:
    """The runs' losses on their whole training sets, as functions of their parameters."""

    def __init__(self, runs: Sequence[TrainingRun], device: torch.device) -> None:
        first = runs[0]
        self.runs, self.device, self.precision = list(runs), device, first.precision
        self.objective = Objective(scored_from=first.scored_from)
        self.num_tokens = first.epoch_tokens
        rows = chunk_sequences(
            first.order.batch_size, first.length, first.vocab_size, on_cpu=device.type == "cpu"
        )
        self.rows = max(1, rows // len(runs))
        for one in runs:
            one.model.eval()  # the plain loss: no dropout, no balance loss of experts
        self.template = copy.deepcopy(first.model).to("meta") if len(runs) > 1 else first.model
        frozen = [name for name, one in first.model.named_parameters() if not one.requires_grad]
        self.frozen = stacked_weights([one.model for one in runs], frozen) if len(runs) > 1 else {}
        self.choices: dict[str, Tensor] = {}  # [K, T, A]; empty: every token is routed anew
        self.losses_and_gradients: Step = self._evaluated
        if is_recorded(first.compile_mode, device):
            self.losses_and_gradients = Graphed(self._evaluated)

    def fix(self, choices: Sequence[Mapping[str, Tensor]]) -> None:
        """Let the tokens of each run go through these experts, [T, A] by the name of a buffer."""
        for name in choices[0]:
            stacked_KTA = torch.stack([one[name] for one in choices])
            # A recorded graph reads the same memory every time.
            self.choices.setdefault(name, torch.empty_like(stacked_KTA)).copy_(stacked_KTA)

    def __call__(self, points: Sequence[Tensor]) -> list[tuple[float, Tensor]]:
        """Return the mean nats per token at each point (float64 [P]), and its gradient."""
        found: Tensor = self.losses_and_gradients(torch.stack(list(points)))
        return [(loss, row[1:]) for loss, row in zip(found[:, 0].tolist(), found, strict=True)]

    def _evaluated(self, points_KP: Tensor) -> Tensor:
        """Return loss and gradient in one row per run: float64 [K, 1 + P]."""
        parts = self._parts(points_KP)
        for part in parts.values():
            part.requires_grad_()
        losses_K = torch.zeros(len(points_KP), dtype=torch.float64, device=self.device)
        with self.precision.active(self.device.type):
            for start in range(0, self.runs[0].sequences.num_sequences, self.rows):
                nats_K = self._nats(parts, start) / self.num_tokens
                nats_K.sum().backward()  # type: ignore[no-untyped-call]
                losses_K += nats_K.detach()
        gradients = [self._gradient(part, len(points_KP)) for part in parts.values()]
        return torch.cat([losses_K[:, None], *(one.double() for one in gradients)], dim=1)

    def _parts(self, points_KP: Tensor) -> dict[str, Tensor]:
        """Split points into parameters; with a single run they are the model's own."""
        own: dict[str, Tensor] = dict(named_trainable(self.runs[0].model))
        if len(points_KP) == 1:
            put(self.runs[0].model, points_KP[0])
            return own
        pieces = points_KP.split([one.numel() for one in own.values()], dim=1)  # type: ignore[no-untyped-call]
        named = zip(own.items(), pieces, strict=True)
        return {name: piece.to(one.dtype).view(-1, *one.shape) for (name, one), piece in named}

    def _gradient(self, part: Tensor, num_members: int) -> Tensor:
        gradient, part.grad = part.grad, None
        return (torch.zeros_like(part) if gradient is None else gradient).view(num_members, -1)

    def _nats(self, parts: dict[str, Tensor], start: int) -> Tensor:
        """Return the summed nats of one chunk of each run, float64 [K]."""
        stop = min(start + self.rows, self.runs[0].sequences.num_sequences)
        rows_b = torch.arange(start, stop, device=self.device)
        tokens_KbL = torch.stack([one.sequences.tokens(rows_b) for one in self.runs])
        number, length = len(self.runs), self.runs[0].length
        model: Model = self.template
        part = slice(start * length, stop * length)
        choices = {name: one_KTA[:, part] for name, one_KTA in self.choices.items()}
        if number > 1:
            model = stacked_model(self.template, self.frozen | parts | choices, num_sets=number)
        elif choices:
            fixed = {name: one_KTA[0] for name, one_KTA in choices.items()}
            model = partial(functional_call, self.template, fixed)
        _, nats_NL = self.objective.of_tokens(model, tokens_KbL.flatten(0, 1), number)
        return nats_NL.view(number, -1).sum(1, dtype=torch.float64)

    def chosen_experts(self, number: int, point_P: Tensor) -> dict[str, Tensor]:
        """Return the experts of each token of a run at this point, [T, A] by a buffer's name."""
        run = self.runs[number]
        put(run.model, point_P)
        rows = torch.arange(run.sequences.num_sequences, device=self.device).split(self.rows)  # type: ignore[no-untyped-call]
        with self.precision.active(self.device.type):
            inputs = (started(run.model, run.sequences.tokens(one)[:, :-1]) for one in rows)
            return chosen_experts(run.model, inputs)

    def metric(self, number: int, point_P: Tensor) -> Tensor:
        """Estimate the diagonal of the inverse Hessian at a run's point, of mean 1, float64 [P].

        It is one over the root of the mean square of the sequences' own gradients; that mean square
        is the diagonal of the empirical Fisher matrix.
        """
        model = self.runs[number].model
        put(model, point_P)
        squares_P = torch.zeros_like(point_P)
        sequences = self.runs[number].sequences
        few = max(1, OWN_GRADIENT_BYTES // (FLOAT32 * len(point_P)))
        for rows_b in torch.arange(sequences.num_sequences, device=self.device).split(few):  # type: ignore[no-untyped-call]
            with self.precision.active(self.device.type):
                tokens_bL = sequences.tokens(rows_b)
                gradients, _ = per_sample_gradients(model, tokens_bL, self.objective)
            squares = [one.double().square().sum(0).flatten() for one in gradients.values()]
            squares_P += torch.cat(squares)
        squares_P /= sequences.num_sequences
        least = torch.finfo(torch.float64).tiny  # if all gradients are 0
        metric_P = (squares_P + FLOOR * squares_P.mean()).clamp(min=least).rsqrt()
        return metric_P / metric_P.mean()


def flat(model: nn.Module) -> Tensor:
    """Return all trained parameters in their order, float64 [P]."""
    return torch.cat([one.detach().double().flatten() for _, one in named_trainable(model)])


def put(model: nn.Module, point_P: Tensor) -> None:
    """Write a point into the parameters (inverse of `flat`), rounded to their format."""
    weights = [one for _, one in named_trainable(model)]
    pieces = point_P.split([one.numel() for one in weights])  # type: ignore[no-untyped-call]
    for one, piece in zip(weights, pieces, strict=True):
        one.data.copy_(piece.view_as(one))
