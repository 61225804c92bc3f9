"""Compute the nats a model needs for each token: the one definition for training and measuring.

Shapes: B batch, L positions, V vocabulary, D width, N positions of all sequences, C of a
chunk, R rows of a padded head.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

Model = Callable[[Tensor], Tensor]  # a module, or a stack of several

START_TOKEN = 0  # position 0 reads it, so that the first token is scored without an extra symbol
# A third party's model was trained with a symbol of its own there, which this attribute names.
START_ATTRIBUTE = "start_token"

# Logits of up to 128 MiB in float32 (4 N V bytes; training holds two such tensors) stay whole: at
# V=2048 up to 16,384 tokens a step. One sequence at V=50257, S=1024 has 196 MiB and goes in chunks.
WHOLE_LOGITS_BYTES = 1 << 27
# 333 positions at V=50257: with fewer, summing the head's gradient costs more than its products.
CHUNK_LOGITS_BYTES = 1 << 26
GPU_TIMES = 8  # factor of both on a GPU, for which 333 positions are too little work
# A head that is used in chunks is padded with rows of zeros to a multiple of this. GPT-2's 50,257
# is odd, so a GPU multiplies without aligned loads: a step of 1.5b in bfloat16, B=16, S=1024, took
# 420 ms, with 50,304 rows 348 (torch 2.11, H200). A CPU gains nothing.
ROWS_MULTIPLE = {"cuda": 64}
FEW_LOGITS = 1 << 17  # below so many torch's own cross-entropy, with fewer calls, is faster
LEAST = 1e-30  # a probability that float32 holds with all its digits


def token_nats(model: Model, tokens_BL: Tensor) -> Tensor:
    """Return -ln p(token | earlier tokens) for every position, float32 [B, L].

    Logits are cast to float32 before the softmax, whatever the model computes in. If they would be
    large, and the model offers ``hidden(tokens_BL) -> hidden_BLD`` and ``head`` [V, D] (as
    `rote.models.gpt.GPT` does), they are computed and dropped chunk by chunk, in both directions.
    """
    inputs_BL = started(model, tokens_BL[:, :-1])
    if is_chunked(model, tokens_BL.numel()):
        hidden_ND = model.hidden(inputs_BL).flatten(0, 1)  # type: ignore[attr-defined]
        nats_N = _in_chunks(hidden_ND, model.head, tokens_BL.flatten())  # type: ignore[attr-defined]
    else:
        nats_N = _nats(model(inputs_BL).flatten(0, 1), tokens_BL.flatten())
    return nats_N.view(tokens_BL.shape)


def nats_and_logits(model: Model, tokens_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Return `token_nats` and the logits they come from, [B, L, V], held whole at any size."""
    logits_BLV = model(started(model, tokens_BL[:, :-1]))
    return _nats(logits_BLV.flatten(0, 1), tokens_BL.flatten()).view(tokens_BL.shape), logits_BLV


def started(model: Model, tokens_BL: Tensor) -> Tensor:
    """Return the model's input to predict these tokens and the next, [B, L] -> [B, L + 1]."""
    start = getattr(model, START_ATTRIBUTE, START_TOKEN)
    return torch.cat([tokens_BL.new_full((len(tokens_BL), 1), start), tokens_BL], dim=1)


def logits_in_chunks(model: Model, inputs_BL: Tensor) -> Iterator[Tensor]:
    """Yield the model's logits for these inputs, row after row, [C, V] each; whole if small.

    For passes without gradients; under `torch.autocast` in its format, as the model's own.
    """
    if not is_chunked(model, inputs_BL.numel()):
        yield model(inputs_BL).flatten(0, 1)
        return
    head_VD: Tensor = model.head  # type: ignore[attr-defined]
    hidden_ND = model.hidden(inputs_BL).flatten(0, 1)  # type: ignore[attr-defined]
    for (hidden_CD,) in _chunks(head_VD, hidden_ND):
        yield functional.linear(hidden_CD, head_VD)


def is_chunked(model: Model, num_tokens: int) -> bool:
    """Return whether the logits of so many tokens are never held whole."""
    head_VD = getattr(model, "head", None)
    if head_VD is None:
        return False
    return 4 * num_tokens * len(head_VD) > whole_logits_bytes(on_cpu=head_VD.device.type == "cpu")


def whole_logits_bytes(*, on_cpu: bool) -> int:
    """Return the largest size of float32 logits that are computed at once."""
    return WHOLE_LOGITS_BYTES if on_cpu else GPU_TIMES * WHOLE_LOGITS_BYTES


def chunk_logits_bytes(*, on_cpu: bool) -> int:
    """Return the largest size of a chunk of logits that are not computed at once."""
    return CHUNK_LOGITS_BYTES if on_cpu else GPU_TIMES * CHUNK_LOGITS_BYTES


def _nats(logits_NV: Tensor, tokens_N: Tensor) -> Tensor:
    with torch.autocast(tokens_N.device.type, enabled=False):
        return cross_entropy(logits_NV, tokens_N)


def _in_chunks(hidden_ND: Tensor, head_VD: Tensor, tokens_N: Tensor) -> Tensor:
    kind = tokens_N.device.type
    if torch.is_autocast_enabled(kind):  # autocast does not act inside a Function
        dtype = torch.get_autocast_dtype(kind)
        hidden_ND, head_VD = hidden_ND.to(dtype), head_VD.to(dtype)
    return _ChunkedNats.apply(hidden_ND, head_VD, tokens_N)  # type: ignore[no-untyped-call]


class _ChunkedNats(torch.autograd.Function):
    """Nats of hidden states under a head; the backward pass recomputes each chunk's logits."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, head_VD: Tensor, tokens_N: Tensor) -> Tensor:
        ctx.save_for_backward(hidden_ND, head_VD, tokens_N)
        vocab_size, padded_RD = len(head_VD), _padded(head_VD)
        with torch.autocast(tokens_N.device.type, enabled=False):
            return torch.cat(
                [
                    _nats(functional.linear(hidden_CD, padded_RD)[:, :vocab_size], tokens_C)
                    for hidden_CD, tokens_C in _chunks(head_VD, hidden_ND, tokens_N)
                ]
            )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden_ND, head_VD, tokens_N = ctx.saved_tensors
        grads_CD, vocab_size, padded_RD = [], len(head_VD), _padded(head_VD)
        # Summed over chunks in float32: a bfloat16 sum would lose what one product keeps.
        grad_RD = torch.zeros_like(padded_RD, dtype=torch.float32)
        with torch.autocast(grad_N.device.type, enabled=False):
            for hidden_CD, tokens_C, grad_C in _chunks(head_VD, hidden_ND, tokens_N, grad_N):
                logits_CR = functional.linear(hidden_CD, padded_RD).requires_grad_()
                with torch.enable_grad():
                    nats_C = _nats(logits_CR[:, :vocab_size], tokens_C)
                grad_CR = torch.autograd.grad(nats_C, logits_CR, grad_C)[0]
                grads_CD.append(grad_CR @ padded_RD)
                grad_RD += grad_CR.T @ hidden_CD
        return torch.cat(grads_CD), grad_RD[:vocab_size].to(head_VD.dtype), None


def _padded(head_VD: Tensor) -> Tensor:
    """Pad with zeros, [V, D] -> [R, D], where R is a multiple of `ROWS_MULTIPLE`."""
    missing = -len(head_VD) % ROWS_MULTIPLE.get(head_VD.device.type, 1)
    return functional.pad(head_VD, (0, 0, 0, missing)) if missing else head_VD


def _chunks(head_VD: Tensor, *tensors_N: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the same few positions of each tensor, one chunk after another."""
    most = chunk_logits_bytes(on_cpu=head_VD.device.type == "cpu")
    rows = max(1, most // (4 * len(head_VD)))
    pieces = [tensor.split(rows) for tensor in tensors_N]  # type: ignore[no-untyped-call]
    return zip(*pieces, strict=True)


def cross_entropy(logits_NV: Tensor, tokens_N: Tensor) -> Tensor:
    """Return -ln softmax(logits)[token], computed in float32 from logits of any format, [N].

    One exponential forwards and none backwards, where torch's own pair of log-softmax and negative
    log-likelihood takes a second one and a gradient full of zeros. Both directions take 1.24 ms
    for 1024 x 2048 float32 logits, torch's own 1.99; without AVX-512 1.94 and 2.85; from bfloat16
    2.1 and 2.9, without AVX-512 2.6 and 3.6 (torch 2.13, one core).
    """
    if logits_NV.numel() < FEW_LOGITS:
        return functional.cross_entropy(logits_NV.float(), tokens_N, reduction="none")
    return _CrossEntropy.apply(logits_NV, tokens_N)  # type: ignore[no-untyped-call]


class _CrossEntropy(torch.autograd.Function):
    """Keeps the probabilities p; the gradient, grad * (p - 1 at the token), overwrites them.

    A second backward pass through one graph raises RuntimeError, because the first overwrote p.
    """

    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, tokens_N: Tensor) -> Tensor:
        probabilities_NV = logits_NV.softmax(dim=1, dtype=torch.float32)
        ctx.save_for_backward(probabilities_NV, tokens_N)
        ctx.logits_dtype = logits_NV.dtype
        of_token_N = probabilities_NV.gather(1, tokens_N[:, None])[:, 0]
        # On a GPU, reading the minimum would synchronise; torch.compile would break its graph.
        may_look = logits_NV.device.type == "cpu" and not torch.compiler.is_compiling()
        if may_look and of_token_N.min() >= LEAST:
            return -of_token_N.log()
        # ln sum exp = largest logit - ln(its probability), which is at least 1/V. This needs no
        # exponential and is exact where the token's own probability would underflow.
        behind_N = logits_NV.amax(1).float() - logits_NV.gather(1, tokens_N[:, None])[:, 0].float()
        return behind_N - probabilities_NV.amax(1).log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Tensor, None]:
        probabilities_NV, tokens_N = ctx.saved_tensors
        grad_NV = probabilities_NV.mul_(grad_N[:, None])
        grad_NV.scatter_add_(1, tokens_N[:, None], -grad_N[:, None])
        return grad_NV.to(ctx.logits_dtype), None
