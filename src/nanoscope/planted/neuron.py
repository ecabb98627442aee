"""A neuron whose function is known: a detector of one token, written into any model with MLPs.

The detector's direction u solves e_t . u = 1 for its token and 0 for all others, over the token embeddings (centred, if the
norms centre). Positions, attention and earlier MLPs are made to write nothing along u, so the neuron reads only the token.
A norm divides by a positive number, which cannot change a sign: the neuron is active exactly on its token, in any layer.
In a gated MLP both factors of the neuron read the same.

It writes either the direction that raises only one token's logit, or nothing; then ablating it changes nothing.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT, with_learned_positions
from nanoscope.model.modules import Norm

GAIN = 20.0
TOLERANCE = 1e-3


def plant_detector(
    model: GPT, token: int, layer: int, neuron: int, promotes: int | None = None, write: float = 1.0
) -> GPT:
    """A copy of the model in which one neuron of a layer is active only on `token` and raises the logit of token `promotes`.

    Raises NanoscopeError for a model without MLPs or with norms after additions, or if no direction is the token's alone.
    """
    if reason := not_plantable(model.config):
        raise NanoscopeError(reason)
    changed = copy.deepcopy(model) if model.config.positions == "rotary" else with_learned_positions(model)
    block = changed.blocks[layer]
    assert block.mlp is not None
    assert block.ln_2 is not None
    with torch.no_grad():
        u = _alone(_as_read(model.wte.weight, block.ln_2), token, "embedding")
        _clear(changed, layer, u / u.norm())
        for reader in (block.mlp.c_fc, block.mlp.c_up):
            if reader is not None:
                _read(reader, block.ln_2, neuron, u)
        block.mlp.c_proj.weight[:, neuron] = 0.0 if promotes is None else write * _raising(changed, promotes)
    return changed


def not_plantable(config: GPTConfig) -> str:
    """Why no detector can be written into a model of this shape; "" if one can."""
    if config.attention_only:
        return "the model is attention-only, so no neuron can be planted in it; use a model with MLPs"
    if config.norm_position == "post":
        return "the model's norms come after additions and mix all directions, so no neuron can be planted in it"
    return ""


def _as_read(table: Float[Tensor, "token d_model"], norm: Norm) -> Float[Tensor, "token d_model"]:
    """The rows as a norm hands them on, but for their length and its gain."""
    return table - table.mean(dim=1, keepdim=True) if norm.kind == "layer" else table


def _alone(table: Float[Tensor, "token d_model"], token: int, name: str) -> Float[Tensor, "d_model"]:
    """The shortest vector whose product with the row of `token` is 1, and with every other row 0."""
    rows = table.double()
    wanted = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    wanted[token] = 1
    solution = torch.linalg.pinv(rows, rtol=1e-6) @ wanted
    if (rows @ solution - wanted).abs().max() > TOLERANCE:
        raise NanoscopeError(f"the {name} has no direction for token {token} alone; use a wider model")
    return solution.to(table.dtype)


def _clear(model: GPT, layer: int, unit: Float[Tensor, "d_model"]) -> None:
    """Let only the token embedding write along this direction before the neurons of `layer`."""
    model.wpe.weight.sub_(torch.outer(model.wpe.weight @ unit, unit))
    writers = [block.attn.c_proj for block in model.blocks[: layer + 1]]
    writers += [block.mlp.c_proj for block in model.blocks[:layer] if block.mlp is not None]
    for writer in writers:
        writer.weight.sub_(torch.outer(unit, unit @ writer.weight))
        if writer.bias is not None:
            writer.bias.sub_((writer.bias @ unit) * unit)


def _read(c_fc: nn.Linear, norm: Norm, neuron: int, u: Float[Tensor, "d_model"]) -> None:
    """Make the neuron read along u: its input weights undo the norm's gain, and its bias (if any) the norm's bias."""
    row = GAIN * (u if norm.weight is None else u / norm.weight)
    c_fc.weight[neuron] = row
    if c_fc.bias is not None:
        c_fc.bias[neuron] = 0.0 if norm.bias is None else -(norm.bias @ row)


def _raising(model: GPT, token: int) -> Float[Tensor, "d_model"]:
    """The direction that raises the logit of one token only, given the final norm's gain."""
    gain = 1.0 if model.ln_f is None or model.ln_f.weight is None else model.ln_f.weight
    rows = model.lm_head.weight * gain
    return _alone(rows if model.ln_f is None else _as_read(rows, model.ln_f), token, "unembedding")
