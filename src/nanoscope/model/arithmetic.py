"""The arithmetic of a transformer block: pure functions of values and the block's weights, defined only here.

Token-wise functions accept any leading axes. `GPT.forward`, the replay engine and the factored forward all call these
functions.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from nanoscope.model.modules import MLP, Attention, Norm, for_each_query
from nanoscope.model.positions import rotated

ACTIVATIONS = {
    "gelu": (F.gelu, torch.ops.aten.gelu_),
    "gelu_tanh": (partial(F.gelu, approximate="tanh"), partial(torch.ops.aten.gelu_, approximate="tanh")),
    "relu": (F.relu, torch.relu_),
    "relu2": (lambda x: F.relu(x).square(), lambda x: torch.relu_(x).square_()),
    "silu": (F.silu, torch.ops.aten.silu_),
}
"""Each activation function, and its in-place version."""


def norm(x: Float[Tensor, "*any d_model"], weights: Norm) -> Float[Tensor, "*any d_model"]:
    """Layer norm (Ba et al. 2016), RMS norm (Zhang & Sennrich 2019) or nothing, over the last axis."""
    if weights.kind == "layer":
        return F.layer_norm(x, x.shape[-1:], weights.weight, weights.bias, weights.eps)
    return F.rms_norm(x, x.shape[-1:], weights.weight, weights.eps) if weights.kind == "rms" else x


def norm_before(x: Float[Tensor, "*any d_model"], weights: Norm) -> Float[Tensor, "*any d_model"]:
    """What attention or an MLP reads: the residual stream, normalised unless the block's norms come after additions."""
    return norm(x, weights) if weights.before else x


def norm_after(x: Float[Tensor, "*any d_model"], weights: Norm) -> Float[Tensor, "*any d_model"]:
    """The residual stream after a part was added to it: normalised in a block whose norms come after."""
    return x if weights.before else norm(x, weights)


def norm_frozen(
    part: Float[Tensor, "*any d_model"], whole: Float[Tensor, "*any d_model"], weights: Norm
) -> Float[Tensor, "*any d_model"]:
    """Contribution of `part` to `norm(whole)`, where whole = part + ...; the scale is held fixed, the bias left out."""
    if weights.kind == "none":
        return part
    gain = 1.0 if weights.weight is None else weights.weight
    if weights.kind == "rms":
        return part * gain / norm_scale(whole, weights)
    return (part - part.mean(-1, keepdim=True)) / norm_scale(whole, weights) * gain


def norm_scale(x: Float[Tensor, "*any d_model"], weights: Norm) -> Float[Tensor, "*any 1"]:
    """The divisor that a norm applies to each vector; 1 without one."""
    if weights.kind == "none":
        return torch.ones_like(x[..., :1])
    if weights.kind == "rms":
        return (x.square().mean(-1, keepdim=True) + (weights.eps or 0.0)).sqrt()
    return (x.var(-1, keepdim=True, correction=0) + weights.eps).sqrt()


def qkv(
    x: Float[Tensor, "*any d_model"], attn: Attention, positions: Int[Tensor, "#*any"], first: int = 0, end: int = 3
) -> tuple[Tensor, ...]:
    """Queries, keys and values of every head, each `[*any, head, d_head]`, from what attention reads.

    Computes only those with index `first` up to, not including, `end`. Rotary queries and keys are rotated by their
    `positions`, and shared keys and values repeated, so that all that follows need not know of either.
    """
    begin = sum(attn.heads[:first]) * attn.d_head
    rows = slice(begin, begin + sum(attn.heads[first:end]) * attn.d_head)
    bias = None if attn.c_attn.bias is None else attn.c_attn.bias[rows]
    joint = F.linear(x, attn.c_attn.weight[rows], bias).unflatten(-1, (-1, attn.d_head))
    parts = joint.split(list(attn.heads[first:end]), dim=-2)
    turned = (
        part if attn.rotation is None or which == 2 else rotated(part, attn.rotation, positions)
        for which, part in enumerate(parts, first)
    )
    return tuple(for_each_query(part, attn.n_head, -2) for part in turned)


def qkv_apart(
    x: Float[Tensor, "3 head *any d_model"], attn: Attention, positions: Int[Tensor, "#*any"]
) -> tuple[Tensor, ...]:
    """`qkv` where the query, key and value of each head read a stream of their own (the factored forward)."""
    weights = torch.stack([attn.W_Q, attn.W_K, attn.W_V])
    found = torch.einsum("wh...d,whdk->w...hk", x, weights)
    if attn.c_attn.bias is not None:
        found = found + torch.stack(_biases(attn.c_attn.bias, attn)).reshape(3, *[1] * (x.dim() - 3), attn.n_head, -1)
    q, k, v = found
    return (
        (q, k, v)
        if attn.rotation is None
        else (rotated(q, attn.rotation, positions), rotated(k, attn.rotation, positions), v)
    )


def qkv_of_head(
    x: Float[Tensor, "*any d_model"], attn: Attention, positions: Int[Tensor, "#*any"], which: int, head: int
) -> Float[Tensor, "*any d_head"]:
    """The query (`which` 0), key (1) or value (2) of one head, from what it reads."""
    group = head * attn.heads[which] // attn.n_head
    begin = (sum(attn.heads[:which]) + group) * attn.d_head
    rows = slice(begin, begin + attn.d_head)
    bias = None if attn.c_attn.bias is None else attn.c_attn.bias[rows]
    found = F.linear(x, attn.c_attn.weight[rows], bias)
    return (
        found
        if attn.rotation is None or which == 2
        else rotated(found[..., None, :], attn.rotation, positions)[..., 0, :]
    )


def visible_causally(queries: int, keys: int, device: torch.device | None = None) -> Bool[Tensor, "query key"]:
    """Which keys each query may attend to, when the queries are the last `queries` of `keys` positions."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def scores(
    q: Float[Tensor, "batch query head d_head"], k: Float[Tensor, "batch key head d_head"], attn: Attention
) -> Float[Tensor, "batch head query key"]:
    """Scaled dot products before the causal mask. They are finite everywhere, so they can be averaged and patched."""
    return (q * attn.scale).transpose(1, 2) @ k.permute(0, 2, 3, 1)


def pattern(
    scores: Float[Tensor, "batch head query key"], visible: Bool[Tensor, "query key"]
) -> Float[Tensor, "batch head query key"]:
    """Attention probabilities: softmax of the scores over the visible keys of each query."""
    return (scores + torch.where(visible, 0.0, -math.inf).to(scores)).softmax(dim=-1)


def mix(
    pattern: Float[Tensor, "batch head query key"], v: Float[Tensor, "batch key head d_head"]
) -> Float[Tensor, "batch query head d_head"]:
    """Each head's `z`: the average of the values, weighted by the attention pattern."""
    return (pattern @ v.transpose(1, 2)).transpose(1, 2)


def attend(
    q: Float[Tensor, "batch query head d_head"],
    k: Float[Tensor, "batch key head d_head"],
    v: Float[Tensor, "batch key head d_head"],
    attn: Attention,
    visible: Bool[Tensor, "query key"] | None = None,
    dropout: float = 0.0,
) -> Float[Tensor, "batch query head d_head"]:
    """`mix(pattern(scores(q, k), visible), v)` in one fused kernel; `visible=None` means causal attention."""
    heads_first = (q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    z = F.scaled_dot_product_attention(
        *heads_first, attn_mask=visible, dropout_p=dropout, is_causal=visible is None, scale=attn.scale
    )
    return z.transpose(1, 2)


def attend_part(
    q: Float[Tensor, "batch query head d_head"],
    k: Float[Tensor, "batch key head d_head"],
    v: Float[Tensor, "batch key head d_head"],
    attn: Attention,
    visible: Bool[Tensor, "query key"] | None = None,
    causal: bool = False,
) -> tuple[Float[Tensor, "batch query head d_head"], Float[Tensor, "batch query head"]]:
    """Attention over a subset of the keys: `z`, and the log-sum-exp of the scores, which weights this subset in the whole.

    Without `visible` every query sees every key; each query must see at least one. `causal` is the faster way to ask for
    the lower triangle.
    """
    if q.device.type == "cpu":  # the kernel behind scaled_dot_product_attention; it returns both
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        heads_first = (q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        added = None if visible is None else torch.where(visible, 0.0, -math.inf).to(q)
        z, mass = fused(*heads_first, 0.0, causal, attn_mask=added, scale=attn.scale)
        return z.transpose(1, 2), mass.transpose(1, 2)
    visible = visible_causally(q.shape[1], k.shape[1], q.device) if causal else visible
    raw = scores(q, k, attn)
    raw = raw if visible is None else raw.masked_fill(~visible, -math.inf)
    return mix(raw.softmax(dim=-1), v), raw.logsumexp(dim=-1).transpose(1, 2)


def attend_through(
    q: Float[Tensor, "batch query head d_head"],
    x: Float[Tensor, "batch key d_model"],
    attn: Attention,
    visible: Bool[Tensor, "query key"] | None = None,
) -> tuple[Float[Tensor, "batch query head d_head"], Float[Tensor, "batch query head"]]:
    """`attend_part` over the keys and values of `x`, the normalised residual stream, without computing them.

    The score is (x W_k) . q = x . (W_k q), and the mixed values are sum(a x) W_v. For few queries and many keys this is
    far less work (the weight absorption of DeepSeek-AI 2024). Not for rotary positions, where W_k depends on the key's.
    """
    heads = attn.n_head
    b_k, b_v = (None, None) if attn.c_attn.bias is None else _biases(attn.c_attn.bias, attn)[1:]
    absorbed = torch.einsum("bqhk,hdk->bhqd", q, attn.W_K)
    raw = (absorbed.flatten(1, 2) @ x.mT).unflatten(1, (heads, -1))
    raw = raw if b_k is None else raw + torch.einsum("bqhk,hk->bhq", q, b_k)[..., None]
    raw = raw * attn.scale
    raw = raw if visible is None else raw.masked_fill(~visible, -math.inf)
    mixed = (raw.softmax(dim=-1).flatten(1, 2) @ x).unflatten(1, (heads, -1))
    z = torch.einsum("bhqd,hdk->bqhk", mixed, attn.W_V)
    return (z if b_v is None else z + b_v), raw.logsumexp(dim=-1).transpose(1, 2)


def _biases(bias: Float[Tensor, "qkv"], attn: Attention) -> list[Float[Tensor, "head d_head"]]:
    """The biases of queries, keys and values, for every head."""
    parts = bias.unflatten(0, (-1, attn.d_head)).split(list(attn.heads))
    return [for_each_query(part, attn.n_head, 0) for part in parts]


def share_of_second(first: Float[Tensor, "*any"], second: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The second part's share of the attention weight, from the log-sum-exps of two disjoint sets of keys."""
    return torch.sigmoid(second - first)


def out(z: Float[Tensor, "*any head d_head"], attn: Attention) -> Float[Tensor, "*any d_model"]:
    """The output of all heads, added to the residual stream (with the layer's output bias, if it has one)."""
    return attn.c_proj(z.flatten(-2))


def mlp_pre(x: Float[Tensor, "*any d_model"], mlp: MLP) -> Float[Tensor, "*any neuron"]:
    """Neurons before the activation function, from the normalised residual stream."""
    return mlp.c_fc(x)


def mlp_pre_linear(x: Float[Tensor, "*any d_model"], mlp: MLP) -> Float[Tensor, "*any neuron"]:
    """The linear factor of the neurons of a gated MLP."""
    assert mlp.c_up is not None
    return mlp.c_up(x)


def mlp_post(
    pre: Float[Tensor, "*any neuron"], mlp: MLP, linear: Float[Tensor, "*any neuron"] | None = None
) -> Float[Tensor, "*any neuron"]:
    """Neurons after the activation function, in a gated MLP times their linear factor."""
    active = ACTIVATIONS[mlp.activation][0](pre)
    return active if linear is None else active * linear


def mlp_out(post: Float[Tensor, "*any neuron"], mlp: MLP) -> Float[Tensor, "*any d_model"]:
    """The output of the MLP, added to the residual stream."""
    return mlp.c_proj(post)


def mlp_within(
    x: Float[Tensor, "token d_model"],
    mlp: MLP,
    scratch: Float[Tensor, "some neuron"],
    out: Float[Tensor, "token d_model"],
) -> None:
    """Write `mlp_out(mlp_post(mlp_pre(x, mlp), mlp), mlp)` into `out`, one batch of `len(scratch)` tokens at a time.

    All neurons are computed in `scratch`, which stays in the processor's cache; nothing is allocated but the linear factor of a
    gated MLP. Has no gradients.
    """
    for part, written in zip(x.split(len(scratch)), out.split(len(scratch)), strict=True):
        neurons = scratch[: len(part)]
        _linear_into(part, mlp.c_fc, neurons)
        ACTIVATIONS[mlp.activation][1](neurons)
        if mlp.c_up is not None:
            neurons.mul_(mlp.c_up(part))
        _linear_into(neurons, mlp.c_proj, written)


def _linear_into(x: Float[Tensor, "token input"], layer: nn.Linear, out: Float[Tensor, "token output"]) -> None:
    if layer.bias is None:
        torch.mm(x, layer.weight.T, out=out)
    else:
        torch.addmm(layer.bias, x, layer.weight.T, out=out)
