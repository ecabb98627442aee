"""Training a coder on a stream of activations, in one loop that can be killed at any moment and goes on bit for bit.

A batch is a function of the seed and its number, so the state of a training is its weights, the optimiser's, how long each
latent has been silent, and the step. A run's folder: `recipe.json`, `progress.jsonl`, `resume_00000123/`, `final/`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
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
    """Share of the latents that were active within `dead_after` tokens."""
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

    def scaled(self, pairs: Pairs) -> Pairs:
        """Activations as the coder reads them in training, in place."""
        self.target.apply_(pairs.y)
        if pairs.x is not pairs.y:
            self.source.apply_(pairs.x)
        return pairs


@dataclass
class _Filling:
    """The scaled content of the buffer, and its number."""

    number: int = -1
    pairs: Pairs | None = None


def fit(stream: Stream, recipe: Recipe, folder: Path, tied: bool = True, told: Told = lambda now: None) -> Coder:
    """Train a coder of raw activations, or go on with its training in the same folder. `tied`: input and target are the same.

    Raises NanoscopeError if the loss is no longer a number. Ctrl-C ends the step, saves the state and raises `Interrupted`.
    """
    with files.exclusive_lock(folder), freed_memory_kept(), noted() as interrupted:
        files.remove_leftovers(folder)
        state, first, filling = _opened(stream, recipe, folder, tied)
        told = _recorded(folder / "progress.jsonl", first, told)
        saved_at = began = time.monotonic()
        since: list[Step] = []
        for step in range(first, recipe.steps):
            x, y = _batch(stream, recipe, state, step, filling)
            since.append(_update(state, recipe, x, y, step))
            if (step + 1) % max(1, recipe.steps // LINES) == 0 or step + 1 == recipe.steps:
                pace = (time.monotonic() - began) / (step + 1 - first)
                told(_progress(since, state, recipe, step + 1, pace))
                since = []
            if (stop := interrupted()) or time.monotonic() - saved_at > SAVED_EVERY:
                _save(state, folder, step + 1)
                saved_at = time.monotonic()
            if stop:
                kept = f"{step + 1:,} of {recipe.steps:,} steps are kept"
                raise Interrupted(f"{kept}, and {GOES_ON}")
    return folded(state.coder, state.source, state.target)


def _batch(stream: Stream, recipe: Recipe, state: _State, step: int, filling: _Filling) -> tuple[Tensor, Tensor]:
    """The scaled batch of a step; the buffer is filled again where it lies in the next filling."""
    each = stream.tokens // recipe.batch
    if filling.number != step // each:
        filling.pairs = None  # before the next one takes as much memory again
        filling.number, filling.pairs = step // each, state.scaled(stream.filling(step // each))
    assert filling.pairs is not None
    rows = slice(step % each * recipe.batch, (step % each + 1) * recipe.batch)
    return filling.pairs.x[rows], filling.pairs.y[rows]


def _update(state: _State, recipe: Recipe, x: Tensor, y: Tensor, step: int) -> Step:
    """One step of the optimiser."""
    coder = state.coder
    for group in state.optimizer.param_groups:
        group["lr"] = rate(recipe, step)
    dead = (state.silent >= recipe.dead_after).nonzero().flatten()
    now = objective(coder, x, y, dead, recipe, min(1.0, 10 * step / recipe.steps))
    if not torch.isfinite(now.loss):
        raise NanoscopeError(f"the loss became {float(now.loss)} at step {step}; lower the learning rate")
    now.loss.backward()
    coder.without_parallel_gradient()
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=False)
    coder.with_unit_decoder()
    state.silent.add_(len(x)).masked_fill_(now.fired, 0)
    if recipe.kind == "batchtopk":
        with torch.no_grad():
            coder.threshold.mul_(KEPT if step else 0.0).add_((1 - KEPT if step else 1.0) * now.least)
    return now._replace(loss=now.loss.detach())


def _progress(since: list[Step], state: _State, recipe: Recipe, step: int, pace: float) -> FitProgress:
    count = len(since)
    alive = float((state.silent < recipe.dead_after).float().mean())
    fvu, l0 = sum(one.error for one in since) / count, sum(one.active for one in since) / count
    return FitProgress(step, recipe.steps, fvu, l0, alive, pace * (recipe.steps - step))


def _opened(stream: Stream, recipe: Recipe, folder: Path, tied: bool) -> tuple[_State, int, _Filling]:
    """A new training, or the saved state of an interrupted one; its next step; and the buffer, filled if it had to be."""
    shape = Shape(recipe.kind, *stream.widths, recipe.latents, recipe.k, recipe.skip)
    coder = starting(shape, tied, recipe.seed)
    optimizer = torch.optim.Adam([p for p in coder.parameters() if p.requires_grad], eps=1e-10, fused=True)
    for parameter in optimizer.param_groups[0]["params"]:
        moments = {key: torch.zeros_like(parameter) for key in ("exp_avg", "exp_avg_sq")}
        optimizer.state[parameter] = {"step": torch.zeros(()), **moments}
    silent = torch.zeros(recipe.latents, dtype=torch.long)
    saved = sorted(folder.glob("resume_*"))
    if saved:
        source, target = (Scale(torch.zeros(width), torch.zeros(())) for width in stream.widths)
        state = _State(coder, optimizer, silent, source, target)
        stored = safetensors.torch.load_file(saved[-1] / "state.safetensors")
        for name, value in state.tensors().items():
            value.copy_(stored[name])
        return state, step_of(saved[-1]), _Filling()
    pairs = stream.filling(0)
    target = Scale.of(pairs.y)
    state = _State(coder, optimizer, silent, target if pairs.x is pairs.y else Scale.of(pairs.x), target)
    return state, 0, _Filling(0, state.scaled(pairs))


def _save(state: _State, folder: Path, step: int) -> None:
    """Save the state, then remove the one before."""
    older = list(folder.glob("resume_*"))
    tensors = {name: value.clone() for name, value in state.tensors().items()}  # no two may share memory in the file
    with files.new_directory(folder / f"resume_{step:08d}") as temporary:
        (temporary / "state.safetensors").write_bytes(safetensors.torch.save(tensors))
    remove(older)


def step_of(state: Path) -> int:
    """The step at which a state was saved."""
    return int(state.name.removeprefix("resume_"))


def remove(folders: list[Path]) -> None:
    """Remove saved states."""
    for folder in folders:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


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
