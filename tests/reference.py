"""Plain re-implementations, written from the definitions and as obviously as possible, to hold the package to."""

import math
from functools import partial

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from nanoscope.model import dropout
from nanoscope.model.gpt import GPT


def logits(model: GPT, tokens: Tensor) -> Tensor:
    """A GPT's forward pass with loops over heads and no fused kernel, from its state dict alone."""
    w, c = model.state_dict(), model.config
    x = w["transformer.wte.weight"][tokens] + _positions(w, c, tokens.shape[1])
    for layer in range(c.n_layer):
        name = f"transformer.h.{layer}"
        if c.norm_position == "post":
            x = _norm(x + attention(x, w, f"{name}.attn", c), w, f"{name}.ln_1", c)
            x = x if c.attention_only else _norm(x + _mlp(x, w, f"{name}.mlp", c), w, f"{name}.ln_2", c)
            continue
        before = x
        x = x + attention(_norm(x, w, f"{name}.ln_1", c), w, f"{name}.attn", c)
        if not c.attention_only:
            x = x + _mlp(_norm(before if c.parallel else x, w, f"{name}.ln_2", c), w, f"{name}.mlp", c)
    if c.final_norm:
        x = _norm(x, w, "transformer.ln_f", c)
    return _linear(x, w, "lm_head")


def _positions(w: dict[str, Tensor], c, length: int) -> Tensor:
    if c.positions == "learned":
        return w["transformer.wpe.weight"][:length]
    table = torch.zeros(length, c.n_embd)
    if c.positions == "sinusoid":
        for pos in range(length):
            for column in range(c.n_embd):
                angle = pos / 10_000 ** (2 * (column // 2) / c.n_embd)
                table[pos, column] = math.cos(angle) if column % 2 else math.sin(angle)
    return table


def _mlp(x: Tensor, w: dict[str, Tensor], name: str, c) -> Tensor:
    hidden = _activate(_linear(x, w, f"{name}.c_fc"), c.activation)
    hidden = hidden * _linear(x, w, f"{name}.c_up") if c.gated_mlp else hidden
    return _linear(hidden, w, f"{name}.c_proj")


def _turned(x: Tensor, c) -> Tensor:
    """One head's queries or keys `[batch, pos, d_head]`, each pair of dimensions as a complex number times e^(i angle)."""
    if c.positions != "rotary":
        return x
    size = c.rotary_dims or x.shape[-1]
    turned = x.clone()
    for pos in range(x.shape[1]):
        for pair in range(size // 2):
            angle = torch.tensor(pos / c.rotary_base ** (2 * pair / size))
            number = torch.complex(x[:, pos, pair], x[:, pos, pair + size // 2]) * torch.exp(1j * angle)
            turned[:, pos, pair], turned[:, pos, pair + size // 2] = number.real, number.imag
    return turned


def attention(x: Tensor, w: dict[str, Tensor], name: str, c) -> Tensor:
    width = c.head_dim or c.n_embd // c.n_head
    groups = c.n_head // (c.n_kv_head or c.n_head)
    q, k, v = _linear(x, w, f"{name}.c_attn").split([c.n_head * width] + [c.n_head // groups * width] * 2, dim=-1)
    scale = {"d_head": math.sqrt(width), "d_model": math.sqrt(c.n_embd), "none": 1.0}[c.attention_scale]
    outputs = []
    for head in range(c.n_head):
        part = slice(head * width, (head + 1) * width)
        shared = slice(head // groups * width, (head // groups + 1) * width)
        scores = _turned(q[..., part], c) @ _turned(k[..., shared], c).transpose(-1, -2) / scale
        future = torch.ones_like(scores).triu(1).bool()
        weights = torch.exp(scores - scores.masked_fill(future, -torch.inf).amax(-1, keepdim=True)).masked_fill(
            future, 0
        )
        outputs.append(weights / weights.sum(-1, keepdim=True) @ v[..., shared])
    return _linear(torch.cat(outputs, -1), w, f"{name}.c_proj")


def _linear(x: Tensor, w: dict[str, Tensor], name: str) -> Tensor:
    y = x @ w[f"{name}.weight"].T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def _norm(x: Tensor, w: dict[str, Tensor], name: str, c) -> Tensor:
    if c.norm == "none":
        return x
    centred = x - x.mean(-1, keepdim=True) if c.norm == "layer" else x
    y = centred / torch.sqrt(centred.pow(2).mean(-1, keepdim=True) + c.norm_eps) * w[f"{name}.weight"]
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def _activate(x: Tensor, kind: str) -> Tensor:
    if kind in ("relu", "relu2"):
        return x.clamp(min=0) ** (2 if kind == "relu2" else 1)
    if kind == "silu":
        return x / (1 + torch.exp(-x))
    if kind == "gelu":
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class NanoGPT(nn.Module):
    """nanoGPT's training forward without its fused kernel, its dropout in its places, around the package's parameters.

    The masks are the package's, drawn in the same order.
    """

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.gpt = model

    def forward(self, tokens: Tensor) -> Tensor:
        c, t = self.gpt.config, self.gpt.transformer
        drop = partial(dropout.drop, probability=c.dropout) if self.training else nn.Identity()
        future = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
        x = drop(t["wte"](tokens) + t["wpe"](torch.arange(tokens.shape[1])))
        for block in t["h"]:
            y = nn.functional.layer_norm(x, (c.n_embd,), block.ln_1.weight, block.ln_1.bias, 1e-5)
            q, k, v = block.attn.c_attn(y).split(c.n_embd, dim=2)
            q, k, v = (a.view(*a.shape[:2], c.n_head, -1).transpose(1, 2) for a in (q, k, v))
            weights = (q @ k.transpose(-2, -1) / math.sqrt(k.shape[-1])).masked_fill(future, -torch.inf).softmax(dim=-1)
            y = drop(weights) @ v
            x = x + drop(block.attn.c_proj(y.transpose(1, 2).reshape(x.shape)))
            y = nn.functional.layer_norm(x, (c.n_embd,), block.ln_2.weight, block.ln_2.bias, 1e-5)
            x = x + drop(block.mlp.c_proj(nn.functional.gelu(block.mlp.c_fc(y))))
        x = nn.functional.layer_norm(x, (c.n_embd,), t["ln_f"].weight, t["ln_f"].bias, 1e-5)
        return self.gpt.lm_head(x)


def longest_match(tokens: Int[Tensor, "pos"], limit: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """For each position, the longest suffix (up to `limit`) that occurred before within these tokens, and what
    followed its most recent earlier occurrence (-1 where there is no match): the slow twin of `text.matches`, one by one.
    """
    text = tokens.numpy()
    lengths, following = np.zeros(len(text), np.int64), np.full(len(text), -1)
    seen: dict[tuple[int, ...], int] = {}
    for i in range(len(text)):
        for k in range(min(limit, i + 1), 0, -1):
            before = seen.get(tuple(text[i - k + 1 : i + 1]))
            if before is not None:
                lengths[i], following[i] = k, text[before + 1]
                break
        for k in range(1, min(limit, i + 1) + 1):
            seen[tuple(text[i - k + 1 : i + 1])] = i
    return lengths, following
