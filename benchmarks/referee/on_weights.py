"""What the weights alone say: the copying score of every head (docs/methods/heads.md; Elhage et al. 2021).

    s = sum(eigenvalues) / sum(|eigenvalues|)  of  W_E W_V W_O W_U

with the norms' gains in the matrices that read, and writes and unembedding centred. The small matrix W_O W_U W_E W_V has the
same eigenvalues but for zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor

from referee.gpt import GPT


def copying(gpt: GPT) -> Tensor:
    """[layer, head], in double precision."""
    embedding = gpt.weight("wte.weight").double()
    unembedding = (gpt.weights["lm_head.weight"] * gpt.weight("ln_f.weight")).double()
    back = _centred(unembedding - unembedding.mean(0)).T @ _centred(embedding)
    return torch.stack([_of_layer(gpt, layer, back) for layer in range(gpt.layers)])


def _of_layer(gpt: GPT, layer: int, back: Tensor) -> Tensor:
    values = gpt.weight("attn.c_attn.weight", layer).chunk(3)[2] * gpt.weight("ln_1.weight", layer)
    reads = values.double().unflatten(0, (gpt.heads, -1))
    writes = gpt.weight("attn.c_proj.weight", layer).double().T.unflatten(0, (gpt.heads, -1))
    eigenvalues = torch.linalg.eigvals(writes @ back @ reads.transpose(-1, -2))
    return eigenvalues.real.sum(-1) / eigenvalues.abs().sum(-1)


def _centred(rows: Tensor) -> Tensor:
    """Without their mean over the width, as a norm takes it off."""
    return rows - rows.mean(-1, keepdim=True)
