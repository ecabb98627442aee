"""The cost of all edges' effects, beside plain forward passes of the same texts: `python benchmarks/edges.py [--threads 2]`.

The canonical shape (2,188 edges) and GPT-2 small's (32,491), with random weights, on texts that differ everywhere. Forwards
are timed before and after each sweep in the same process; the ratio is of the sweep's time to their mean. Memory is the growth
of the process's peak. Promises: the canonical shape, 8 examples of 128 tokens, in 600 forwards' time with one position read for
each example, and 900 with all; GPT-2 small's edges (2 examples of 32 tokens) within the budget of memory that is given.
Estimates by gradients stand beside them. Writes edges.json and EDGES.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nanoscope.analysis.circuits.methods import ESTIMATES
from nanoscope.analysis.circuits.scores import exact_scores
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.tasks.metrics import logit_diff
from nanoscope.tasks.task import Task

FOLDER = Path(__file__).resolve().parent
BUDGET = 2 * 2**30
"""Bytes that the sweep of GPT-2 small's shape may take for activations."""
REPEATS = 3


@dataclass(frozen=True)
class Case:
    """A shape, its texts, how many positions are read in each, and the promise in forwards, if there is one."""

    name: str
    shape: dict[str, int]
    examples: int
    length: int
    reads: int
    method: str = "exact"
    promise: int | None = None
    budget: int | None = None


CANONICAL = {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 128, "vocab_size": 65}
GPT2 = {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 128, "vocab_size": 50257}
CASES = {
    "one": Case("canonical shape, one position read", CANONICAL, 8, 128, 1, promise=600),
    "all": Case("canonical shape, all positions read", CANONICAL, 8, 128, 128, promise=900),
    "gpt2": Case("GPT-2 small's shape, one position read", GPT2, 2, 32, 1, budget=BUDGET),
    **{
        f"one-{name}": Case("canonical shape, one position read", CANONICAL, 8, 128, 1, method=name)
        for name in ESTIMATES
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--here", choices=CASES, help="measure this case in this process and print JSON")
    parser.add_argument("cases", nargs="*", default=list(CASES), help="cases to measure; the others' numbers are kept")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measured(CASES[given.here], given.threads)))
        return
    stored = FOLDER / "edges.json"
    known = json.loads(stored.read_text())["cases"] if stored.exists() else {}
    for name in given.cases:
        command = [sys.executable, __file__, "--here", name, "--threads", str(given.threads)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        known[name] = json.loads(done.stdout.splitlines()[-1])
        print(f"{name}: {known[name]['forwards']:.0f} forwards, {known[name]['seconds']:.1f} s", flush=True)
        machine = {"system": platform.platform(terse=True), "threads": given.threads, "torch": torch.__version__}
        written = {"machine": machine, "cases": {one: known[one] for one in CASES if one in known}}
        stored.write_text(json.dumps(written, indent=1) + "\n")
        (FOLDER / "EDGES.md").write_text(page(written))


def measured(case: Case, threads: int) -> dict[str, float]:
    """Seconds of one forward and of the sweep, their ratio, and megabytes that the sweep added to the peak."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = GPT(GPTConfig(**case.shape)).eval().requires_grad_(False)
    task = texts(case)
    before = forwards(model, task)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    sweep(case)(model, task)
    seconds = time.perf_counter() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    plain = (before + forwards(model, task)) / 2
    return {
        "edges": len(graph_of(model.config)),
        "forward": plain,
        "seconds": seconds,
        "forwards": seconds / plain,
        "megabytes": grown / 1024,
    }


def sweep(case: Case) -> Callable[[GPT, Task], object]:
    if case.method == "exact":
        return lambda model, task: exact_scores(model, task, budget=case.budget)
    return lambda model, task: ESTIMATES[case.method](model, task, logit_diff)


def texts(case: Case) -> Task:
    """Random texts that differ from the first token on, read at the last positions."""
    shape, vocabulary = (case.examples, case.length), case.shape["vocab_size"]
    clean = torch.randint(vocabulary, shape)
    corrupt = (clean + torch.randint(1, vocabulary, shape)) % vocabulary
    reads = torch.arange(case.length - case.reads, case.length).expand(case.examples, -1)
    return Task(clean, corrupt, torch.full_like(reads, 3), torch.full_like(reads, 7), reads)


def forwards(model: GPT, task: Task) -> float:
    """Seconds of one plain forward pass of the clean texts: the median of a few."""
    spent: list[float] = []
    with torch.inference_mode():
        model(task.clean)
        for _ in range(REPEATS):
            began = time.perf_counter()
            model(task.clean)
            spent.append(time.perf_counter() - began)
    return sorted(spent)[REPEATS // 2]


def page(written: dict) -> str:
    """The numbers as a page."""
    machine, rows = written["machine"], []
    for name, one in written["cases"].items():
        case = CASES[name]
        held = (
            ""
            if case.promise is None
            else f"at most {case.promise}{'' if one['forwards'] <= case.promise else ': MISSED'}"
        )
        rows.append(
            (
                f"{case.name} ({case.examples} x {case.length} tokens)", case.method, f"{one['edges']:,}",
                f"**{one['forwards']:.0f}**", held, f"{one['seconds']:.1f} s", f"{one['forward'] * 1e3:.0f} ms",
                f"{one['megabytes']:,.0f} MB" + (f" (budget {case.budget / 2**20:,.0f})" if case.budget else ""),
            )
        )  # fmt: skip
    columns = ("case", "method", "edges", "plain forwards", "promise", "time", "one forward", "memory added")
    return (
        "# All edges of a model\n\nRendered from edges.json by edges.py. The cost of scoring every edge, in plain forward "
        "passes of the same texts, which are timed before and after in the same process.\n\n"
        f"{machine['system']}, {machine['threads']} threads, torch {machine['torch']}\n\n{_table(columns, rows)}\n"
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
