"""Settings of a training: the recipe, its learning rates and checkpoint schedule, and the machine."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import torch

from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig

Precision = Literal["float32", "bfloat16"]
NATIVE_BFLOAT16 = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
LATER_FIELDS = ("copied",)
"""Fields added after the first release. They are stored only where they differ from their default."""


@dataclass(frozen=True)
class Recipe:
    """All settings that determine the final weights, with nanoGPT's defaults for character models."""

    model: GPTConfig
    iterations: int = 5000
    batch_size: int = 64
    accumulation: int = 1
    """Micro-batches per iteration; the effective batch is batch_size x accumulation."""
    seed: int = 1
    data: Literal["text", "echo"] = "text"
    copied: float = 1.0
    """Echo data: the share of windows whose second span is a copy of the first; in the others it is another random one."""
    learning_rate: float = 1e-3
    min_learning_rate: float = 1e-4
    warmup: int = 100
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    checkpoint_every: int = 100
    dense_until: int = 512
    """Checkpoints are at 0, 1, 2, 4, ... up to this step, and at every multiple of `checkpoint_every`."""
    eval_every: int = 250
    eval_windows: int = 64
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size", "accumulation", "checkpoint_every", "eval_every", "eval_windows"):
            if getattr(self, name) < 1:
                raise NanoscopeError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.min_learning_rate <= self.learning_rate:
            raise NanoscopeError("learning rates must satisfy 0 < min_learning_rate <= learning_rate")
        if not 0 <= self.copied <= 1:
            raise NanoscopeError(f"copied is a share of windows, from 0 to 1, not {self.copied}")
        if self.copied < 1 and self.data != "echo":
            raise NanoscopeError("copied needs data='echo': windows of text have no spans to copy")

    def stored(self) -> dict[str, Any]:
        """The fields as stored in a run's folder, a study's keys and checkpoints; the model as in `GPTConfig.stored`.
        `LATER_FIELDS` are left out where they have their default, so that older keys and checksums stay."""
        defaults = {f.name: f.default for f in fields(self)}
        kept = {k: v for k, v in asdict(self).items() if k not in LATER_FIELDS or v != defaults[k]}
        return {**kept, "model": self.model.stored()}


@dataclass(frozen=True)
class Machine:
    """The machine of a training. The thread count affects rounding, so it is recorded with the weights."""

    device: str = "cpu"
    threads: int = 1
    compile: bool = False


ONE_THREAD = Machine()


def native_precision(device: str) -> Precision:
    """bfloat16 on a GPU and on a processor that multiplies it natively (AMX, AVX512-BF16), else float32.

    Native bfloat16 is about twice as fast as float32, emulated bfloat16 far slower. torch's queries of the processor are
    private functions; a torch version without them falls back to float32.
    """
    if device != "cpu":
        return "bfloat16"
    queries = (getattr(torch.cpu, name, None) for name in NATIVE_BFLOAT16)
    return "bfloat16" if any(supported is not None and supported() for supported in queries) else "float32"


def learning_rate(recipe: Recipe, iteration: int) -> float:
    """Linear warm-up, then cosine decay to the minimum at the last iteration (nanoGPT's `get_lr`)."""
    if iteration < recipe.warmup:
        return recipe.learning_rate * (iteration + 1) / (recipe.warmup + 1)
    done = (iteration - recipe.warmup) / max(1, recipe.iterations - recipe.warmup)
    span = recipe.learning_rate - recipe.min_learning_rate
    return recipe.min_learning_rate + 0.5 * (1 + math.cos(math.pi * min(done, 1.0))) * span


def scheduled(recipe: Recipe, step: int) -> bool:
    """Whether a checkpoint is saved after `step` updates."""
    early = step <= recipe.dense_until and step & (step - 1) == 0
    return early or step == recipe.iterations or step % recipe.checkpoint_every == 0
