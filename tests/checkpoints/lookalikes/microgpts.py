"""microgpt: lists of rows under flat names, RMS norms without weights; the first version squares its ReLU."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lookalikes import CONTEXT, HEADS, LAYERS, VOCAB, WIDTH, LookAlike


def rmsnorm(x: Tensor) -> Tensor:
    return x * (x.pow(2).mean(-1, keepdim=True) + 1e-5) ** -0.5


def forward(weights: dict[str, Tensor], tokens: Tensor) -> Tensor:
    x = weights["wte"][tokens] + weights["wpe"][: tokens.shape[1]]
    for layer in range(LAYERS):
        y = rmsnorm(x)
        q, k, v = (
            F.linear(y, weights[f"layer{layer}.attn_w{one}"]).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for one in "qkv"
        )
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + F.linear(z, weights[f"layer{layer}.attn_wo"])
        hidden = F.linear(rmsnorm(x), weights[f"layer{layer}.mlp_fc1"])
        x = x + F.linear(hidden.relu() ** 2, weights[f"layer{layer}.mlp_fc2"])
    return F.linear(x, weights["lm_head"])


def microgpt() -> LookAlike:
    torch.manual_seed(0)
    shapes = {"wte": (VOCAB, WIDTH), "wpe": (CONTEXT, WIDTH), "lm_head": (VOCAB, WIDTH)}
    for layer in range(LAYERS):
        shapes |= {f"layer{layer}.attn_w{one}": (WIDTH, WIDTH) for one in "qkvo"}
        shapes |= {f"layer{layer}.mlp_fc1": (4 * WIDTH, WIDTH), f"layer{layer}.mlp_fc2": (WIDTH, 4 * WIDTH)}
    weights = {name: 0.2 * torch.randn(shape) for name, shape in shapes.items()}
    said = {"activation": "relu2", "embedding_norm": "none", "n_head": HEADS}
    config = {"norm": "rms", "final_norm": False, "activation": "relu2", "bias": False}
    return LookAlike(lambda tokens: forward(weights, tokens), weights, said, config)
