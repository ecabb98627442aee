"""`nanoscope patch`: activation patching between two texts of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro
from rich.table import Table

from nanoscope.cli.console import CONSOLE, bars, chosen_device, say, thread_count
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.analysis.causal.patching import Grid, PatchingResult
    from nanoscope.model.gpt import GPT
    from nanoscope.tasks.task import Task

Kind = Literal[
    "residual", "heads", "heads-by-position", "queries", "keys", "values", "attention", "mlps", "neurons", "pattern"
]
SHOWN = 10


@dataclass(frozen=True)
class Patch:
    """Patch activations between two texts of your own: which of them carry the difference in the next token?

    `nanoscope patch CKPT "the cat sat on the c" "the dog sat on the d"` compares the predictions of each text's own last
    symbol, made from the rest. With --answer and --wrong both texts are read whole.
    """

    checkpoint: tyro.conf.Positional[Path]
    clean: tyro.conf.Positional[str]
    corrupt: tyro.conf.Positional[str]
    """As long as the clean text."""
    answer: str | None = None
    """The symbol that should follow the clean text."""
    wrong: str | None = None
    """The symbol that it is compared with."""
    sweep: Kind = "heads"
    layer: int | None = None
    """Which layer, for neurons and pattern."""
    head: int | None = None
    """Which head, for pattern."""
    method: Literal["exact", "attribution", "screened"] = "exact"
    """screened: attribution for all cells, and the share with the largest estimates exactly."""
    share: float = 0.1
    verify: int = 0
    """Cells of each direction, evenly spaced, that are also run in full; an error where one differs."""
    plan: bool = False
    """Only say what the sweep would cost."""
    budget: float | None = None
    """Memory for activations, MiB; a quarter of what is free."""
    device: str = "auto"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    threads: int = 0
    """CPU threads; 0 takes all cores."""
    out: Path = Path("runs/mine/patching.png")
    """The figure."""


def run_patch(command: Patch) -> None:
    """Sweep, print the cells with the largest effects, and draw them all."""
    import torch

    from nanoscope.analysis.causal import patching
    from nanoscope.checkpoints.checkpoint import load
    from nanoscope.model.precision import in_precision
    from nanoscope.plots.style import save_png
    from nanoscope.plots.sweep import sweep_effects
    from nanoscope.tasks.task import pair

    torch.set_num_threads(thread_count(command.threads))
    checkpoint = load(command.checkpoint, chosen_device(command.device))
    if checkpoint.vocabulary is None:
        raise NanoscopeError(f"{command.checkpoint} has no vocabulary, so no text can be read into it")
    task = pair(checkpoint.vocabulary, command.clean, command.corrupt, command.answer, command.wrong)
    budget = None if command.budget is None else int(command.budget * 2**20)
    with in_precision(checkpoint.model, command.precision) as model:
        cells = _grid(command, model, task)
        if command.plan:
            return say(patching.plan(model, task, cells, budget=budget).explain())
        found = _found(command, model, task, cells, budget)
    _print(found)
    symbols = [checkpoint.vocabulary.decode([int(token)]) for token in task.clean[0]]
    save_png(
        sweep_effects(found.effect, symbols, f"{command.sweep}: {command.clean!r} and {command.corrupt!r}"), command.out
    )
    say(f"figure: {command.out}")


def _grid(command: Patch, model: GPT, task: Task) -> Grid:
    from nanoscope.analysis.causal import patching

    def chosen(axis: Literal["layer", "head"]) -> int:
        value = getattr(command, axis)
        if value is None:
            raise NanoscopeError(f"a sweep over {command.sweep} is of one {axis}; give --{axis}")
        return value

    return {
        "residual": lambda: patching.residual_stream(model, task),
        "heads": lambda: patching.heads(model, task),
        "heads-by-position": lambda: patching.heads_by_position(model, task),
        "queries": lambda: patching.queries(model, task),
        "keys": lambda: patching.keys(model, task),
        "values": lambda: patching.values(model, task),
        "attention": lambda: patching.attention_outputs(model, task),
        "mlps": lambda: patching.mlps(model, task),
        "neurons": lambda: patching.neurons(model, task, chosen("layer")),
        "pattern": lambda: patching.pattern_entries(model, task, chosen("layer"), chosen("head")),
    }[command.sweep]()


def _found(command: Patch, model: GPT, task: Task, cells: Grid, budget: int | None) -> PatchingResult:
    from nanoscope.analysis.causal import patching
    from nanoscope.tasks import metrics

    with bars() as shown:
        bar = shown.add_task(f"patching {command.sweep}", total=len(cells.cells))

        def show(done: int, total: int) -> None:
            shown.update(bar, completed=done, total=total)

        if command.method == "exact":
            found = patching.exact(
                model, task, metrics.logit_diff, cells, budget=budget, progress=show, verify=command.verify
            )
        elif command.method == "screened":
            found = patching.screened(
                model,
                task,
                metrics.logit_diff,
                cells,
                share=command.share,
                budget=budget,
                progress=show,
                verify=command.verify,
            )
        elif command.verify:
            raise NanoscopeError("an estimate cannot be verified; take --method screened or exact with --verify")
        else:
            found = patching.attributed(model, task, metrics.logit_diff, cells)
    if found.difference == 0:
        raise NanoscopeError("the model answers both texts alike, so there is no difference to locate")
    return found


def _print(found: PatchingResult) -> None:
    say(
        f"logit of the answer above the wrong one: clean {found.clean.mean():.3f}, corrupt {found.corrupt.mean():.3f} "
        f"({found.arithmetic})"
    )
    for plan in found.plans[:1]:
        say(plan.explain())
    effect, largest = found.effect, abs(found.effect.values).max(0)
    exact = found.is_exact if found.is_exact is not None and found.is_exact.any() else None
    columns = ("clean into corrupt restores", "corrupt into clean destroys", *(("",) if exact is not None else ()))
    table = Table(*effect.dims[1:], *columns)
    for place in (-largest).ravel().argsort(kind="stable")[:SHOWN]:
        at = [int(n) for n in _unravel(int(place), largest.shape)]
        labels = [str(effect.labels(dim)[n]) for dim, n in zip(effect.dims[1:], at, strict=True)]
        shares = [f"{effect.values[(side, *at)]:.1%}" for side in (0, 1)]
        table.add_row(*labels, *shares, *([] if exact is None else [_how(exact[(slice(None), *at)])]))
    CONSOLE.print(table)
    if found.estimate is not None and exact is None:
        say("estimated to first order, none of it exactly: --method screened replays the largest")
    if found.rank_correlation is not None:
        both = ", ".join(f"{value:.2f}" for value in found.rank_correlation.values)
        say(f"rank correlation of estimated and exact effects where both are known (denoise, noise): {both}")


def _how(exact: Any) -> str:
    """For a cell, in which directions it was replayed."""
    return {0: "estimated", 1: "exact in one direction", 2: "exact"}[int(exact.sum())]


def _unravel(place: int, shape: tuple[int, ...]) -> list[int]:
    at = []
    for size in reversed(shape):
        place, rest = divmod(place, size)
        at.append(rest)
    return at[::-1]
