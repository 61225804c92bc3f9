"""Draw sequences from a model, as an attacker who looks for training data does.

Source: Carlini et al. 2021 (arXiv 2012.07805), sections 4 and 5.1: top-n sampling, a temperature
that decays over the first tokens, and prompts of text from elsewhere. Shapes: N sequences, B batch,
P tokens of a prompt, L tokens of a sequence with its prompt, S of a continuation, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from rote.core.checks import require_whole
from rote.measures.sampling import Sampler
from rote.models.decoder import sequences_at_once, token_reader


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A sampler, optionally hotter at first and after a prompt; raises ValueError."""

    sampler: Sampler
    first_temperature: float | None  # None: the sampler's own from the first token on
    decay_tokens: int  # over which the temperature falls to the sampler's own, linearly
    prompt_tokens: int  # from a text that is not training data

    def __post_init__(self) -> None:
        require_whole("decay_tokens", self.decay_tokens, 0)
        require_whole("prompt_tokens", self.prompt_tokens, 0)
        if self.first_temperature is not None:
            if self.decay_tokens == 0:
                raise ValueError("first_temperature needs decay_tokens of 1 or more")
            replace(self.sampler, temperature=self.first_temperature)  # raises if invalid

    def sampler_at(self, position: int) -> Sampler:
        """Return the sampler of the token at this position, counted from the end of the prompt."""
        if self.first_temperature is None or position >= self.decay_tokens:
            return self.sampler
        last = self.sampler.temperature
        share = position / self.decay_tokens
        temperature = self.first_temperature + share * (last - self.first_temperature)
        return replace(self.sampler, temperature=temperature)


@torch.inference_mode()
def drawn(
    model: nn.Module, prompts_NP: Tensor, uniform_NS: Tensor, drawing: Drawing, *, vocab_size: int
) -> Tensor:
    """Return prompts followed by what the model samples, int64 [N, L] with L = P + S.

    ``uniform_NS`` is float64 from [0, 1). Each number decides one token, so a sequence does not
    depend on those that are drawn beside it. Call it inside the model's precision context.
    """
    length = prompts_NP.shape[1] + uniform_NS.shape[1]
    size = sequences_at_once(model, length=length, vocab_size=vocab_size)
    parts = zip(prompts_NP.split(size), uniform_NS.split(size), strict=True)  # type: ignore[no-untyped-call]
    return torch.cat(
        [
            torch.cat([prompts_BP, *_continued(model, prompts_BP, uniform_BS, drawing)], dim=1)
            for prompts_BP, uniform_BS in parts
        ]
    )


def _continued(
    model: nn.Module, prompts_BP: Tensor, uniform_BS: Tensor, drawing: Drawing
) -> Iterator[Tensor]:
    """Yield one sampled token after another, [B, 1] each."""
    decoder = token_reader(model)
    read_BL = prompts_BP
    for position in range(uniform_BS.shape[1]):
        logits_BV = decoder.read(read_BL)
        log_p_BV = drawing.sampler_at(position).log_probabilities(logits_BV)
        read_BL = _chosen(log_p_BV, uniform_BS[:, position : position + 1])
        yield read_BL


def _chosen(log_p_BV: Tensor, uniform_B1: Tensor) -> Tensor:
    """Return the first token at which the cumulative probability exceeds the uniform number."""
    total_BV = log_p_BV.double().exp().cumsum(dim=1)
    reached_B1 = uniform_B1 * total_BV[:, -1:]
    # Rounding may push the product up to the whole sum, which would select past the last token.
    return torch.searchsorted(total_BV, reached_B1, right=True).clamp(max=total_BV.shape[1] - 1)
