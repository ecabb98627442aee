"""Tensors of a state dict that are computed anew in every run: causal masks, and tables of rotations."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

BUFFER = re.compile(
    r"(mask|tril|triu|causal|inv_freq|masked_bias|ignore|freqs?_cis|freqs_(cos|sin)|(cos|sin)_(cached|table)|position_ids|"
    r"rotary|rope|(^|\.)(cos|sin)$)"
)
"""Last words of their names; masks are known by their values too."""


def is_buffer(name: str, value: Tensor) -> bool:
    """A mask, or another table that is computed anew."""
    return is_mask(value) or bool(BUFFER.search(name.lower().split(".")[-1]))


def is_mask(value: Tensor) -> bool:
    """One number at or below the diagonal and zeros above, or the other way round, with any leading axes of one."""
    size = value.shape[-1] if value.dim() >= 2 else 0
    if size < 2 or value.numel() != size**2 or value.shape[-2] != size:
        return False
    there = value.reshape(size, size) != 0
    lower = torch.ones_like(there).tril()
    return torch.equal(there, lower) or torch.equal(~there, lower)


def context_of_masks(weights: Mapping[str, Tensor]) -> int | None:
    """The context that a causal mask is made for."""
    return next((value.shape[-1] for value in weights.values() if is_mask(value)), None)
