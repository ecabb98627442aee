"""Features, the known answers: planted features, which a dictionary must find, and noise in which there are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nanoscope.dictionaries.fit import fit
from nanoscope.dictionaries.metrics import mean_max_cosine
from nanoscope.dictionaries.objective import Recipe
from nanoscope.dictionaries.source import Pairs
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.measuring import Sweeps

RECIPE = Recipe("topk", 96, 3, tokens=500_000, batch=512, learning_rate=5e-3, dead_after=20_000)


@dataclass(frozen=True)
class PlantedFeatures:
    """Sums of few of `features` known directions in `d` dimensions, each present independently with a random strength."""

    features: int = 96
    present: float = 3.0
    tokens: int = 4096
    d: int = 64
    directions: Float[Tensor, "feature d"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        drawn = torch.randn(self.features, self.d, generator=torch.Generator().manual_seed(0))
        object.__setattr__(self, "directions", F.normalize(drawn, dim=1))

    @property
    def widths(self) -> tuple[int, int]:
        return self.d, self.d

    def filling(self, number: int) -> Pairs:
        generator = torch.Generator().manual_seed(100 + number)
        size = (self.tokens, self.features)
        on = torch.rand(size, generator=generator) < self.present / self.features
        x = (on * (0.5 + torch.rand(size, generator=generator))) @ self.directions
        return Pairs(x, x)


@dataclass(frozen=True)
class Noise(PlantedFeatures):
    """Gaussian vectors with the same mean and covariance: as much to explain, and no features."""

    def filling(self, number: int) -> Pairs:
        generator = torch.Generator().manual_seed(100 + number)
        share = self.present / self.features
        spread = (share * 13 / 12 - share**2) ** 0.5  # strengths are uniform on 0.5..1.5, with mean square 13/12
        strengths = share + spread * torch.randn(self.tokens, self.features, generator=generator)
        x = strengths @ self.directions
        return Pairs(x, x)


def known_answers(folder: Path) -> Sweeps:
    """The mean largest cosine of the planted directions with those of a dictionary of their sums, and of one of the noise."""
    streams = {"planted": PlantedFeatures(), "noise": Noise()}
    found = [mean_max_cosine(one.directions, fit(one, RECIPE, folder / name).W_dec) for name, one in streams.items()]
    return {"known": Sweep(np.array(found), ("stream",), "cosine", {"stream": tuple(streams)})}
