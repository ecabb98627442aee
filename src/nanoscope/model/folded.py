"""Weight-space views of a model: norms folded into the weights, and the matrices of each head.

Folding the gain and bias of a norm into the matrices that read it, and centring all writes to the residual stream,
changes no log-probability and makes weights comparable across components (TransformerLens's `fold_ln`,
`center_writing_weights`, `center_unembed`; docs/methods/known_answers.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import Block, Norm, per_head_reads, per_head_writes


@dataclass(frozen=True)
class HeadWeights:
    """Per-head matrices in the row convention (`q = x W_Q`), embedding and unembedding of a folded model."""

    W_Q: Float[Tensor, "layer head d_model d_head"]
    W_K: Float[Tensor, "layer head d_model d_head"]
    W_V: Float[Tensor, "layer head d_model d_head"]
    W_O: Float[Tensor, "layer head d_head d_model"]
    W_E: Float[Tensor, "vocab d_model"]
    W_U: Float[Tensor, "d_model vocab"]


def fold(model: GPT) -> GPT:
    """A new model with the same log-probabilities whose norms before attention, MLP and unembedding only centre and scale.

    An RMS norm does not centre, so only its gain is folded; without a norm there is nothing to fold. Norms that come after
    an addition are part of the residual stream and stay as they are. The result is untied and has biases; the given model is
    unchanged.
    """
    config = model.config
    table = config.positions in ("learned", "sinusoid")  # a centred table of sinusoids is one of numbers
    positions = "learned" if table else config.positions
    folded = GPT(replace(config, bias=True, tied_head=False, head_bias=True, positions=positions)).to(model.device)
    folded.eval().requires_grad_(False)
    centred = _centred if _always_centred(config) else lambda weight, dim=-1: weight
    with torch.no_grad():
        for name, parameter in folded.named_parameters():
            parameter.fill_(1.0 if ".ln_" in name and name.endswith("weight") else 0.0)
        folded.wte.weight.copy_(centred(model.wte.weight))
        folded.wpe.weight.copy_(centred(model.wpe.weight))
        for new, old in zip(folded.blocks, model.blocks, strict=True):
            _fold_block(new, old, centred)
        _fold_reader(folded.lm_head, model.lm_head, model.ln_f)
        folded.lm_head.weight.sub_(folded.lm_head.weight.mean(dim=0))
        folded.lm_head.bias.sub_(folded.lm_head.bias.mean())
    return folded


def head_weights(model: GPT) -> HeadWeights:
    """The matrices of all heads, stacked over layers and heads, on the CPU. For comparisons pass a folded model."""
    heads = model.blocks[0].attn.heads
    reads = torch.stack([block.attn.c_attn.weight for block in model.blocks]).detach().cpu()
    writes = torch.stack([block.attn.c_proj.weight for block in model.blocks]).detach().cpu()
    embedding, unembedding = model.wte.weight.detach().cpu(), model.lm_head.weight.detach().cpu().T
    w_q, w_k, w_v = per_head_reads(reads, heads)
    return HeadWeights(w_q, w_k, w_v, per_head_writes(writes, model.config.n_head), embedding, unembedding)


def _always_centred(config: GPTConfig) -> bool:
    """Whether all that reads the residual stream subtracts its mean first, so that writes need none."""
    return config.norm == "layer" and config.norm_position == "pre" and config.final_norm


def _centred(weight: Tensor, dim: int = -1) -> Tensor:
    return weight - weight.mean(dim=dim, keepdim=True)


def _fold_block(new: Block, old: Block, centred: Callable[..., Tensor]) -> None:
    _fold_reader(new.attn.c_attn, old.attn.c_attn, old.ln_1)
    _write(new.attn.c_proj, old.attn.c_proj, centred)
    _keep_norm(new.ln_1, old.ln_1)
    if new.mlp is None or old.mlp is None or new.ln_2 is None or old.ln_2 is None:
        return
    _fold_reader(new.mlp.c_fc, old.mlp.c_fc, old.ln_2)
    if new.mlp.c_up is not None and old.mlp.c_up is not None:
        _fold_reader(new.mlp.c_up, old.mlp.c_up, old.ln_2)
    _write(new.mlp.c_proj, old.mlp.c_proj, centred)
    _keep_norm(new.ln_2, old.ln_2)


def _fold_reader(new: nn.Linear, old: nn.Linear, norm: Norm | None) -> None:
    """Fold the norm before `old` into `new`: the gain scales the columns, the bias passes through the matrix, and where the
    norm centres, the rows are centred."""
    new.weight.copy_(old.weight)
    if old.bias is not None:
        new.bias.copy_(old.bias)
    if norm is None or norm.weight is None or not norm.before:
        return
    gained = old.weight * norm.weight
    new.weight.copy_(_centred(gained) if norm.kind == "layer" else gained)
    if norm.bias is not None:
        new.bias.add_(old.weight @ norm.bias)


def _write(new: nn.Linear, old: nn.Linear, centred: Callable[..., Tensor]) -> None:
    """Subtract from each write its mean over the residual axis, if every norm would subtract it anyway."""
    new.weight.copy_(centred(old.weight, 0))
    if old.bias is not None:
        new.bias.copy_(centred(old.bias))


def _keep_norm(new: Norm, old: Norm) -> None:
    """A norm after an addition is not folded."""
    if not old.before and new.weight is not None and old.weight is not None:
        new.weight.copy_(old.weight)
        if new.bias is not None and old.bias is not None:
            new.bias.copy_(old.bias)
