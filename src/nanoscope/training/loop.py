"""Training: nanoGPT's recipe in one loop that can be killed at any moment and resumed with identical results.

All randomness of iteration i (batch, dropout masks) is seeded by (seed, i), so the state of a run consists only of its
weights, its optimizer state and i.

A run's folder: `recipe.json`, `stretches.json`, `metrics.jsonl`, `checkpoints/step_00001234/`, `resume_00001234/`, `final/`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from nanoscope import files
from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.errors import Interrupted, NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.training import stretches
from nanoscope.training.allocator import freed_memory_kept
from nanoscope.training.batches import Batches, EchoBatches, TextBatches
from nanoscope.training.evaluate import consecutive_windows, evaluate, mean_loss
from nanoscope.training.interrupts import noted
from nanoscope.training.recipe import ONE_THREAD, Machine, Recipe, learning_rate, scheduled
from nanoscope.training.settings import claim
from nanoscope.training.state import make_optimizer, started, state_of

RESUME_SECONDS = 30.0


class TrainingProgress(NamedTuple):
    """Progress reported after each iteration."""

    step: int
    total: int
    loss: float
    val_loss: float | None
    seconds_left: float


def make_batches(recipe: Recipe, tokens: Tensor, symbols: int) -> Batches:
    """The training data of a recipe."""
    text = TextBatches(tokens, recipe.model.block_size)
    return text if recipe.data == "text" else EchoBatches(text, symbols, recipe.copied)


def update(
    model: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    recipe: Recipe,
    iteration: int,
) -> Tensor:
    """One iteration: accumulate gradients over the micro-batches, clip, step. Returns the mean loss, a 0-d tensor."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    device = parameters[0].device
    torch.manual_seed(seed_for("dropout", recipe.seed, iteration))
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe, iteration)
    total = torch.zeros((), device=device)
    for micro in range(recipe.accumulation):
        window = batches.draw("train", recipe.seed, iteration, micro, size=recipe.batch_size).to(device)
        with _precision(recipe, device):
            loss = mean_loss(model, window) / recipe.accumulation
        loss.backward()
        total += loss.detach()
    if recipe.grad_clip:
        torch.nn.utils.clip_grad_norm_(parameters, recipe.grad_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total


def validation_windows(recipe: Recipe, tokens: Tensor, symbols: int) -> Tensor:
    """The fixed windows for the curve of validation losses."""
    return make_batches(recipe, tokens, symbols).draw("validation", size=recipe.eval_windows)


def train(
    recipe: Recipe,
    corpus: Corpus,
    folder: Path,
    machine: Machine = ONE_THREAD,
    progress: Callable[[TrainingProgress], None] = lambda now: None,
) -> Checkpoint:
    """Train by the recipe, or continue an interrupted training in the same folder.

    Returns the final checkpoint, whose `training` holds the recipe and the loss on the whole validation split.
    Raises NanoscopeError if the folder belongs to another recipe or text, or another run is writing to it. Ctrl-C ends the
    iteration, saves the state and raises `Interrupted`.
    """
    material = _Material.of(recipe, corpus)
    recipe = replace(recipe, model=replace(recipe.model, vocab_size=len(material.vocabulary)))
    with files.exclusive_lock(folder), _threads(machine.threads), freed_memory_kept():
        files.remove_leftovers(folder)
        files.remove_leftovers(folder / "checkpoints")
        claim(folder, recipe, corpus, machine)
        if not (folder / "final").exists():
            with noted() as interrupted:
                run = _Run.begun(recipe, material, folder, machine)
                _loop(run, progress, interrupted)
                _finish(run, interrupted)
        return load(folder / "final")


@dataclass(frozen=True)
class _Material:
    """The data of a training. Creating it raises NanoscopeError if the text is too short."""

    corpus: Corpus
    vocabulary: Vocabulary
    val_tokens: Tensor
    batches: Batches
    val_windows: Tensor

    @staticmethod
    def of(recipe: Recipe, corpus: Corpus) -> _Material:
        vocabulary = corpus.vocabulary
        train_tokens, val_tokens = corpus.split(vocabulary)
        batches = make_batches(recipe, train_tokens, len(vocabulary))
        return _Material(
            corpus, vocabulary, val_tokens, batches, validation_windows(recipe, val_tokens, len(vocabulary))
        )


@dataclass(frozen=True)
class _Run:
    """A training that is under way, from its first iteration in this call on."""

    recipe: Recipe
    material: _Material
    folder: Path
    machine: Machine
    model: GPT
    optimizer: torch.optim.AdamW
    first: int
    history: list[stretches.Stretch]

    @staticmethod
    def begun(recipe: Recipe, material: _Material, folder: Path, machine: Machine) -> _Run:
        """A new training, or the state that an interrupted one saved."""
        model, optimizer, first = started(recipe, folder, machine)
        return _Run(
            recipe, material, folder, machine, model, optimizer, first, _begin_stretch(recipe, folder, machine, first)
        )

    @property
    def iterations(self) -> range:
        """Those that are left."""
        return range(self.first, self.recipe.iterations)

    def validated(self, iteration: int) -> float | None:
        """The loss on validation windows before an iteration at which it is due."""
        due = iteration % self.recipe.eval_every == 0
        return evaluate(self.model, self.material.val_windows) if due else None

    def save_step(self, step: int) -> None:
        """Save a scheduled checkpoint."""
        path = self.folder / "checkpoints" / f"step_{step:08d}"
        if not path.exists():
            save(self._checkpoint(step, {}), path)

    def save_resume(self, step: int) -> None:
        """Save the state that the next iteration depends on, then remove older ones."""
        older = list(self.folder.glob("resume_*"))
        with files.new_directory(self.folder / f"resume_{step:08d}") as temporary:
            (temporary / "state.safetensors").write_bytes(safetensors.torch.save(state_of(self.model, self.optimizer)))
        for path in older:
            files.remove_directory(path)

    def save_final(self, losses: Mapping[str, float]) -> None:
        """Save the trained model; nothing is left to go on from."""
        save(self._checkpoint(self.recipe.iterations, losses), self.folder / "final")
        for path in self.folder.glob("resume_*"):
            files.remove_directory(path)

    def _checkpoint(self, step: int, losses: Mapping[str, float]) -> Checkpoint:
        metadata = {**_metadata(self.recipe, self.machine, self.history, step), **losses}
        return Checkpoint(self.model, self.material.vocabulary, self.material.corpus.name, metadata)


def _loop(run: _Run, progress: Callable[[TrainingProgress], None], interrupted: Callable[[], bool]) -> None:
    """All iterations that are left, with the checkpoints and the curves."""
    recipe, saved_at = run.recipe, time.monotonic()
    runnable = torch.compile(run.model) if run.machine.compile else run.model
    metrics, pace = _Metrics(run.folder, run.first), _Pace(len(run.iterations))
    for done, iteration in enumerate(run.iterations, 1):
        if scheduled(recipe, iteration):
            run.save_step(iteration)
        val_loss = run.validated(iteration)
        loss = float(update(runnable, run.optimizer, run.material.batches, recipe, iteration))  # pyright: ignore[reportArgumentType]
        if not math.isfinite(loss):
            raise NanoscopeError(f"the loss became {loss} at iteration {iteration}; lower the learning rate")
        metrics.add(iteration, loss, val_loss, learning_rate(recipe, iteration))
        progress(TrainingProgress(iteration + 1, recipe.iterations, loss, val_loss, pace.seconds_left(done)))
        if (stop := interrupted()) or time.monotonic() - saved_at > RESUME_SECONDS:
            run.save_resume(iteration + 1)
            saved_at = time.monotonic()
        if stop:
            raise Interrupted(_kept(iteration + 1, recipe))


def _finish(run: _Run, interrupted: Callable[[], bool]) -> None:
    """The losses of the trained model, and its last checkpoint."""
    last = run.recipe.iterations
    losses = _losses(run.model, run.material, run.recipe)
    if interrupted():
        run.save_resume(last)
        raise Interrupted(_kept(last, run.recipe))
    _Metrics(run.folder, last).add(last, None, losses["val_loss_own_data"], 0.0)
    run.save_step(last)
    run.save_final(losses)


def _losses(model: GPT, material: _Material, recipe: Recipe) -> dict[str, float]:
    """The losses of a trained model on the whole validation split and on windows of its own data."""
    whole = consecutive_windows(material.val_tokens, recipe.model.block_size)
    return {"val_loss": evaluate(model, whole), "val_loss_own_data": evaluate(model, material.val_windows)}


def _kept(step: int, recipe: Recipe) -> str:
    return f"{step:,} of {recipe.iterations:,} iterations are kept, and the same command goes on from there"


def checkpoints(folder: Path) -> dict[int, Path]:
    """The scheduled checkpoints of a run, by step."""
    return {int(path.name.removeprefix("step_")): path for path in sorted((folder / "checkpoints").glob("step_*"))}


def seconds_per_iteration(recipe: Recipe, corpus: Corpus, machine: Machine, iterations: int = 20) -> float:
    """Median time of a few iterations on a temporary model, in seconds."""
    recipe = replace(recipe, model=replace(recipe.model, vocab_size=len(corpus.vocabulary)))
    with _threads(machine.threads), freed_memory_kept():
        model = GPT(recipe.model).to(machine.device).train()
        batches = make_batches(recipe, corpus.split(corpus.vocabulary)[0], len(corpus.vocabulary))
        optimizer, seconds = make_optimizer(model, recipe), []
        for iteration in range(iterations):
            began = time.perf_counter()
            float(update(model, optimizer, batches, recipe, iteration))
            seconds.append(time.perf_counter() - began)
    return sorted(seconds)[len(seconds) // 2]


# ---- starting, stopping, resuming ----------------------------------------------------------------------------------


def _begin_stretch(recipe: Recipe, folder: Path, machine: Machine, first: int) -> list[stretches.Stretch]:
    """Record a new stretch. If its machine differs, first remove later checkpoints, which belong to an abandoned path."""
    before, now = stretches.of(folder), stretches.continued(folder, first, recipe, machine)
    if before and now != before:
        for step, path in checkpoints(folder).items():
            if step > first:
                files.remove_directory(path)
    stretches.record(folder, now)
    return now


def _metadata(recipe: Recipe, machine: Machine, history: list[stretches.Stretch], step: int) -> dict[str, Any]:
    """The training record stored in checkpoints: plain values, equal for all runs on one kind of machine."""
    plain = {key: value for key, value in recipe.stored().items() if key != "model"}
    where = {"device": machine.device, "threads": machine.threads, "stretches": stretches.plain(history)}
    return {**plain, "betas": list(recipe.betas), "step": step, **where}


class _Metrics:
    """Appends one JSON line per iteration. Lines of an interrupted run after its resume point are removed."""

    def __init__(self, folder: Path, first: int) -> None:
        self.path = folder / "metrics.jsonl"
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] < first]
        files.write_bytes(self.path, "".join(line + "\n" for line in kept).encode())

    def add(self, step: int, loss: float | None, val_loss: float | None, rate: float) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, "loss": loss, "val_loss": val_loss, "lr": rate}) + "\n")


class _Pace:
    """Estimates the time left from the mean speed so far."""

    def __init__(self, total: int) -> None:
        self.total, self.began = total, time.monotonic()

    def seconds_left(self, done: int) -> float:
        return (time.monotonic() - self.began) / max(1, done) * (self.total - done)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _precision(recipe: Recipe, device: torch.device) -> AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16) if recipe.precision == "bfloat16" else nullcontext()
