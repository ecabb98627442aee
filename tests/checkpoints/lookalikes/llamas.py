"""Rotary positions, RMS norms, gated MLPs, grouped queries: llama2.c's module, and HF's with permuted rows."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookalikes import CONTEXT, HEADS, LAYERS, VOCAB, WIDTH, LookAlike, randomised

KV, INNER, SIZE = 2, 40, WIDTH // HEADS


class RMSNorm(nn.Module):
    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def neighbours(x: Tensor, base: float = 10000.0) -> Tensor:
    """Complex rotation of dimensions 2i and 2i + 1, as llama2.c does."""
    rates = 1.0 / base ** (torch.arange(0, SIZE, 2).float() / SIZE)
    angles = torch.outer(torch.arange(x.shape[1]).float(), rates)
    turned = (
        torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
        * torch.polar(torch.ones_like(angles), angles)[:, None]
    )
    return torch.view_as_real(turned).flatten(-2)


def halves(x: Tensor, base: float) -> Tensor:
    """x cos + rotate_half(x) sin, as HF does."""
    rates = 1.0 / base ** (torch.arange(0, SIZE, 2).float() / SIZE)
    angles = torch.outer(torch.arange(x.shape[1]).float(), rates).repeat(1, 2)[:, None]
    first, second = x.chunk(2, dim=-1)
    return x * angles.cos() + torch.cat([-second, first], dim=-1) * angles.sin()


def attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    k, v = (one.repeat_interleave(HEADS // KV, dim=2) for one in (k, v))
    q, k, v = (one.transpose(1, 2) for one in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


class CAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wq, self.wk = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, KV * SIZE, bias=False)
        self.wv, self.wo = nn.Linear(WIDTH, KV * SIZE, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (m(x).unflatten(-1, (-1, SIZE)) for m in (self.wq, self.wk, self.wv))
        return self.wo(attended(neighbours(q), neighbours(k), v))


class CFeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w1, self.w2 = nn.Linear(WIDTH, INNER, bias=False), nn.Linear(INNER, WIDTH, bias=False)
        self.w3 = nn.Linear(WIDTH, INNER, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class CBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.feed_forward = CAttention(), CFeedForward()
        self.attention_norm, self.ffn_norm = RMSNorm(), RMSNorm()

    def forward(self, x: Tensor) -> Tensor:
        h = x + self.attention(self.attention_norm(x))
        return h + self.feed_forward(self.ffn_norm(h))


class Llama2C(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(VOCAB, WIDTH)
        self.layers = nn.ModuleList(CBlock() for _ in range(LAYERS))
        self.norm, self.output = RMSNorm(), nn.Linear(WIDTH, VOCAB, bias=False)
        self.output.weight = self.tok_embeddings.weight
        self.register_buffer("freqs_cos", torch.ones(CONTEXT, SIZE // 2))
        self.register_buffer("freqs_sin", torch.zeros(CONTEXT, SIZE // 2))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok_embeddings(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.output(self.norm(x))


def llama2c() -> LookAlike:
    model = randomised(Llama2C())
    arguments = {"dim": WIDTH, "n_layers": LAYERS, "n_heads": HEADS, "n_kv_heads": KV, "vocab_size": VOCAB,
                 "multiple_of": 4, "max_seq_len": CONTEXT, "dropout": 0.0}  # fmt: skip
    state = {f"_orig_mod.{name}": value for name, value in model.state_dict().items()}
    config = {
        "positions": "rotary",
        "norm": "rms",
        "gated_mlp": True,
        "n_kv_head": KV,
        "n_inner": INNER,
        "tied_head": True,
    }
    return LookAlike(model, {"model": state, "model_args": arguments, "iter_num": 5}, {}, config)


class HFAttention(nn.Module):
    def __init__(self, bias: bool, base: float) -> None:
        super().__init__()
        self.q_proj, self.k_proj = nn.Linear(WIDTH, WIDTH, bias=bias), nn.Linear(WIDTH, KV * SIZE, bias=bias)
        self.v_proj, self.o_proj = nn.Linear(WIDTH, KV * SIZE, bias=bias), nn.Linear(WIDTH, WIDTH, bias=False)
        self.base = base

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (m(x).unflatten(-1, (-1, SIZE)) for m in (self.q_proj, self.k_proj, self.v_proj))
        return self.o_proj(attended(halves(q, self.base), halves(k, self.base), v))


class HFMLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(WIDTH, INNER, bias=False), nn.Linear(WIDTH, INNER, bias=False)
        self.down_proj = nn.Linear(INNER, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class HFBlock(nn.Module):
    def __init__(self, bias: bool, base: float) -> None:
        super().__init__()
        self.self_attn, self.mlp = HFAttention(bias, base), HFMLP()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(1e-6), RMSNorm(1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class HFLlama(nn.Module):
    def __init__(self, bias: bool = False, base: float = 500.0) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCAB, WIDTH)
        self.layers = nn.ModuleList(HFBlock(bias, base) for _ in range(LAYERS))
        self.norm = RMSNorm(1e-6)
        self.head = nn.Linear(WIDTH, VOCAB, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def hf_llama(bias: bool = False) -> LookAlike:
    model = randomised(HFLlama(bias))
    state = {f"model.{name}".replace("model.head", "lm_head"): value for name, value in model.state_dict().items()}
    config = {
        "hidden_act": "silu", "hidden_size": WIDTH, "intermediate_size": INNER, "max_position_embeddings": CONTEXT,
        "model_type": "llama", "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "num_key_value_heads": KV,
        "pretraining_tp": 1, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 500.0, "attention_bias": bias,
        "tie_word_embeddings": False, "vocab_size": VOCAB, "attention_dropout": 0.0, "initializer_range": 0.02,
    }  # fmt: skip
    read = {"rotary_base": 500.0, "norm_eps": 1e-6, "n_kv_head": KV, "tied_head": False, "bias": bias}
    return LookAlike(model, {"state_dict": state, "config": config}, {}, read)


def hf_llama_with_biases() -> LookAlike:
    return hf_llama(True)
