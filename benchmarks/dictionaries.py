"""Training throughput of a TopK dictionary beside a peer's, on the same activations: `python benchmarks/dictionaries.py`.

    .venv/bin/pip install --no-deps --target benchmarks/.envs/dictionary_learning dictionary-learning einops
    .venv/bin/python benchmarks/dictionaries.py --peer benchmarks/.envs/dictionary_learning [--threads 2] [--steps 20]

The peer is dictionary_learning's `TopKTrainer` (its own settings, without dead latents, as ours here), and beside both stands
a plain restatement in dense PyTorch. All train on the same batches in memory, so the model's passes are no part of it. They run
in turn, `--repeats` times after a warm-up; the ratio is the median of the rounds'. What ours does beyond steps (scaling,
saving) is inside its time. Prints a table and the ratios.

The peer's package imports nnsight at its root, which a trainer does not use: a stand-in module spares that installation.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from nanoscope.dictionaries.fit import fit
from nanoscope.dictionaries.objective import Recipe
from nanoscope.dictionaries.source import Pairs

WIDTH, LATENTS, K, BATCH = 384, 3072, 16, 2048
PRESENT = 24.0
Contestant = Callable[[Sequence[Tensor]], None]


@dataclass(frozen=True)
class Memory:
    """Batches in memory as a stream."""

    batches: Sequence[Tensor]

    @property
    def widths(self) -> tuple[int, int]:
        return WIDTH, WIDTH

    @property
    def tokens(self) -> int:
        return BATCH * len(self.batches)

    def filling(self, number: int) -> Pairs:
        x = torch.cat(list(self.batches))  # a copy: a filling is scaled in place
        return Pairs(x, x)


def activations(steps: int) -> list[Tensor]:
    """Batches of sums of few of many directions, about as a residual stream's."""
    generator = torch.Generator().manual_seed(0)
    directions = F.normalize(torch.randn(LATENTS, WIDTH, generator=generator), dim=1)
    on = (torch.rand(BATCH, LATENTS, generator=generator) < PRESENT / LATENTS for _ in range(steps))
    return [(one * torch.rand(BATCH, LATENTS, generator=generator)) @ directions for one in on]


def ours(batches: Sequence[Tensor]) -> None:
    """A whole training, from a folder to weights."""
    recipe = Recipe("topk", LATENTS, K, BATCH * len(batches), BATCH, dead_after=10**9)
    with tempfile.TemporaryDirectory() as folder:
        fit(Memory(batches), recipe, Path(folder))


def plain(batches: Sequence[Tensor]) -> None:
    """The same training as one writes it without a library: dense products, Adam, a unit decoder."""
    W_dec = F.normalize(torch.randn(LATENTS, WIDTH), dim=1).requires_grad_()
    W_enc, b_enc, b_dec = W_dec.detach().clone(), torch.zeros(LATENTS), torch.zeros(WIDTH)
    weights = [W_dec, *(one.requires_grad_() for one in (W_enc, b_enc, b_dec))]
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    for x in batches:
        pre = (x - b_dec) @ W_enc.T + b_enc
        top = pre.topk(K, dim=-1)
        f = torch.zeros_like(pre).scatter(-1, top.indices, top.values.clamp(min=0))
        (x - f @ W_dec - b_dec).square().sum(1).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            W_dec.div_(W_dec.norm(dim=1, keepdim=True))


def peer(folder: Path) -> Contestant:
    """dictionary_learning's trainer, from a folder with its package."""
    sys.path.insert(0, str(folder))
    sys.modules.setdefault("nnsight", types.ModuleType("nnsight")).__dict__.setdefault("LanguageModel", object)
    from dictionary_learning.trainers.top_k import TopKTrainer  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

    def train(batches: Sequence[Tensor]) -> None:
        trainer = TopKTrainer(
            len(batches), WIDTH, LATENTS, K, layer=0, lm_name="none", warmup_steps=1, seed=0, device="cpu"
        )
        for step, x in enumerate(batches):
            trainer.update(step, x)

    return train


def rounds(contestants: dict[str, Contestant], batches: Sequence[Tensor], repeats: int) -> dict[str, list[float]]:
    """Seconds of each, in turn, after a warm-up on two batches."""
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run(batches[:2])
    for _ in range(repeats):
        for name, run in contestants.items():
            began = time.perf_counter()
            run(batches)
            spent[name].append(time.perf_counter() - began)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--peer", type=Path, help="folder with dictionary_learning; without it only the plain restatement runs"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    contestants: dict[str, Contestant] = {"nanoscope": ours, "plain PyTorch": plain}
    if options.peer is not None:
        contestants["dictionary_learning"] = peer(options.peer)
    batches = activations(options.steps)
    spent = rounds(contestants, batches, options.repeats)
    tokens = BATCH * len(batches)
    print(f"{WIDTH} -> {LATENTS}, k = {K}, batch {BATCH}, {options.steps} steps, {options.threads} threads")
    for name, seconds in spent.items():
        ratio = statistics.median(other / mine for other, mine in zip(seconds, spent["nanoscope"], strict=True))
        print(
            f"{name:22} {tokens / statistics.median(seconds):10,.0f} tokens/s   takes {ratio:.2f} times as long as nanoscope"
        )


if __name__ == "__main__":
    main()
