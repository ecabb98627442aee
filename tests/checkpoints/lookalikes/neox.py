"""Pythia, as GPT-NeoX computes and names it: both halves of a block read its input, a quarter of each head turns."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookalikes import CONTEXT, HEADS, LAYERS, VOCAB, LookAlike, causal, randomised

SIZE, TURNED, BASE = 12, 4, 500.0
WIDE = HEADS * SIZE


def rotate_half(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query_key_value, self.dense = nn.Linear(WIDE, 3 * WIDE), nn.Linear(WIDE, WIDE)
        self.register_buffer("bias", ~causal(CONTEXT)[None, None])
        self.register_buffer("masked_bias", torch.tensor(-1e9))
        self.rotary_emb = nn.Module()
        self.rotary_emb.register_buffer("inv_freq", 1.0 / BASE ** (torch.arange(0, TURNED, 2).float() / TURNED))

    def turned(self, x: Tensor) -> Tensor:
        angle = torch.arange(x.shape[2]).float()[:, None] * self.rotary_emb.inv_freq
        angle = torch.cat((angle, angle), dim=-1)
        part, rest = x[..., :TURNED], x[..., TURNED:]
        return torch.cat((part * angle.cos() + rotate_half(part) * angle.sin(), rest), dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.query_key_value(x).view(*x.shape[:2], HEADS, 3 * SIZE).transpose(1, 2)
        q, k, v = qkv.chunk(3, dim=-1)
        scores = self.turned(q) @ self.turned(k).transpose(-1, -2) / math.sqrt(SIZE)
        weights = scores.masked_fill(causal(x.shape[1]), -math.inf).softmax(-1)
        return self.dense((weights @ v).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = nn.LayerNorm(WIDE), nn.LayerNorm(WIDE)
        self.attention, self.mlp = Attention(), nn.Module()
        self.mlp.dense_h_to_4h, self.mlp.dense_4h_to_h = nn.Linear(WIDE, 4 * WIDE), nn.Linear(4 * WIDE, WIDE)

    def forward(self, x: Tensor) -> Tensor:
        mlp = self.mlp.dense_4h_to_h(F.gelu(self.mlp.dense_h_to_4h(self.post_attention_layernorm(x))))
        return x + mlp + self.attention(self.input_layernorm(x))


class NeoX(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gpt_neox = nn.Module()
        self.gpt_neox.embed_in = nn.Embedding(VOCAB, WIDE)
        self.gpt_neox.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.gpt_neox.final_layer_norm = nn.LayerNorm(WIDE)
        self.embed_out = nn.Linear(WIDE, VOCAB, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.gpt_neox.embed_in(tokens)
        for layer in self.gpt_neox.layers:
            x = layer(x)
        return self.embed_out(self.gpt_neox.final_layer_norm(x))


def pythia() -> LookAlike:
    model = randomised(NeoX())
    config = {
        "model_type": "gpt_neox", "hidden_size": WIDE, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS,
        "rotary_pct": TURNED / SIZE, "rotary_emb_base": BASE, "use_parallel_residual": True, "hidden_act": "gelu",
        "max_position_embeddings": CONTEXT, "layer_norm_eps": 1e-5, "tie_word_embeddings": False, "vocab_size": VOCAB,
        "intermediate_size": 4 * WIDE,
    }  # fmt: skip
    return LookAlike(
        model, {"model": model.state_dict(), "config": config}, {}, {"parallel": True, "rotary_dims": TURNED}
    )
