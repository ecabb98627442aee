"""A GPT with nanoGPT's parameter names, and its forward pass.

Activations are read and changed by a `Tap`, an object passed to `forward`. No hook is attached to any module.

Source: Radford et al. 2019 (GPT-2); karpathy/nanoGPT for names, initialisation and dropout.
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nanoscope.errors import NanoscopeError
from nanoscope.model.arithmetic import (
    attend,
    mix,
    mlp_out,
    mlp_post,
    mlp_pre,
    mlp_pre_linear,
    norm,
    norm_after,
    norm_before,
    out,
    pattern,
    qkv,
    scores,
    visible_causally,
)
from nanoscope.model.config import GPTConfig
from nanoscope.model.dropout import drop
from nanoscope.model.modules import MLP, Block, Norm
from nanoscope.model.positions import FixedTable, position_table
from nanoscope.seeds import seed_for


@runtime_checkable
class Tap(Protocol):
    """Receives the activations of `GPT.forward`. The model continues with the value that it returns."""

    def wants(self, name: str, layer: int | None) -> bool: ...
    def __call__(self, name: str, layer: int | None, value: Tensor) -> Tensor: ...


class GPT(nn.Module):
    """nanoGPT's module, parameter by parameter; `forward` returns the logits at every position."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": position_table(config),
                "h": nn.ModuleList(Block(config) for _ in range(config.n_layer)),
            }
        )
        if config.final_norm:
            self.transformer["ln_f"] = Norm(config, final=True)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=config.head_bias)
        if config.tied_head:
            self.wte.weight = self.lm_head.weight
        self._initialise()

    def _initialise(self) -> None:
        """GPT-2's: normal with std 0.02; residual projections divide it by the square root of their number."""
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * self.config.n_layer))
            elif name.endswith(".bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() >= 2:
                nn.init.normal_(parameter, std=0.02)

    @property
    def wte(self) -> nn.Embedding:
        return self.transformer["wte"]  # pyright: ignore[reportReturnType]

    @property
    def wpe(self) -> nn.Embedding | FixedTable:
        return self.transformer["wpe"]  # pyright: ignore[reportReturnType]

    @property
    def blocks(self) -> list[Block]:
        return list(self.transformer["h"])  # pyright: ignore[reportArgumentType, reportReturnType]

    @property
    def ln_f(self) -> Norm | None:
        return self.transformer["ln_f"] if self.config.final_norm else None  # pyright: ignore[reportReturnType]

    @property
    def parameter_count(self) -> int:
        """Number of distinct parameters: a tied embedding counts once, learned positions count."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        return self.wte.weight.device

    def forward(
        self, tokens: Int[Tensor, "batch pos"], tap: Tap | None = None, first: int = 0
    ) -> Float[Tensor, "batch pos vocab"]:
        """Logits at all positions, of which the tokens' first is number `first`. (A tap may add the keys and values of earlier
        ones.) Raises NanoscopeError for more tokens than the context holds."""
        if first + tokens.shape[1] > self.config.block_size:
            raise NanoscopeError(
                f"{first + tokens.shape[1]} tokens do not fit the model's context of {self.config.block_size}; "
                "shorten the text"
            )
        x = self.embed(tokens, tap, first)
        for layer, block in enumerate(self.blocks):
            x = self.block(x, layer, block, tap, first)
        return self.unembed(x, tap)

    def embed(
        self, tokens: Int[Tensor, "batch pos"], tap: Tap | None = None, first: int = 0
    ) -> Float[Tensor, "batch pos d_model"]:
        """Token plus position embeddings; the tokens' first position is number `first`."""
        embed = tapped("embed", None, self.wte(tokens), tap)
        positions = self.wpe.weight[first : first + tokens.shape[1]].expand_as(embed)
        return self._drop(embed + tapped("pos_embed", None, positions, tap))

    def block(
        self, x: Tensor, layer: int, block: Block, tap: Tap | None, first: int = 0
    ) -> Float[Tensor, "batch pos d_model"]:
        """One layer: attention, then (or, in parallel blocks, at once) the MLP, each added to the residual stream."""
        x = tapped("resid_pre", layer, x, tap)
        z = tapped("z", layer, self._heads(x, layer, block, tap, first), tap)
        attn_out = tapped("attn_out", layer, self._drop(out(z, block.attn)), tap)
        mid = norm_after(x + attn_out, block.ln_1)
        if block.mlp is not None and block.ln_2 is not None:
            mid = mid if self.config.parallel else tapped("resid_mid", layer, mid, tap)
            read = norm_before(x if self.config.parallel else mid, block.ln_2)
            written = tapped("mlp_out", layer, self._drop(self._mlp(read, layer, block.mlp, tap)), tap)
            mid = norm_after(mid + written, block.ln_2)
        return tapped("resid_post", layer, mid, tap)

    def _mlp(self, read: Tensor, layer: int, mlp: MLP, tap: Tap | None) -> Float[Tensor, "batch pos d_model"]:
        pre = tapped("pre", layer, mlp_pre(read, mlp), tap)
        linear = None if mlp.c_up is None else tapped("pre_linear", layer, mlp_pre_linear(read, mlp), tap)
        return mlp_out(tapped("post", layer, mlp_post(pre, mlp, linear), tap), mlp)

    def _heads(
        self, x: Tensor, layer: int, block: Block, tap: Tap | None, first: int
    ) -> Float[Tensor, "batch pos head d_head"]:
        positions = torch.arange(first, first + x.shape[1], device=x.device)
        q, k, v = (
            tapped(name, layer, value, tap)
            for name, value in zip("qkv", qkv(norm_before(x, block.ln_1), block.attn, positions), strict=True)
        )
        dropout = self.config.dropout if self.training else 0.0
        fused = not dropout or x.device.type != "cpu"  # a CPU has no fused kernel with dropout
        if fused and (tap is None or not (tap.wants("scores", layer) or tap.wants("pattern", layer))):
            return attend(q, k, v, block.attn, dropout=dropout)
        raw = tapped("scores", layer, scores(q, k, block.attn), tap)
        probabilities = pattern(raw, visible_causally(raw.shape[-2], raw.shape[-1], raw.device))
        return mix(self._drop(tapped("pattern", layer, probabilities, tap)), v)

    def unembed(self, x: Float[Tensor, "*any d_model"], tap: Tap | None = None) -> Float[Tensor, "*any vocab"]:
        """Final norm and unembedding of a residual stream."""
        final = x if self.ln_f is None else norm(x, self.ln_f)
        return self.lm_head(tapped("ln_final", None, final, tap))

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.config.dropout) if self.training else x


def with_learned_positions(model: GPT) -> GPT:
    """A copy whose position table is a parameter with the same values, so that it can be changed. NanoscopeError for rotary
    positions, which are no table."""
    if model.config.positions == "rotary":
        raise NanoscopeError("the model rotates its queries and keys by position, so it has no table of positions")
    copied = copy.deepcopy(model)
    copied.config = replace(model.config, positions="learned")
    copied.transformer["wpe"] = nn.Embedding.from_pretrained(
        model.wpe.weight.detach().clone(), freeze=not model.wte.weight.requires_grad
    )
    return copied


def tapped(name: str, layer: int | None, value: Tensor, tap: Tap | None) -> Tensor:
    """The value, or its replacement by the tap."""
    return value if tap is None or not tap.wants(name, layer) else tap(name, layer, value)


def untrained(model: GPT, *labels: object) -> GPT:
    """An untrained model of the same shape, as a control; the labels seed its initialisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(*labels))
        return GPT(model.config).eval().requires_grad_(False)
