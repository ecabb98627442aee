"""Logistic regression by Newton's method, and the area under the ROC curve (docs/methods/failures.md, statistics.md)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from referee.estimate import Estimate

STEPS = 25
GROUPS = 20


def told(features: Tensor, wrong: Tensor) -> Estimate:
    """AUROC of a regression of `wrong` on the features, fitted on every other window and judged on those between.

    `features` [window, place, feature], `wrong` [window, place]. The error is the jackknife's, over groups of windows."""
    weights = _fitted(features[::2].flatten(0, 1).double(), wrong[::2].flatten().double())
    score, label = (F.pad(features[1::2].double(), (1, 0), value=1.0) @ weights), wrong[1::2]
    group = torch.arange(len(score)) % GROUPS
    without = torch.stack([auroc(score[group != left], label[group != left]) for left in range(GROUPS)])
    return Estimate(float(auroc(score, label)), float(((GROUPS - 1) * without.var(unbiased=False)).sqrt()))


def auroc(score: Tensor, label: Tensor) -> Tensor:
    """The probability that a true case scores above a false one, ties counting half."""
    true, false = score[label].flatten(), score[~label].flatten().sort().values
    below = torch.searchsorted(false, true) + torch.searchsorted(false, true, right=True)
    return below.double().mean() / (2 * len(false))


def _fitted(features: Tensor, label: Tensor) -> Tensor:
    """The maximum of the likelihood, the constant first."""
    read = F.pad(features, (1, 0), value=1.0)
    weights = torch.zeros(read.shape[1], dtype=read.dtype)
    for _ in range(STEPS):
        chance = (read @ weights).sigmoid()
        curvature = read.T @ (read * (chance * (1 - chance)).unsqueeze(1))
        weights = weights + torch.linalg.solve(curvature, read.T @ (label - chance))
    return weights
