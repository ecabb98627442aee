"""Small GPTs as their authors write them: plain torch modules with their own names, layouts and habits, random weights.

Each is a `LookAlike`: the author's module, the content of the author's file, and what must be said to open it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

VOCAB, WIDTH, LAYERS, HEADS, CONTEXT = 29, 24, 2, 4, 12


@dataclass(frozen=True)
class LookAlike:
    """An author's model and file."""

    model: Callable[[Tensor], Tensor]
    content: Any
    """What the author saves."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the user must say."""
    config: dict[str, Any] = field(default_factory=dict)
    """Fields that must have been read."""
    notes: tuple[str, ...] = ()
    """Words that some note must hold."""


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with weights so large that every part matters, evaluated without gradients."""
    torch.manual_seed(seed)
    for parameter in module.parameters():
        with torch.no_grad():
            around = 1.0 if parameter.dim() == 1 and bool((parameter == 1).all()) else 0.0
            parameter.copy_(around + 0.3 * torch.randn_like(parameter))
    return module.eval().requires_grad_(False)


def causal(size: int) -> Tensor:
    """True where a position may not look."""
    return torch.ones(size, size, dtype=torch.bool).triu(1)


def sinusoids(context: int, width: int) -> Tensor:
    """The table of the original transformer, as tutorials write it."""
    position = torch.arange(context).float()[:, None]
    rates = torch.exp(torch.arange(0, width, 2).float() * (-torch.log(torch.tensor(10000.0)) / width))
    table = torch.zeros(context, width)
    table[:, 0::2], table[:, 1::2] = torch.sin(position * rates), torch.cos(position * rates)
    return table
