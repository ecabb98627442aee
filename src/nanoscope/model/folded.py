"""Weight-space views of a model: norms folded into the weights, and the matrices of each head.

Folding the gain and bias of a norm into the matrices that read it, and centring all writes to the residual stream,
changes no log-probability and makes weights comparable across components (TransformerLens's `fold_ln`,
`center_writing_weights`, `center_unembed`; docs/methods/known_answers.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import Norm, per_head_reads, per_head_writes


@dataclass(frozen=True)
class HeadWeights:
    """Per-head matrices in the row convention (`q = x W_Q`), embedding and unembedding of a folded model."""

    W_Q: Float[Tensor, "layer head d_model d_head"]
    W_K: Float[Tensor, "layer head d_model d_head"]
    W_V: Float[Tensor, "layer head d_model d_head"]
    W_O: Float[Tensor, "layer head d_head d_model"]
    W_E: Float[Tensor, "vocab d_model"]
    W_U: Float[Tensor, "d_model vocab"]


def require_foldable(model: GPT) -> None:
    """Raise NanoscopeError where norms cannot be folded into weights."""
    if model.config.norm != "layer" or model.ln_f is None:
        raise NanoscopeError(
            "weight analysis needs layer norm in every block and before the unembedding, which this model does not have"
        )


def fold(model: GPT) -> GPT:
    """A new model with the same log-probabilities whose layer norms only centre and scale.

    Requires layer norms, including a final one. The result is untied and has biases; the given model is unchanged.
    """
    require_foldable(model)
    config = model.config
    folded = GPT(  # the position table is centred, after which sinusoids are no longer sinusoids
        replace(config, bias=True, tied_head=False, head_bias=True, positions="learned")
    ).to(model.device)
    folded.eval().requires_grad_(False)
    assert model.ln_f is not None
    with torch.no_grad():
        for name, parameter in folded.named_parameters():
            parameter.fill_(1.0 if ".ln_" in name and name.endswith("weight") else 0.0)
        folded.wte.weight.copy_(_centred(model.wte.weight))
        folded.wpe.weight.copy_(_centred(model.wpe.weight))
        for new, old in zip(folded.blocks, model.blocks, strict=True):
            _fold_reader(new.attn.c_attn, old.attn.c_attn, old.ln_1)
            _centre_writer(new.attn.c_proj, old.attn.c_proj)
            if new.mlp is not None and old.mlp is not None and old.ln_2 is not None:
                _fold_reader(new.mlp.c_fc, old.mlp.c_fc, old.ln_2)
                _centre_writer(new.mlp.c_proj, old.mlp.c_proj)
        _fold_reader(folded.lm_head, model.lm_head, model.ln_f)
        folded.lm_head.weight.sub_(folded.lm_head.weight.mean(dim=0))
        folded.lm_head.bias.sub_(folded.lm_head.bias.mean())
    return folded


def head_weights(model: GPT) -> HeadWeights:
    """The matrices of all heads, stacked over layers and heads, on the CPU. For comparisons pass a folded model."""
    heads = model.config.n_head
    reads = torch.stack([block.attn.c_attn.weight for block in model.blocks]).detach().cpu()
    writes = torch.stack([block.attn.c_proj.weight for block in model.blocks]).detach().cpu()
    embedding, unembedding = model.wte.weight.detach().cpu(), model.lm_head.weight.detach().cpu().T
    w_q, w_k, w_v = per_head_reads(reads, heads)
    return HeadWeights(w_q, w_k, w_v, per_head_writes(writes, heads), embedding, unembedding)


def _centred(weight: Tensor) -> Tensor:
    return weight - weight.mean(dim=-1, keepdim=True)


def _fold_reader(new: nn.Linear, old: nn.Linear, norm: Norm) -> None:
    """Fold `norm` into `new`: the gain scales the columns, the bias passes through the matrix, the rows are centred."""
    assert norm.weight is not None
    gained = old.weight * norm.weight
    new.weight.copy_(_centred(gained))
    bias = torch.zeros_like(new.bias) if old.bias is None else old.bias
    new.bias.copy_(bias if norm.bias is None else bias + old.weight @ norm.bias)


def _centre_writer(new: nn.Linear, old: nn.Linear) -> None:
    """Subtract from each write its mean over the residual axis, which every norm would subtract anyway."""
    new.weight.copy_(old.weight - old.weight.mean(dim=0))
    if old.bias is not None:
        new.bias.copy_(_centred(old.bias))
