"""The subject: a GPT with nanoGPT's parameter names, and the only arithmetic of a transformer block in the package.

The block is written as pure functions of values and that block's weights (`norm`, `qkv`, `scores`, `pattern`, `mix`,
`attend`, `out`, `mlp_pre`, `mlp_post`, `mlp_out`). The token-wise ones accept any leading axes. `GPT.forward` is one
schedule of them; later ones (the replay engine, the factored forward) call the same functions.

Activations are read and changed by a `Tap`, an object passed to `forward`; nothing is ever attached to a module.

Source: Radford et al. 2019 (GPT-2); karpathy/nanoGPT for names, initialisation and dropout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nanoscope.dropout import drop
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Activation = Literal["gelu", "gelu_tanh", "relu"]
AttentionScale = Literal["d_head", "d_model", "none"]
NormKind = Literal["layer", "rms", "none"]

ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}

ACTIVATIONS_IN_PLACE = {
    "gelu": torch.ops.aten.gelu_,
    "gelu_tanh": lambda x: torch.ops.aten.gelu_(x, approximate="tanh"),
    "relu": torch.relu_,
}


@dataclass(frozen=True)
class GPTConfig:
    """Shape of a GPT, with nanoGPT's field names, and a field for each way in which people's GPTs differ."""

    n_layer: int = 6
    n_head: int = 6
    n_embd: int = 384
    block_size: int = 128
    vocab_size: int = 65
    dropout: float = 0.0
    bias: bool = False
    """Biases in linear layers and norms, as in GPT-2."""
    tied_head: bool = True
    """The unembedding is the token embedding."""
    head_bias: bool = False
    activation: Activation = "gelu"
    """nanoGPT uses the exact (erf) GELU, OpenAI's GPT-2 the tanh approximation."""
    attention_scale: AttentionScale = "d_head"
    """Scores are divided by the square root of this width."""
    norm: NormKind = "layer"
    final_norm: bool = True
    attention_only: bool = False
    """Blocks without an MLP (and without its norm)."""
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("n_layer", "n_head", "n_embd", "block_size", "vocab_size"):
            if getattr(self, name) < 1:
                raise NanoscopeError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.n_embd % self.n_head:
            raise NanoscopeError(f"n_embd ({self.n_embd}) must be a multiple of n_head ({self.n_head})")
        if not 0 <= self.dropout < 1:
            raise NanoscopeError(f"dropout must lie in [0, 1), not {self.dropout}")

    @property
    def d_head(self) -> int:
        return self.n_embd // self.n_head

    @property
    def score_scale(self) -> float:
        width = {"d_head": self.d_head, "d_model": self.n_embd, "none": 1}[self.attention_scale]
        return 1 / math.sqrt(width)


@runtime_checkable
class Tap(Protocol):
    """What `GPT.forward` shows its activations to. The value it returns is the one that the model goes on with."""

    def wants(self, name: str, layer: int | None) -> bool: ...
    def __call__(self, name: str, layer: int | None, value: Tensor) -> Tensor: ...


class Norm(nn.Module):
    """The weights of a normalisation; `norm` applies them."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.kind, self.eps = config.norm, config.norm_eps
        self.weight = None if self.kind == "none" else nn.Parameter(torch.ones(config.n_embd))
        self.bias = nn.Parameter(torch.zeros(config.n_embd)) if config.bias and self.kind == "layer" else None


class Attention(nn.Module):
    """The weights of an attention layer: `c_attn` makes queries, keys and values, `c_proj` writes to the residual."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head, self.scale = config.n_head, config.score_scale
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)


class MLP(nn.Module):
    """The weights of an MLP: `c_fc` reads the residual stream into the neurons, `c_proj` writes them back."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)


class Block(nn.Module):
    """The weights of one layer. In an attention-only model `ln_2` and `mlp` are None."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1, self.attn = Norm(config), Attention(config)
        self.ln_2 = None if config.attention_only else Norm(config)
        self.mlp = None if config.attention_only else MLP(config)


# ---- the arithmetic ------------------------------------------------------------------------------------------------


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
        return part * gain / (whole.square().mean(-1, keepdim=True) + (weights.eps or 0.0)).sqrt()
    scale = (whole.var(-1, keepdim=True, correction=0) + weights.eps).sqrt()
    return (part - part.mean(-1, keepdim=True)) / scale * gain


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
    _, w_k, w_v = attn.c_attn.weight.unflatten(0, (3, heads, -1))
    b_k, b_v = (None, None) if attn.c_attn.bias is None else attn.c_attn.bias[width:].unflatten(0, (2, heads, -1))
    wide = torch.einsum("bqhk,hkd->bhqd", q, w_k)
    raw = (wide.flatten(1, 2) @ x.mT).unflatten(1, (heads, -1))
    raw = raw if b_k is None else raw + torch.einsum("bqhk,hk->bhq", q, b_k)[..., None]
    raw = raw * attn.scale
    raw = raw if visible is None else raw.masked_fill(~visible, -math.inf)
    mixed = (raw.softmax(dim=-1).flatten(1, 2) @ x).unflatten(1, (heads, -1))
    z = torch.einsum("bhqd,hkd->bqhk", mixed, w_v)
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
    return ACTIVATIONS[mlp.activation](pre)


def mlp_out(post: Float[Tensor, "*any neuron"], mlp: MLP) -> Float[Tensor, "*any d_model"]:
    """What the MLP writes to the residual stream."""
    return mlp.c_proj(post)


def mlp_within(
    x: Float[Tensor, "token d_model"], mlp: MLP, room: Float[Tensor, "some neuron"], out: Float[Tensor, "token d_model"]
) -> None:
    """`mlp_out(mlp_post(mlp_pre(x, mlp), mlp), mlp)` into `out`, as many tokens at a time as `room` has rows.

    The neurons never leave `room`: it stays in the processor's cache, and nothing is allocated. Without gradients.
    """
    for part, written in zip(x.split(len(room)), out.split(len(room)), strict=True):
        neurons = room[: len(part)]
        _linear_into(part, mlp.c_fc, neurons)
        ACTIVATIONS_IN_PLACE[mlp.activation](neurons)
        _linear_into(neurons, mlp.c_proj, written)


def _linear_into(x: Float[Tensor, "token input"], layer: nn.Linear, out: Float[Tensor, "token output"]) -> None:
    if layer.bias is None:
        torch.mm(x, layer.weight.T, out=out)
    else:
        torch.addmm(layer.bias, x, layer.weight.T, out=out)


# ---- the first schedule: the forward pass --------------------------------------------------------------------------


class GPT(nn.Module):
    """nanoGPT's module, parameter by parameter; `forward` returns the logits at every position."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "h": nn.ModuleList(Block(config) for _ in range(config.n_layer)),
            }
        )
        if config.final_norm:
            self.transformer["ln_f"] = Norm(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=config.head_bias)
        if config.tied_head:
            self.wte.weight = self.lm_head.weight
        self._initialise()

    def _initialise(self) -> None:
        """GPT-2's: normal with sd 0.02, residual projections smaller by the square root of their number."""
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
    def wpe(self) -> nn.Embedding:
        return self.transformer["wpe"]  # pyright: ignore[reportReturnType]

    @property
    def blocks(self) -> list[Block]:
        return list(self.transformer["h"])  # pyright: ignore[reportArgumentType, reportReturnType]

    @property
    def ln_f(self) -> Norm | None:
        return self.transformer["ln_f"] if self.config.final_norm else None  # pyright: ignore[reportReturnType]

    @property
    def parameter_count(self) -> int:
        """Number of distinct parameters: a tied embedding counts once, positions count."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        return self.wte.weight.device

    def forward(self, tokens: Int[Tensor, "batch pos"], tap: Tap | None = None) -> Float[Tensor, "batch pos vocab"]:
        """Logits at all positions. A context that is too long is an error, never a silent cut."""
        if tokens.shape[1] > self.config.block_size:
            raise NanoscopeError(
                f"{tokens.shape[1]} tokens do not fit the model's context of {self.config.block_size}; shorten the text"
            )
        x = self.embed(tokens, tap)
        for layer, block in enumerate(self.blocks):
            x = self.block(x, layer, block, tap)
        return self.unembed(x, tap)

    def embed(self, tokens: Int[Tensor, "batch pos"], tap: Tap | None = None) -> Float[Tensor, "batch pos d_model"]:
        """Token plus position embeddings."""
        embed = shown("embed", None, self.wte(tokens), tap)
        positions = self.wpe.weight[: tokens.shape[1]].expand_as(embed)
        return self._drop(embed + shown("pos_embed", None, positions, tap))

    def block(self, x: Tensor, layer: int, block: Block, tap: Tap | None) -> Float[Tensor, "batch pos d_model"]:
        """One layer: attention, then the MLP, each added to the residual stream."""
        x = shown("resid_pre", layer, x, tap)
        z = shown("z", layer, self._heads(x, layer, block, tap), tap)
        x = x + shown("attn_out", layer, self._drop(out(z, block.attn)), tap)
        if block.mlp is not None and block.ln_2 is not None:
            x = shown("resid_mid", layer, x, tap)
            pre = shown("pre", layer, mlp_pre(norm(x, block.ln_2), block.mlp), tap)
            post = shown("post", layer, mlp_post(pre, block.mlp), tap)
            x = x + shown("mlp_out", layer, self._drop(mlp_out(post, block.mlp)), tap)
        return shown("resid_post", layer, x, tap)

    def _heads(self, x: Tensor, layer: int, block: Block, tap: Tap | None) -> Float[Tensor, "batch pos head d_head"]:
        q, k, v = (
            shown(name, layer, value, tap)
            for name, value in zip("qkv", qkv(norm(x, block.ln_1), block.attn), strict=True)
        )
        dropout = self.config.dropout if self.training else 0.0
        fused = not dropout or x.device.type != "cpu"  # a CPU has no fused kernel with dropout
        if fused and (tap is None or not (tap.wants("scores", layer) or tap.wants("pattern", layer))):
            return attend(q, k, v, block.attn, dropout=dropout)
        raw = shown("scores", layer, scores(q, k, block.attn), tap)
        probabilities = pattern(raw, visible_causally(raw.shape[-2], raw.shape[-1], raw.device))
        return mix(self._drop(shown("pattern", layer, probabilities, tap)), v)

    def unembed(self, x: Float[Tensor, "*any d_model"], tap: Tap | None = None) -> Float[Tensor, "*any vocab"]:
        """Final norm and unembedding of a residual stream."""
        final = x if self.ln_f is None else norm(x, self.ln_f)
        return self.lm_head(shown("ln_final", None, final, tap))

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.config.dropout) if self.training else x


def shown(name: str, layer: int | None, value: Tensor, tap: Tap | None) -> Tensor:
    """The value, or what the tap puts in its place."""
    return value if tap is None or not tap.wants(name, layer) else tap(name, layer, value)
