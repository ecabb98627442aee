"""Training coders on streams of activations, in one loop that can be killed at any moment and goes on bit for bit.

A batch is a function of the seed and its number, so the state of a training is its weights, the optimiser's, how long each
latent has been silent, and the step. A run's folder: `recipe.json`, `progress.jsonl`, `resume_00000123/`, `final/`. Several
coders take turns, filling by filling, so that one pass through the model serves all; no training knows of the others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from nanoscope import files
from nanoscope.dictionaries.coder import Coder, Scale, Shape, folded, starting
from nanoscope.dictionaries.objective import Recipe, Step, objective, rate
from nanoscope.dictionaries.source import Pairs, Stream
from nanoscope.errors import Interrupted, NanoscopeError
from nanoscope.training.allocator import freed_memory_kept
from nanoscope.training.interrupts import noted

SAVED_EVERY = 30.0
"""Seconds between two saved states; there is only ever one."""
LINES = 100
GOES_ON = "the same command goes on from there"
KEPT = 0.99
"""Of batchtopk's threshold, at each step: an average over about the last 100 batches."""


class FitProgress(NamedTuple):
    """How far a training is: means over the steps since it was last told."""

    step: int
    steps: int
    fvu: float
    l0: float
    alive: float
    """Share of the latents that were active within the recipe's `patience`."""
    seconds_left: float


Told = Callable[[FitProgress], None]


@dataclass
class _State:
    """All that the next step depends on."""

    coder: Coder
    optimizer: torch.optim.Adam
    silent: Tensor
    """Tokens since each latent was last active."""
    source: Scale
    target: Scale

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by its name, to be stored or to be overwritten by what was."""
        found = {f"coder.{name}": value.data for name, value in self.coder.named_parameters()}
        for name, value in self.coder.named_parameters():
            found |= {f"adam.{key}.{name}": kept for key, kept in self.optimizer.state[value].items()}
        scales = {"source": self.source, "target": self.target}
        found |= {f"{end}.{part}": getattr(scale, part) for end, scale in scales.items() for part in ("mean", "size")}
        return {**found, "silent": self.silent}


@dataclass(frozen=True)
class Job:
    """One training: on what, by which recipe, and the folder of its state. `tied`: input and target are the same."""

    stream: Stream
    recipe: Recipe
    folder: Path
    tied: bool = True


@dataclass
class _Run:
    """A training that is under way."""

    job: Job
    state: _State
    step: int
    told: Told
    first: int = 0
    spent: float = 0.0
    """Seconds of its steps and of what they waited for."""
    pairs: Pairs | None = None
    """The filling that it is in."""
    since: list[Step] = field(default_factory=list)

    @property
    def filling(self) -> int:
        """The number of the filling that the next step reads."""
        return self.step // (self.job.stream.tokens // self.job.recipe.batch)

    def advance(self) -> None:
        """One step; what is told of it."""
        began, recipe = time.monotonic(), self.job.recipe
        self.since.append(_update(self.state, recipe, *self._batch(), self.step))
        self.step += 1
        self.spent += time.monotonic() - began
        if self.step % max(1, recipe.steps // LINES) == 0 or self.step == recipe.steps:
            self.told(_progress(self.since, self.state, recipe, self.step, self.spent / (self.step - self.first)))
            self.since = []

    def _batch(self) -> Pairs:
        """The scaled batch of the next step."""
        self.pairs = self.job.stream.filling(self.filling) if self.pairs is None else self.pairs
        size, state = self.job.recipe.batch, self.state
        begin = self.step * size - self.filling * self.job.stream.tokens
        x, y = (part[begin : begin + size] for part in self.pairs)
        scaled = state.target.apply(y)
        return Pairs(scaled if self.pairs.x is self.pairs.y else state.source.apply(x), scaled)


def fit(stream: Stream, recipe: Recipe, folder: Path, tied: bool = True, told: Told = lambda now: None) -> Coder:
    """Train a coder of raw activations, or go on with its training in the same folder.

    Raises NanoscopeError if the loss is no longer a number. Ctrl-C ends the step, saves the state and raises `Interrupted`.
    """
    return fit_together([Job(stream, recipe, folder, tied)], told)[0]


def fit_together(jobs: Sequence[Job], told: Told = lambda now: None) -> list[Coder]:
    """Train several coders side by side, in turns of one filling. As `fit`; `told` hears of all of them."""
    with ExitStack() as held, freed_memory_kept(), noted() as interrupted:
        for job in jobs:
            held.enter_context(files.exclusive_lock(job.folder))
            files.remove_leftovers(job.folder)
        runs, saved_at = [_opened(job, told) for job in jobs], time.monotonic()
        for run in _turns(runs):
            run.advance()
            if (stop := interrupted()) or time.monotonic() - saved_at > SAVED_EVERY:
                for one in runs:
                    _save(one.state, one.job.folder, one.step)
                saved_at = time.monotonic()
            if stop:
                kept, steps = (
                    sum(counts) for counts in zip(*((one.step, one.job.recipe.steps) for one in runs), strict=True)
                )
                raise Interrupted(f"{kept:,} of {steps:,} steps are kept, and {GOES_ON}")
    return [folded(run.state.coder, run.state.source, run.state.target) for run in runs]


def _turns(runs: Sequence[_Run]) -> Iterator[_Run]:
    """Whose step is next, until all are done: the least filling first, in it each training to the filling's end."""
    while left := [run for run in runs if run.step < run.job.recipe.steps]:
        number = min(run.filling for run in left)
        for run in runs:
            run.pairs = None  # no run may hold a filling while the next one takes as much memory again
        for run in left:
            while run.filling == number and run.step < run.job.recipe.steps:
                yield run


def _update(state: _State, recipe: Recipe, x: Tensor, y: Tensor, step: int) -> Step:
    """One step of the optimiser."""
    coder = state.coder
    for group in state.optimizer.param_groups:
        group["lr"] = rate(recipe, step)
    dead = (state.silent >= recipe.patience).nonzero().flatten()
    now = objective(coder, x, y, dead, recipe, min(1.0, 10 * step / recipe.steps))
    if not torch.isfinite(now.loss):
        raise NanoscopeError(
            f"the loss became {float(now.loss)} at step {step}; give fewer latents, or a `Recipe` of a lower learning rate"
        )
    now.loss.backward()
    coder.without_parallel_gradient()
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=False)
    coder.with_unit_decoder()
    coder.with_thresholds_from_zero()
    state.silent.add_(len(x)).masked_fill_(now.fired, 0)
    if recipe.kind == "batchtopk":
        with torch.no_grad():
            coder.threshold.mul_(KEPT if step else 0.0).add_((1 - KEPT if step else 1.0) * now.least)
    return now._replace(loss=now.loss.detach())


def _progress(since: list[Step], state: _State, recipe: Recipe, step: int, pace: float) -> FitProgress:
    count = len(since)
    alive = float((state.silent < recipe.patience).float().mean())
    fvu, l0 = sum(one.error for one in since) / count, sum(one.active for one in since) / count
    return FitProgress(step, recipe.steps, fvu, l0, alive, pace * (recipe.steps - step))


def _opened(job: Job, told: Told) -> _Run:
    """A new training, or the saved state of an interrupted one."""
    recipe, widths = job.recipe, job.stream.widths
    coder = starting(Shape(recipe.kind, *widths, recipe.latents, recipe.k, recipe.skip), job.tied, recipe.seed)
    optimizer = torch.optim.Adam([p for p in coder.parameters() if p.requires_grad], eps=1e-10, fused=True)
    for parameter in optimizer.param_groups[0]["params"]:
        moments = {key: torch.zeros_like(parameter) for key in ("exp_avg", "exp_avg_sq")}
        optimizer.state[parameter] = {"step": torch.zeros(()), **moments}
    silent = torch.zeros(recipe.latents, dtype=torch.long)
    saved = sorted(job.folder.glob("resume_*"))
    step = step_of(saved[-1]) if saved else 0
    if saved:
        source, target = (Scale(torch.zeros(width), torch.zeros(())) for width in widths)
    else:
        pairs = job.stream.filling(0)
        target = Scale.of(pairs.y)
        source = target if pairs.x is pairs.y else Scale.of(pairs.x)
    state = _State(coder, optimizer, silent, source, target)
    if saved:
        stored = safetensors.torch.load_file(saved[-1] / "state.safetensors")
        for name, value in state.tensors().items():
            value.copy_(stored[name])
    return _Run(job, state, step, _recorded(job.folder / "progress.jsonl", step, told), step)


def _save(state: _State, folder: Path, step: int) -> None:
    """Save the state, then remove the one before."""
    older = list(folder.glob("resume_*"))
    tensors = {name: value.clone() for name, value in state.tensors().items()}  # no two may share memory in the file
    with files.new_directory(folder / f"resume_{step:08d}") as temporary:
        (temporary / "state.safetensors").write_bytes(safetensors.torch.save(tensors))
    for path in older:
        files.remove_directory(path)


def step_of(state: Path) -> int:
    """The step at which a state was saved."""
    return int(state.name.removeprefix("resume_"))


def _recorded(path: Path, first: int, told: Told) -> Told:
    """`told`, with a line in a file for each call; lines of an interrupted run after its saved state are removed."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= first]
    files.write_bytes(path, "".join(line + "\n" for line in kept).encode())

    def record(now: FitProgress) -> None:
        with path.open("a") as file:
            file.write(
                json.dumps({name: value for name, value in now._asdict().items() if name != "seconds_left"}) + "\n"
            )
        told(now)

    return record
