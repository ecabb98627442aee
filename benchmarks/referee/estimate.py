"""A number with its standard error, and when it agrees with a published one.

    ratio r = sum(top) / sum(bottom) over examples;   error^2 = n var(top - r bottom) / sum(bottom)^2   (the delta method)

The example is the unit (a window, a sequence), never the single position: positions of one text are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

WIDE = 1.96
"""Half a 95 % interval, in standard errors."""


@dataclass(frozen=True)
class Estimate:
    """A value with the standard error of its sampling: 0 where nothing was sampled. A name has no error."""

    value: float | str
    error: float = 0.0


@dataclass(frozen=True)
class Published:
    """What the study says: with a 95 % interval, or exact to `digits` after the point, or a name; and which result says so."""

    value: float | str
    source: str
    low: float | None = None
    high: float | None = None
    digits: int = 0


def ratio(top: Tensor, bottom: Tensor) -> Estimate:
    """sum(top) / sum(bottom) over examples."""
    top, bottom = top.double(), bottom.double()
    value = top.sum() / bottom.sum()
    spread = (top - value * bottom).std() * len(top) ** 0.5
    return Estimate(float(value), float((spread / bottom.sum()).abs()))


def mean(values: Tensor) -> Estimate:
    return ratio(values, torch.ones(len(values)))


def around(estimate: Estimate, source: str) -> Published:
    """A published estimate whose examples are stored, with its interval."""
    value, reach = float(estimate.value), WIDE * estimate.error
    return Published(value, source, value - reach, value + reach)


def agrees(published: Published, recomputed: Estimate) -> bool:
    """Within the published interval widened by two of the recomputation's errors; exact ones to the printed digits."""
    said, found = published.value, recomputed.value
    if isinstance(said, str) or isinstance(found, str):
        return said == found
    if published.low is None or published.high is None:
        return abs(found - said) <= 0.5 * 10.0**-published.digits
    return published.low - 2 * recomputed.error <= found <= published.high + 2 * recomputed.error
