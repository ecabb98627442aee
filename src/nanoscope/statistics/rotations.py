"""Random rotations, uniformly distributed."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rotation(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    """A rotation (or reflection) drawn uniformly: QR of a Gaussian matrix, signs fixed (Mezzadri 2007)."""
    q, r = torch.linalg.qr(torch.randn(size, size, generator=generator))
    return q * r.diagonal().sign()
