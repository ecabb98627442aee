"""The only arithmetic of a transformer block in the package: pure functions of values and that block's weights.

The token-wise ones accept any leading axes. `GPT.forward` is one schedule of them; later ones (the replay engine, the
factored forward) call the same functions.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from nanoscope.model.modules import MLP, Attention, Norm

ACTIVATIONS = {
    "gelu": (F.gelu, torch.ops.aten.gelu_),
    "gelu_tanh": (partial(F.gelu, approximate="tanh"), partial(torch.ops.aten.gelu_, approximate="tanh")),
    "relu": (F.relu, torch.relu_),
}
"""Each activation function, and the same in place."""


def norm(x: Float[Tensor, "*any d_model"], weights: Norm) -> Float[Tensor, "*any d_model"]:
    """Layer norm (Ba et al. 2016), RMS norm (Zhang & Sennrich 2019) or nothing, over the last axis."""
    if weights.kind == "layer":
        return F.layer_norm(x, x.shape[-1:], weights.weight, weights.bias, weights.eps)
    return F.rms_norm(x, x.shape[-1:], weights.weight, weights.eps) if weights.kind == "rms" else x


def norm_frozen(
    part: Float[Tensor, "*any d_model"], whole: Float[Tensor, "*any d_model"], weights: Norm
) -> Float[Tensor, "*any d_model"]:
    """What `part` contributes to `norm(whole)` when whole = part + ..., its scale held fixed and its bias left out."""
    if weights.kind == "none":
        return part
    gain = 1.0 if weights.weight is None else weights.weight
    if weights.kind == "rms":
        return part * gain / norm_scale(whole, weights)
    return (part - part.mean(-1, keepdim=True)) / norm_scale(whole, weights) * gain


def norm_scale(x: Float[Tensor, "*any d_model"], weights: Norm) -> Float[Tensor, "*any 1"]:
    """What a layer or RMS norm divides each vector by."""
    if weights.kind == "rms":
        return (x.square().mean(-1, keepdim=True) + (weights.eps or 0.0)).sqrt()
    return (x.var(-1, keepdim=True, correction=0) + weights.eps).sqrt()


def qkv(x: Float[Tensor, "*any d_model"], attn: Attention, first: int = 0, end: int = 3) -> tuple[Tensor, ...]:
    """Queries, keys and values of every head, each `[*any, head, d_head]`, from the normalised residual stream.

    Of the three only those from `first` up to `end`.
    """
    some = slice(first * x.shape[-1], end * x.shape[-1])
    bias = None if attn.c_attn.bias is None else attn.c_attn.bias[some]
    return F.linear(x, attn.c_attn.weight[some], bias).unflatten(-1, (end - first, attn.n_head, -1)).unbind(-3)


def visible_causally(queries: int, keys: int, device: torch.device | None = None) -> Bool[Tensor, "query key"]:
    """Which key each query may see, when the queries are the last `queries` of `keys` positions."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def scores(
    q: Float[Tensor, "batch query head d_head"], k: Float[Tensor, "batch key head d_head"], attn: Attention
) -> Float[Tensor, "batch head query key"]:
    """Scaled dot products, before the causal mask: finite everywhere, so they can be averaged and patched."""
    return (q * attn.scale).transpose(1, 2) @ k.permute(0, 2, 3, 1)


def pattern(
    scores: Float[Tensor, "batch head query key"], visible: Bool[Tensor, "query key"]
) -> Float[Tensor, "batch head query key"]:
    """Attention probabilities: softmax of the scores over the keys that each query may see."""
    return (scores + torch.where(visible, 0.0, -math.inf).to(scores)).softmax(dim=-1)


def mix(
    pattern: Float[Tensor, "batch head query key"], v: Float[Tensor, "batch key head d_head"]
) -> Float[Tensor, "batch query head d_head"]:
    """The values, averaged by the attention pattern: each head's `z`."""
    return (pattern @ v.transpose(1, 2)).transpose(1, 2)


def attend(
    q: Float[Tensor, "batch query head d_head"],
    k: Float[Tensor, "batch key head d_head"],
    v: Float[Tensor, "batch key head d_head"],
    attn: Attention,
    visible: Bool[Tensor, "query key"] | None = None,
    dropout: float = 0.0,
) -> Float[Tensor, "batch query head d_head"]:
    """`mix(pattern(scores(q, k), visible), v)` in one fused kernel; `visible=None` means plainly causal."""
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
    """Attention over some of the keys only: `z`, and the log-sum-exp of the scores, the part's weight in the whole.

    Every query sees every key unless `visible` says otherwise (one at least); `causal` is the lower triangle, and quicker.
    """
    if q.device.type == "cpu":  # the kernel behind scaled_dot_product_attention, which has both at hand
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
    """`attend_part` over the keys and values of `x`, the normalised residual stream, without ever making them.

    A key meets a query as (x W_k) . q = x . (W_k q), and values are mixed as sum(a x) W_v: for few queries and many keys
    far less work (the weight absorption of DeepSeek-AI 2024).
    """
    width, heads = x.shape[-1], attn.n_head
    b_k, b_v = (None, None) if attn.c_attn.bias is None else attn.c_attn.bias[width:].unflatten(0, (2, heads, -1))
    wide = torch.einsum("bqhk,hdk->bhqd", q, attn.W_K)
    raw = (wide.flatten(1, 2) @ x.mT).unflatten(1, (heads, -1))
    raw = raw if b_k is None else raw + torch.einsum("bqhk,hk->bhq", q, b_k)[..., None]
    raw = raw * attn.scale
    raw = raw if visible is None else raw.masked_fill(~visible, -math.inf)
    mixed = (raw.softmax(dim=-1).flatten(1, 2) @ x).unflatten(1, (heads, -1))
    z = torch.einsum("bhqd,hdk->bqhk", mixed, attn.W_V)
    return (z if b_v is None else z + b_v), raw.logsumexp(dim=-1).transpose(1, 2)


def share_of_second(first: Float[Tensor, "*any"], second: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Of attention over two parts of the keys, the second's share of the weight, from the log-sum-exps of both."""
    return torch.sigmoid(second - first)


def out(z: Float[Tensor, "*any head d_head"], attn: Attention) -> Float[Tensor, "*any d_model"]:
    """What the heads together write to the residual stream (with the layer's output bias, if it has one)."""
    return attn.c_proj(z.flatten(-2))


def mlp_pre(x: Float[Tensor, "*any d_model"], mlp: MLP) -> Float[Tensor, "*any neuron"]:
    """The neurons before their activation function, from the normalised residual stream."""
    return mlp.c_fc(x)


def mlp_post(pre: Float[Tensor, "*any neuron"], mlp: MLP) -> Float[Tensor, "*any neuron"]:
    """The neurons after their activation function."""
    return ACTIVATIONS[mlp.activation][0](pre)


def mlp_out(post: Float[Tensor, "*any neuron"], mlp: MLP) -> Float[Tensor, "*any d_model"]:
    """What the MLP writes to the residual stream."""
    return mlp.c_proj(post)


def mlp_within(
    x: Float[Tensor, "token d_model"],
    mlp: MLP,
    scratch: Float[Tensor, "some neuron"],
    out: Float[Tensor, "token d_model"],
) -> None:
    """`mlp_out(mlp_post(mlp_pre(x, mlp), mlp), mlp)` into `out`, as many tokens at a time as `scratch` has rows.

    The neurons never leave `scratch`: it stays in the processor's cache, and nothing is allocated. Without gradients.
    """
    for part, written in zip(x.split(len(scratch)), out.split(len(scratch)), strict=True):
        neurons = scratch[: len(part)]
        _linear_into(part, mlp.c_fc, neurons)
        ACTIVATIONS[mlp.activation][1](neurons)
        _linear_into(neurons, mlp.c_proj, written)


def _linear_into(x: Float[Tensor, "token input"], layer: nn.Linear, out: Float[Tensor, "token output"]) -> None:
    if layer.bias is None:
        torch.mm(x, layer.weight.T, out=out)
    else:
        torch.addmm(layer.bias, x, layer.weight.T, out=out)
