"""Dropout (Srivastava et al. 2014) with masks that are cheap to draw on a CPU.

PyTorch draws a CPU mask one double at a time from a Mersenne Twister, which takes a third of a training step of the canonical
model. Here one draw from that generator seeds SFC64 (Doty-Humphrey 2010; NumPy's fastest bit generator), which fills the mask
with 16-bit words. The masks still depend only on PyTorch's generator, so seeding it makes a training reproducible.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

LEVELS = 1 << 16


def drop(x: Float[Tensor, "*any"], probability: float) -> Float[Tensor, "*any"]:
    """Set each element to zero with this probability (to 1 / 65,536), else divide it by the share that is kept."""
    if probability == 0 or x.device.type != "cpu":
        return F.dropout(x, probability)
    dropped = min(round(probability * LEVELS), LEVELS - 1)
    kept = words(x.numel()).view(x.shape) >= dropped - LEVELS // 2
    return x * kept.to(x.dtype).mul_(LEVELS / (LEVELS - dropped))


def words(count: int) -> Tensor:
    """Uniform 16-bit words `[count]`, seeded by the next draw of PyTorch's generator."""
    seed = int(torch.randint(2**62, ()))
    return torch.from_numpy(np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.int16)[:count])
