"""Models of torch's own modules."""

import torch
from torch import Tensor, nn

from lookalikes import CONTEXT, HEADS, LAYERS, VOCAB, WIDTH, LookAlike, causal, randomised, sinusoids


class Block(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(WIDTH, HEADS, bias=bias, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH, bias=bias), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH, bias=bias)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, attn_mask=causal(x.shape[1]), need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class OfAttention(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.token_emb, self.pos_emb = nn.Embedding(VOCAB, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.layers = nn.ModuleList(Block(bias) for _ in range(LAYERS))
        self.norm, self.fc_out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCAB)
        self.fc_out.weight = self.token_emb.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token_emb(tokens) + self.pos_emb(torch.arange(tokens.shape[1]))
        for layer in self.layers:
            x = layer(x)
        return self.fc_out(self.norm(x))


class OfEncoderLayers(nn.Module):
    """PyTorch's tutorial with a causal mask; positions are generated."""

    def __init__(self, norm_first: bool, final: bool) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 40, 0.1, "gelu", batch_first=True, norm_first=norm_first)
        self.embedding = nn.Embedding(VOCAB, WIDTH)
        self.transformer_encoder = nn.TransformerEncoder(
            layer, LAYERS, nn.LayerNorm(WIDTH) if final else None, enable_nested_tensor=False
        )
        self.decoder = nn.Linear(WIDTH, VOCAB)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) * WIDTH**0.5 + sinusoids(tokens.shape[1], WIDTH)
        return self.decoder(self.transformer_encoder(x, mask=causal(tokens.shape[1])))


SAID = {"n_head": HEADS, "activation": "relu", "norm_position": "pre", "final_norm": True, "embedding_scale": "none"}


def attention(bias: bool) -> LookAlike:
    model = randomised(OfAttention(bias))
    return LookAlike(model, model.state_dict(), SAID, {"tied_head": True, "bias": True, "head_bias": True})


def attention_without_biases() -> LookAlike:
    return attention(False)


def attention_with_biases() -> LookAlike:
    return attention(True)


def encoder(norm_first: bool, final: bool) -> LookAlike:
    model = randomised(OfEncoderLayers(norm_first, final))
    content = {"model": model.state_dict(), "args": {"nhead": HEADS, "activation": "gelu", "norm_first": norm_first}}
    settings = {"block_size": CONTEXT, "positions": "sinusoid", "embedding_scale": "sqrt_d_model"}
    settings |= {"final_norm": True} if final else {}
    config = {
        "positions": "sinusoid",
        "n_inner": 40,
        "norm_position": "pre" if norm_first else "post",
        "final_norm": final,
    }
    return LookAlike(model, content, settings, config)


def encoder_norm_first() -> LookAlike:
    return encoder(True, True)


def encoder_post_norm() -> LookAlike:
    return encoder(False, False)
