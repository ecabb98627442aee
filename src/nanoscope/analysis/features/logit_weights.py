"""Logit weights: what a unit of a feature adds to every logit by its direct path, beside the mean logit.

The feature's direction is taken to the residual stream (through the output weights of heads or the MLP where it lives before
them) and through the unembedding of the folded model, the final norm's scale taken as 1. Later layers are left out: a feature
of a low layer may act through them alone.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.dictionaries.source import Source
from nanoscope.errors import NanoscopeError
from nanoscope.model.folded import fold
from nanoscope.model.gpt import GPT


def written(model: GPT, source: Source, directions: Float[Tensor, "feature d"]) -> Float[Tensor, "feature d_model"]:
    """What directions of a source's target add to the residual stream."""
    block, site = model.blocks[source.layer], source.site
    if site.name == "z":
        weight = block.attn.c_proj.weight if site.head is None else block.attn.W_O[site.head].T
        return directions @ weight.T
    if site.name == "post":
        assert block.mlp is not None
        return directions @ block.mlp.c_proj.weight.T
    return directions


def logit_weights(model: GPT, source: Source, directions: Float[Tensor, "feature d"]) -> Float[Tensor, "feature vocab"]:
    """Logits per unit of each feature. NanoscopeError where norms come after additions: there is no direct path."""
    if model.config.norm_position == "post":
        raise NanoscopeError("the model's norms come after additions, so a feature has no direct path to the logits")
    with torch.no_grad():
        return written(model, source, directions) @ fold(model).lm_head.weight.T
