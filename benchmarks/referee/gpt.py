"""nanoGPT's forward pass, written once more, from a model folder's weights and settings (Karpathy's nanoGPT, model.py).

    x0 = wte[token] + wpe[position];  x += attention(norm(x));  x += mlp(norm(x));  logits = head(norm(x))

Every intermediate that a measure reads is returned; nothing is attached to the model and nothing can be switched on.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor

ASKED = {
    "head_bias": False,
    "activation": "gelu",
    "attention_scale": "d_head",
    "norm": "layer",
    "final_norm": True,
    "attention_only": False,
}
"""What this forward pass can do. A model that differs is refused."""


class Refused(Exception):
    """What is wrong and what to do, in one line."""


@dataclass(frozen=True)
class GPT:
    """Weights by nanoGPT's names, settings and symbols as in checkpoint.json, and the checksum that results name."""

    weights: Mapping[str, Tensor]
    layers: int
    heads: int
    context: int
    eps: float
    symbols: tuple[str, ...]
    sha256: str

    def weight(self, name: str, layer: int | None = None) -> Tensor:
        return self.weights[f"transformer.{name}" if layer is None else f"transformer.h.{layer}.{name}"]

    def norm(self, x: Tensor, name: str, layer: int | None = None) -> Tensor:
        where = f"transformer.{name}" if layer is None else f"transformer.h.{layer}.{name}"
        return F.layer_norm(x, x.shape[-1:], self.weights[f"{where}.weight"], self._bias(where), self.eps)

    def linear(self, x: Tensor, name: str, layer: int) -> Tensor:
        where = f"transformer.h.{layer}.{name}"
        return F.linear(x, self.weights[f"{where}.weight"], self._bias(where))

    def unembed(self, x: Tensor) -> Tensor:
        return self.norm(x, "ln_f") @ self.weights["lm_head.weight"].T

    def _bias(self, where: str) -> Tensor | None:
        return self.weights.get(f"{where}.bias")

    @property
    def parameters(self) -> int:
        """As many numbers as were trained: a matrix with two names counts once."""
        return sum(w.numel() for w in {w.data_ptr(): w for w in self.weights.values()}.values())


@dataclass(frozen=True)
class Run:
    """One forward pass. `streams[0]` is the embedding, `streams[l + 1]` what layer l leaves."""

    streams: list[Tensor]
    patterns: list[Tensor]
    z: list[Tensor]
    mlps: list[Tensor]
    logits: Tensor


def run(gpt: GPT, tokens: Tensor, means: Mapping[tuple[int, int], Tensor] | None = None) -> Run:
    """All activations on `tokens` [text, position]; the outputs z of the heads in `means` are replaced by these."""
    length = tokens.shape[1]
    x = gpt.weight("wte.weight")[tokens] + gpt.weight("wpe.weight")[:length]
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    streams, patterns, zs, mlps = [x], [], [], []
    for layer in range(gpt.layers):
        q, k, v = (
            part.unflatten(-1, (gpt.heads, -1)).transpose(1, 2)
            for part in gpt.linear(gpt.norm(x, "ln_1", layer), "attn.c_attn", layer).chunk(3, -1)
        )
        scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(future, -math.inf)
        pattern = scores.softmax(-1)
        z = pattern @ v
        for head in range(gpt.heads):
            if means and (layer, head) in means:
                z[:, head] = means[layer, head][:length]
        x = x + gpt.linear(z.transpose(1, 2).flatten(-2), "attn.c_proj", layer)
        mlp = gpt.linear(F.gelu(gpt.linear(gpt.norm(x, "ln_2", layer), "mlp.c_fc", layer)), "mlp.c_proj", layer)
        x = x + mlp
        for kept, value in zip((streams, patterns, zs, mlps), (x, pattern, z, mlp), strict=True):
            kept.append(value)
    return Run(streams, patterns, zs, mlps, gpt.unembed(x))


def open_model(folder: Path) -> GPT:
    """The model in a folder that `nanoscope release` wrote; every part's checksum is compared."""
    if not (folder / "checkpoint.json").exists():
        raise Refused(f"{folder} has no checkpoint.json: give a released model's folder, as in trained_models/")
    described = json.loads((folder / "checkpoint.json").read_text())
    config = described["config"]
    for name, able in ASKED.items():
        if config.get(name, able) != able:
            raise Refused(f"{folder}: {name} is {config[name]}, and this recomputation knows only {able}")
    parts = {name: (folder / name).read_bytes() for name in sorted(described["parts"])}
    for name, content in parts.items():
        if hashlib.sha256(content).hexdigest() != described["parts"][name]:
            raise Refused(f"{folder / name} is damaged: its checksum is not that in checkpoint.json")
    weights = {name: value.float() for name, value in load(b"".join(parts.values())).items()}
    if config["tied_head"]:
        weights["transformer.wte.weight"] = weights["lm_head.weight"]
    return GPT(
        weights,
        config["n_layer"],
        config["n_head"],
        config["block_size"],
        config["norm_eps"],
        tuple(described["vocabulary"]["symbols"]),
        described["sha256"],
    )
