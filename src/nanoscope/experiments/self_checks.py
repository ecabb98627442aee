"""Self-checks: identities that hold for every GPT, tested on the user's model before any analysis.

A library that is silently wrong is worse than none. Each check is an equality that must hold; errors are relative to the
largest value compared. A model that fails one is not analysed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nanoscope.analysis.prediction import direct_attribution, logit_lens
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import patch
from nanoscope.interventions.replay import replay
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import WHOLE_MODEL, Site, sites_of
from nanoscope.progress import Progress, silent
from nanoscope.seeds import seed_for
from nanoscope.tasks.task import Task

TOLERANCE = 1e-5
EXAMPLES = 3
LENGTH = 16


@dataclass(frozen=True)
class Check:
    """One identity, with its error relative to the largest value compared, and the largest error allowed."""

    name: str
    error: float
    limit: float

    @property
    def passed(self) -> bool:
        return self.error <= self.limit  # False for an error of NaN


@torch.no_grad()
def self_checks(model: GPT, progress: Progress = silent) -> tuple[Check, ...]:
    """Test every identity on a few random prompts of the model's own tokens."""
    task = _random_pair(model)
    checks: list[tuple[str, Callable[[GPT, Task], float], float]] = [
        ("patching a run with its own activations changes nothing", _identity_patch, 0.0),
        ("patching everything reproduces the other run exactly", _patch_everything, 0.0),
        ("patching before the first difference has no effect", _before_the_difference, 0.0),
        ("embeddings + heads + MLPs + biases = residual stream", _decomposition, TOLERANCE),
        ("direct logit attribution sums to the logits", _attribution, TOLERANCE),
        ("the lens at the last layer is the model", _lens, TOLERANCE),
        ("explicit attention = fused attention", _tapped, TOLERANCE),
        ("the logits do not depend on the rest of the batch", _batch, TOLERANCE),
        ("a replayed cell = a full forward pass", _replayed, TOLERANCE),
    ]
    found = []
    for done, (name, error, limit) in enumerate(checks):
        progress(name, done, len(checks))
        found.append(Check(name, error(model, task), limit))
    return tuple(found)


def require_sound(model: GPT) -> None:
    """Raise NanoscopeError naming the first identity that the model breaks, if any."""
    broken = next((check for check in self_checks(model) if not check.passed), None)
    if broken is not None:
        raise NanoscopeError(
            f"the model fails a self-check, so it is not analysed: {broken.name} (error {broken.error:.1e}, "
            f"limit {broken.limit:.0e}); `nanoscope check` shows all of them"
        )


def _random_pair(model: GPT) -> Task:
    """Pairs of prompts that differ in one token in the middle, read at the last position."""
    generator = torch.Generator().manual_seed(seed_for("checks"))
    length = min(LENGTH, model.config.block_size)
    clean = torch.randint(model.config.vocab_size, (EXAMPLES, length), generator=generator)
    corrupt = clean.clone()
    corrupt[:, length // 2] = (clean[:, length // 2] + 1) % model.config.vocab_size
    answer = torch.zeros(EXAMPLES, 1, dtype=torch.long)
    return Task(clean, corrupt, answer, answer + model.config.vocab_size - 1, torch.full((EXAMPLES, 1), length - 1))


def _relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-9))


def _last(model: GPT) -> Site:
    return Site("resid_post", model.config.n_layer - 1)


def _identity_patch(model: GPT, task: Task) -> float:
    logits, cache = run(model, task.clean, keep=["resid_pre", "z"])
    return _relative(run(model, task.clean, [patch(Site(*key), cache) for key in cache]).logits, logits)


def _patch_everything(model: GPT, task: Task) -> float:
    logits, cache = run(model, task.clean, keep=["resid_pre"])
    return _relative(run(model, task.corrupt, [patch(Site("resid_pre", 0), cache)]).logits, logits)


def _before_the_difference(model: GPT, task: Task) -> float:
    _, cache = run(model, task.clean, keep=["resid_pre"])
    edits = [patch(Site("resid_pre", 0, pos=pos), cache) for pos in range(task.first_difference)]
    return _relative(run(model, task.corrupt, edits).logits, run(model, task.corrupt).logits)


def _decomposition(model: GPT, task: Task) -> float:
    cache = run(model, task.clean, keep=direct_attribution.KEPT).cache
    return _relative(sum(direct_attribution.parts(model, cache), torch.zeros(())), cache[_last(model)])


def _attribution(model: GPT, task: Task) -> float:
    return direct_attribution.logit_difference(model, task).unexplained


def _lens(model: GPT, task: Task) -> float:
    return _relative(logit_lens.lens_logits(model, task.clean)[-1], run(model, task.clean).logits)


def _tapped(model: GPT, task: Task) -> float:
    return _relative(run(model, task.clean, keep=["pattern"]).logits, run(model, task.clean).logits)


def _batch(model: GPT, task: Task) -> float:
    return _relative(run(model, task.clean[:1]).logits, run(model, task.clean).logits[:1])


def _replayed(model: GPT, task: Task) -> float:
    """One cell of every kind of site, by the replay engine and by a full forward pass each."""
    names = sites_of(model.config)
    source = run(model, task.clean, keep=names).cache
    last = model.config.n_layer - 1
    sites = [Site(name, None if name in WHOLE_MODEL else layer) for name in names for layer in {0, last}]
    cells = [[patch(site, source)] for site in sites]
    try:
        found = replay(model, task.corrupt, cells, task.positions, lambda logits: logits[:, 0].square().mean(-1))
    except NanoscopeError:  # activations that are not finite, or differ between two runs
        return float("inf")
    logits = [run(model, task.corrupt, cell).logits[:, int(task.positions[0, 0])] for cell in cells]
    return _relative(found.values, torch.stack(logits).square().mean(-1).double().cpu())
