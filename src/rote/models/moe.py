"""Define a mixture of experts: a Llama with several MLPs a block, a few of them chosen by a router.

The router chooses for each token. Sources: Shazeer et al. 2017 (arXiv 1701.06538); the router of
Mixtral, Jiang et al. 2024 (2401.04088); the balance loss of Fedus et al. 2021 (2101.03961),
equations 4 to 6.
Shapes: B batch, L positions, N tokens of all sequences, D width, M width of an expert's MLP,
E experts, A that a token goes through.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.core.checks import require_number, require_whole
from rote.models.contracts import StepFormat
from rote.models.llama import Llama


class Experts(nn.Module):
    """Sums the ``num_active`` experts with the largest router logits, weighted by their softmax.

    In training the gradient of ``balance`` x E x sum_e f_e p_e is added, where f_e is the share of
    choices that fall on an expert and p_e its mean probability; reported losses exclude it.
    """

    def __init__(
        self, *, width: int, mlp_width: int, num_experts: int, num_active: int, balance: float
    ) -> None:
        super().__init__()
        self.num_active, self.balance = num_active, balance
        self.router = nn.Linear(width, num_experts, bias=False)
        self.gate = nn.Parameter(torch.zeros(num_experts, mlp_width, width))
        self.expand = nn.Parameter(torch.zeros(num_experts, mlp_width, width))
        self.contract = nn.Parameter(torch.zeros(num_experts, width, mlp_width))
        # Experts of each token that are used instead of those with the largest shares.
        self.choices_NA: Tensor | None
        self.register_buffer("choices_NA", None, persistent=False)

    def forward(self, inputs_BLD: Tensor) -> Tensor:
        """[B, L, D] -> [B, L, D]."""
        inputs_ND = inputs_BLD.flatten(0, 1)
        shares_NE = self.router(inputs_ND).float().softmax(dim=-1)
        choices_NA = self.choices(shares_NE) if self.choices_NA is None else self.choices_NA
        chosen_NA = shares_NE.gather(-1, choices_NA)
        weights_NA = chosen_NA / chosen_NA.sum(dim=-1, keepdim=True)
        weights_NE = torch.zeros_like(shares_NE).scatter(-1, choices_NA, weights_NA)
        # Under vmap and in a CUDA graph, which the finish may record, no shape may depend on
        # values: all experts see all tokens.
        is_mapped = torch._C._are_functorch_transforms_active()
        mixed = self._of_chosen if self.choices_NA is None and not is_mapped else self._of_all
        mixed_ND = mixed(inputs_ND, weights_NE.to(inputs_ND.dtype))
        if self.training and self.balance:
            chosen_E = (weights_NE > 0).float().mean(dim=0)
            balance = self.balance * len(self.gate) * (chosen_E * shares_NE.mean(dim=0)).sum()
            mixed_ND = _WithLoss.apply(mixed_ND, balance)  # type: ignore[no-untyped-call]
        return mixed_ND.view(inputs_BLD.shape)

    def choices(self, shares_NE: Tensor) -> Tensor:
        """Return the experts with the largest shares, [N, A]."""
        return shares_NE.topk(self.num_active, dim=-1).indices

    def activation_bytes(self, step: StepFormat) -> float:
        """Bytes kept of a position: each expert's input, four times its width, its output twice.

        The router's input is one more. Under vmap every expert keeps them.
        """
        num_experts, mlp_width, width = self.gate.shape
        number = num_experts if step.has_own_weights else self.num_active
        of_expert = (step.cast_inputs(2) + 2) * width + 4 * mlp_width
        return (number * of_expert + width) * step.product_bytes

    def _of_all(self, inputs_ND: Tensor, weights_NE: Tensor) -> Tensor:
        gated_NEM = functional.silu(torch.einsum("nd,emd->nem", inputs_ND, self.gate))
        hidden_NEM = gated_NEM * torch.einsum("nd,emd->nem", inputs_ND, self.expand)
        return torch.einsum("nem,edm,ne->nd", hidden_NEM, self.contract, weights_NE)

    def _of_chosen(self, inputs_ND: Tensor, weights_NE: Tensor) -> Tensor:
        mixed_ND = torch.zeros_like(inputs_ND)
        for expert, weights_N in enumerate(weights_NE.unbind(dim=-1)):
            rows = weights_N.nonzero()[:, 0]
            tokens_RD = inputs_ND[rows]
            hidden_RM = functional.silu(tokens_RD @ self.gate[expert].T)
            made_RD = (hidden_RM * (tokens_RD @ self.expand[expert].T)) @ self.contract[expert].T
            mixed_ND = mixed_ND.index_add(0, rows, made_RD * weights_N[rows, None])
        return mixed_ND


class Moe(Llama):
    """Has Llama's P with E MLPs of width ``mlp_width`` and a router of E D weights in each block.

    Raises ValueError for a size that cannot be built.
    """

    def __init__(
        self, *, num_experts: int, num_active: int, balance: float, **llama: Any
    ) -> None:  # fmt: skip
        require_whole("model.num_experts", num_experts, 1)
        require_whole("model.num_active", num_active, 1, num_experts)
        require_number("model.balance", balance, 0)
        self.num_experts, self.num_active, self.balance = num_experts, num_active, balance
        super().__init__(**llama)

    @property
    def active_parameters(self) -> int:
        """The number of parameters without those of the experts that a token does not use."""
        idle = self.num_experts - self.num_active
        width = self.token_embedding.embedding_dim
        of_experts = len(self.blocks) * idle * 3 * width * self.mlp_width
        return sum(one.numel() for one in self.parameters()) - of_experts

    def make_mlp(self, width: int) -> nn.Module:
        """Return the experts of one block."""
        return Experts(
            width=width,
            mlp_width=self.mlp_width,
            num_experts=self.num_experts,
            num_active=self.num_active,
            balance=self.balance,
        )


class _WithLoss(torch.autograd.Function):
    """Returns its first argument; backwards adds the gradient of the second, a loss."""

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, loss: Tensor) -> Tensor:
        # No view: torch.compile would take it of the input anew, and leave `backward` out (2.11).
        return values.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.loss_dtype = inputs[1].dtype

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, torch.ones((), dtype=ctx.loss_dtype, device=gradient.device)
