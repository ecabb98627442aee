"""nanoGPT written out compactly, with fused attention: what one would use without a library.

A forward takes at most one patch, put in its place as the forward goes. As in nanoGPT, logits are of the last position
unless all are asked for, and dropout, while training, is on embeddings, attention and both writes to the residual stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from protocol import Case, Cell, Shape, Subject


@dataclass(frozen=True)
class Patch:
    """A value to put into one layer's `resid` `[example, pos, d_model]` or `z` `[example, pos, head, d_head]`."""

    name: str
    layer: int
    at: tuple[int | slice, ...]
    value: Tensor


def patch_of(kind: str, cell: Cell, clean: dict[tuple[str, int], Tensor]) -> Patch:
    """The patch that a cell stands for."""
    whole = slice(None)
    name, at = {
        "resid": lambda layer, pos: ("resid", (whole, pos)),
        "head": lambda layer, head: ("z", (whole, whole, head)),
        "head_pos": lambda layer, head, pos: ("z", (whole, pos, head)),
    }[kind](*cell)
    return Patch(name, cell[0], at, clean[name, cell[0]][at])


Show = Callable[[str, int, Tensor], None]


class Norm(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.n_embd))
        self.bias = nn.Parameter(torch.zeros(shape.n_embd)) if shape.bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.n_head, self.dropout = shape.n_head, dropout
        self.c_attn = nn.Linear(shape.n_embd, 3 * shape.n_embd, bias=shape.bias)
        self.c_proj = nn.Linear(shape.n_embd, shape.n_embd, bias=shape.bias)

    def forward(self, x: Tensor, layer: int, patch: Patch | None, show: Show | None) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for part in self.c_attn(x).chunk(3, dim=-1))
        dropped = self.dropout if self.training else 0.0
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropped).transpose(1, 2)
        written = self.c_proj(_placed("z", layer, z, patch, show).flatten(-2))
        return F.dropout(written, self.dropout, self.training)


class MLP(nn.Module):
    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.c_fc = nn.Linear(shape.n_embd, 4 * shape.n_embd, bias=shape.bias)
        self.c_proj = nn.Linear(4 * shape.n_embd, shape.n_embd, bias=shape.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.c_proj(F.gelu(self.c_fc(x))), self.dropout, self.training)


class Block(nn.Module):
    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.ln_1, self.attn = Norm(shape), Attention(shape, dropout)
        self.ln_2, self.mlp = Norm(shape), MLP(shape, dropout)

    def forward(self, x: Tensor, layer: int, patch: Patch | None = None, show: Show | None = None) -> Tensor:
        x = _placed("resid", layer, x, patch, show)
        x = x + self.attn(self.ln_1(x), layer, patch, show)
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(shape.vocab_size, shape.n_embd),
                "wpe": nn.Embedding(shape.block_size, shape.n_embd),
                "h": nn.ModuleList(Block(shape, dropout) for _ in range(shape.n_layer)),
                "ln_f": Norm(shape),
            }
        )
        self.lm_head = nn.Linear(shape.n_embd, shape.vocab_size, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight

    def forward(
        self, tokens: Tensor, patch: Patch | None = None, show: Show | None = None, every_position: bool = False
    ) -> Tensor:
        parts = self.transformer
        x = F.dropout(parts["wte"](tokens) + parts["wpe"].weight[: tokens.shape[1]], self.dropout, self.training)
        for layer, block in enumerate(parts["h"]):
            x = block(x, layer, patch, show)
        return self.lm_head(parts["ln_f"](x if every_position else x[:, -1]))


def _placed(name: str, layer: int, value: Tensor, patch: Patch | None, show: Show | None) -> Tensor:
    """The activation, shown to whoever keeps it, and patched where the patch belongs here."""
    if show is not None:
        show(name, layer, value)
    if patch is None or patch.layer != layer or patch.name != name:
        return value
    value = value.clone()
    value[patch.at] = patch.value
    return value


def build(case: Case, subject: Subject) -> GPT:
    """The subject's model."""
    with torch.device("meta"):
        model = GPT(case.shape, case.dropout)
    model.load_state_dict(subject.weights | {"lm_head.weight": subject.weights["transformer.wte.weight"]}, assign=True)
    return model.eval().to(torch.bfloat16 if case.precision == "bfloat16" else torch.float32)


def clean_activations(model: GPT, tokens: Tensor) -> dict[tuple[str, int], Tensor]:
    """What the patches are taken from."""
    found: dict[tuple[str, int], Tensor] = {}
    model(tokens, show=lambda name, layer, value: found.update({(name, layer): value}))
    return found
