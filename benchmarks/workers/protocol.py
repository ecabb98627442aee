"""What the driver and its workers share: the cases, the subject on disk, and the lines they exchange.

A worker is a process in an environment of its own that reads JSON lines from its input and answers each with one:

    {"do": "load", "case": {...}, "subject": PATH}  ->  {"versions": {...}, "rss": ...}
    {"do": "run", "every": 1, "values": PATH}       ->  {"seconds": ..., "cell_seconds": [...], "peak_rss": ...}

Imports and the conversion of weights belong to loading, and only runs are timed: from texts to values, with the clean
run that the patches come from. `every` thins the cells out evenly. Only torch and safetensors are needed.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

Cell = tuple[int, ...]


@dataclass(frozen=True)
class Shape:
    """A GPT's sizes, with nanoGPT's field names; the activation is the exact GELU, the head is tied."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    vocab_size: int
    bias: bool

    @property
    def d_head(self) -> int:
        return self.n_embd // self.n_head


@dataclass(frozen=True)
class Case:
    """One piece of work, the same for every contestant.

    A sweep patches each cell's clean activation into the corrupt run and reads answer minus wrong at the last position.
    """

    name: str
    shape: Shape
    kind: str
    """resid: `[layer, pos]`; head: `[layer, head]`; head_pos: `[layer, head, pos]`; forward, forward_fused, step: no cells.

    A step is one of nanoGPT's recipe: AdamW, gradients clipped to norm 1, next tokens of the corrupt texts as targets.
    """
    batch: int
    length: int
    first_difference: int = 0
    budget: int | None = None
    """Memory for activations in bytes, where the contestant can keep to one."""
    device: str = "cpu"
    precision: str = "float32"
    """float32, tf32 or bfloat16; of a training step, that of its products, in autocast."""
    dropout: float = 0.0
    """Of a training step."""

    @property
    def axes(self) -> tuple[int, ...]:
        """How many labels each axis of the cells has."""
        layers, heads = self.shape.n_layer, self.shape.n_head
        return {"resid": (layers, self.length), "head": (layers, heads), "head_pos": (layers, heads, self.length)}.get(
            self.kind, ()
        )

    @property
    def cells(self) -> list[Cell]:
        """All cells in the order in which values are given."""
        return list(product(*map(range, self.axes))) if self.axes else []

    def position(self, cell: Cell) -> int | None:
        """The position that a cell patches; None where it patches all."""
        return None if self.kind == "head" else cell[-1]

    def trivial(self, cell: Cell) -> bool:
        """Does the cell lie before the first difference, where no patch can have an effect?"""
        position = self.position(cell)
        return position is not None and position < self.first_difference


def case_from_json(values: Mapping[str, Any]) -> Case:
    """The inverse of `dataclasses.asdict`."""
    return Case(**{**values, "shape": Shape(**values["shape"])})


@dataclass(frozen=True)
class Subject:
    """The model's weights under nanoGPT's names, without the tied head, and the texts `[example, pos]`."""

    weights: dict[str, Tensor]
    clean: Tensor
    corrupt: Tensor
    answer: Tensor
    wrong: Tensor

    def metric(self, last: Tensor) -> Tensor:
        """Logit of the answer minus that of the wrong answer, per example, from the last position's logits."""
        rows = torch.arange(len(last), device=last.device)
        return last[rows, self.answer] - last[rows, self.wrong]

    def to(self, device: str) -> Subject:
        """The same on another device."""
        weights = {name: value.to(device) for name, value in self.weights.items()}
        return Subject(weights, *(part.to(device) for part in (self.clean, self.corrupt, self.answer, self.wrong)))


TEXTS = ("clean", "corrupt", "answer", "wrong")


def save_subject(subject: Subject, path: Path) -> None:
    """Write a subject as one safetensors file."""
    texts = {f"text.{name}": getattr(subject, name) for name in TEXTS}
    save_file({name: value.contiguous() for name, value in (subject.weights | texts).items()}, path)


def load_subject(path: Path) -> Subject:
    """Read a subject back, into memory of this process's own: pages of a mapped file would count when first used."""
    values = {name: value.clone() for name, value in load_file(path).items()}
    texts = [values.pop(f"text.{name}") for name in TEXTS]
    return Subject(values, *texts)


@dataclass(frozen=True)
class Measured:
    """What one run gave: `values [cell, example]`, what each cell took where cells are run one by one, and details."""

    values: Tensor
    cell_seconds: Sequence[float] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


Run = Callable[[Sequence[Cell]], Measured]
Load = Callable[[Case, Subject], Run]


def one_by_one(cells: Sequence[Cell], values_of: Callable[[Cell], Tensor]) -> Measured:
    """Run cells one after another and note what each took."""
    values, marks = [], [time.perf_counter()]
    for cell in cells:
        values.append(values_of(cell))
        marks.append(time.perf_counter())
    return Measured(torch.stack(values), [end - begin for begin, end in pairwise(marks)])


def repeated(forward: Callable[[], Tensor], times: int = 9) -> Measured:
    """Run a forward pass several times; its logits, `[token, vocab]`, and what each pass took."""
    seconds, logits = [], torch.empty(0)
    for _ in range(times):
        begun = time.perf_counter()
        logits = forward()
        seconds.append(time.perf_counter() - begun)
    return Measured(logits.flatten(0, 1), seconds)


def steps(step: Callable[[], Tensor], times: int = 3) -> Measured:
    """Take several training steps; no values, since each contestant drops other activations; and what each step took."""
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        float(step())
        seconds.append(time.perf_counter() - begun)
    return Measured(torch.empty(0), seconds)


def window(subject: Subject) -> Tensor:
    """The texts that a training step reads, one token longer than what the model sees of them."""
    return torch.cat((subject.corrupt, subject.answer[:, None]), dim=1)


def serve(load: Load, *packages: str) -> None:
    """Answer the driver's requests until it closes the pipe; `packages` are those whose versions are reported."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    requests, answers = _pipes()
    loaded: list[tuple[Run, Case]] = []
    for line in requests:
        request = json.loads(line)
        try:
            if request["do"] == "load":
                case = case_from_json(request["case"])
                loaded[:] = [(_loaded(load, case, Path(request["subject"])), case)]
                answer = {"versions": versions("torch", *packages), "rss": resident()}
            else:
                answer = _timed(*loaded[0], request["every"], Path(request["values"]))
        except Exception as error:  # the driver records it and goes on with the others
            traceback.print_exc()
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), file=answers, flush=True)


def _pipes() -> tuple[IO[str], IO[str]]:
    """Requests, and a private copy of standard output: whatever a library prints goes to standard error instead."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return sys.stdin, answers


def _loaded(load: Load, case: Case, path: Path) -> Run:
    if case.device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = case.precision == "tf32"
    return load(case, load_subject(path).to(case.device))


def _timed(run: Run, case: Case, every: int, values: Path) -> dict[str, Any]:
    with peak() as memory:
        synchronise(case.device)
        begun = time.perf_counter()
        measured = run(case.cells[::every])
        synchronise(case.device)
        seconds = time.perf_counter() - begun
    save_file({"values": measured.values.float().cpu().contiguous()}, values)
    return {
        "seconds": seconds,
        "cell_seconds": list(measured.cell_seconds),
        "details": dict(measured.details),
        "peak_rss": memory["peak"],
    }


def synchronise(device: str) -> None:
    """Wait for the accelerator, if there is one in play."""
    if device == "cuda":
        torch.cuda.synchronize()


@contextmanager
def peak() -> Iterator[dict[str, int | None]]:
    """Measure the most memory that this process held at once, in bytes, during a block (Linux; elsewhere None)."""
    found: dict[str, int | None] = {"peak": None}
    counts = Path("/proc/self/clear_refs")
    if counts.exists():
        counts.write_text("5")
    yield found
    found["peak"] = _status("VmHWM")


def resident() -> int | None:
    """Memory that this process holds now, in bytes (Linux; elsewhere None)."""
    return _status("VmRSS")


def _status(field_name: str) -> int | None:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field_name)), None)


def versions(*packages: str) -> dict[str, str]:
    """Python's version and those of some packages."""
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **found}


def case_to_json(case: Case) -> dict[str, Any]:
    """A case as plain values."""
    return asdict(case)
