"""Direct logit attribution (Elhage et al. 2021): the direct effect of a write to the residual stream on the logits.

The scale of the final norm is held at its value; the rest is linear.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, einsum, zeros

from nanoscope.model.arithmetic import norm_frozen
from nanoscope.model.gpt import GPT


def head_writes(model: GPT, z: Float[Tensor, "batch pos head d_head"], layer: int) -> Tensor:
    """Output of each head of a layer to the residual stream, `[batch, pos, head, d_model]`, without biases."""
    return einsum("bphk,hkd->bphd", z, model.blocks[layer].attn.W_O)


def logit_direction(
    model: GPT, answer: Int[Tensor, "*any"], wrong: Int[Tensor, "*any"] | None = None
) -> tuple[Float[Tensor, "*any d_model"], Float[Tensor, "*any"]]:
    """Direction and bias that map the normalised residual stream to a logit difference: the answer's logit minus the
    wrong answer's, or minus the mean over the vocabulary if `wrong` is None."""
    weight, bias = model.lm_head.weight, model.lm_head.bias
    bias = zeros(len(weight), device=weight.device) if bias is None else bias
    if wrong is None:
        return weight[answer] - weight.mean(0), bias[answer] - bias.mean()
    return weight[answer] - weight[wrong], bias[answer] - bias[wrong]


def direct_effect(
    model: GPT,
    write: Float[Tensor, "*any d_model"],
    stream: Float[Tensor, "*any d_model"],
    direction: Float[Tensor, "*any d_model"],
) -> Float[Tensor, "*any"]:
    """Contribution of one write to the final residual stream along a direction from `logit_direction`."""
    read = write if model.ln_f is None else norm_frozen(write, stream, model.ln_f)
    return (read * direction).sum(-1)
