"""Compare a model with transformers' own on the same weights: logits, loss and every gradient."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rote.models.likelihood import token_nats

Weights = Mapping[str, Tensor]
LLAMA_NAMES = {  # Mixtral's are the same but for the experts
    "token_embedding": "model.embed_tokens", "final_norm": "model.norm",
    "unembedding": "lm_head", "blocks.": "model.layers.", "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj", "attention.value": "self_attn.v_proj",
    "attention.project": "self_attn.o_proj", "attention_norm": "input_layernorm",
    "mlp_norm": "post_attention_layernorm", "mlp.gate": "mlp.gate_proj",
    "mlp.expand": "mlp.up_proj", "mlp.contract": "mlp.down_proj",
}  # fmt: skip


def noisy(model: Any, by: float = 0.1) -> Any:
    """The model with noise on all weights: biases are not 0, norms not 1."""
    for parameter in model.parameters():
        parameter.data += by * torch.randn_like(parameter)
    return model


def renamed(weights: Weights, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Under their names; ``names`` maps parts of ours to parts of theirs."""
    own = {}
    for name, weight in weights.items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        own[name] = weight
    return own


def with_weights(theirs: nn.Module, weights: Weights) -> nn.Module:
    """Theirs with all of these weights, which leave out no other than a tied head."""
    missing, unexpected = theirs.load_state_dict(weights, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    theirs.tie_weights()
    return theirs.eval()


def require_same(
    model: nn.Module,
    theirs: nn.Module,
    tokens_BL: Tensor,
    in_their_names: Callable[[Weights], Weights],
) -> None:
    """Raises AssertionError where logits, loss or a gradient differ."""
    logits_BLV = theirs(input_ids=tokens_BL, use_cache=False).logits
    torch.testing.assert_close(model(tokens_BL), logits_BLV, atol=1e-5, rtol=1e-5)
    inputs_BL = torch.cat([torch.zeros_like(tokens_BL[:, :1]), tokens_BL[:, :-1]], dim=1)
    loss = nn.functional.cross_entropy(
        theirs(input_ids=inputs_BL, use_cache=False).logits.flatten(0, 1), tokens_BL.flatten()
    )
    loss.backward()
    ours = token_nats(model, tokens_BL).mean()
    ours.backward()
    torch.testing.assert_close(ours, loss, atol=1e-6, rtol=1e-5)
    wanted = {name: weight.grad for name, weight in theirs.named_parameters()}
    made = in_their_names({name: weight.grad for name, weight in model.named_parameters()})
    assert made
    for name, gradient in made.items():
        torch.testing.assert_close(gradient, wanted[name], atol=1e-6, rtol=1e-4)


def require_same_steps(model: Any, tokens_BL: Tensor, ends: Sequence[int]) -> list[Any]:
    """Raises AssertionError where reading on, from each end to the next, differs from reading all.

    Returns what the model keeps then.
    """
    pasts = model.pasts()
    steps = [model.read(piece, pasts) for piece in tokens_BL.tensor_split(list(ends), dim=1)]
    torch.testing.assert_close(torch.cat(steps, dim=1), model.hidden(tokens_BL))
    return list(pasts)
