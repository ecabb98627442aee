"""Run the comparisons: ours and the peer alternately, each in its own process that stays loaded.

    .venv/bin/python benchmarks/run.py [--only NAME ...] [--repeats 3] [--threads 2] [--quick]

Writes results.json after every comparison, and RESULTS.md from it. `--only` (names: --list) keeps the other
entries. `--quick` runs small stand-ins and writes quick.json: it tests the harness, and its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import machine
import report
from cases import COMPARISONS, Case, Comparison, Reading
from machine import FOLDER, Unavailable
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from protocol import Subject, case_to_json, save_subject
from readings import READINGS, UNITS, Number, Outcome, largest_difference

Entry = dict[str, Any]
WARM_UP_CELLS = 4
QUICK_SECONDS = 2.0
LOUD = 0.15
"""Number of cores busy with other processes above which a warning is printed."""


@dataclass(frozen=True)
class Settings:
    """Settings from the command line."""

    threads: int
    repeats: int
    seconds: float | None
    """Sample any peer's pass that would take longer, even with a promise."""
    quick: bool

    @property
    def file(self) -> Path:
        return FOLDER / ("quick.json" if self.quick else "results.json")


class Worker:
    """A contestant's process with a loaded case. Any failure raises Unavailable with a one-line message."""

    def __init__(self, name: str, case: Case, folder: Path, threads: int) -> None:
        self.name, self.case, self.folder = name, case, folder
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
        self.log = folder / f"{name}.log"
        self.process = subprocess.Popen(
            [machine.python_of(name), str(FOLDER / "workers" / f"{name}.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log.open("w"), text=True, env=environment,
        )  # fmt: skip
        self.loaded = self._ask(do="load", case=case_to_json(case), subject=str(folder / "subject.safetensors"))

    def run(self, every: int = 1) -> Outcome:
        """One timed run over every `every`-th cell."""
        values = self.folder / f"{self.name}.safetensors"
        answer = self._ask(do="run", every=every, values=str(values))
        return Outcome(**answer, values=str(values), every=every, rss=self.loaded["rss"])

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise Unavailable(self._last_words()) from None
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"failed": self._last_words()}
        if "failed" in answer:
            raise Unavailable(f"{self.name}: {without_paths(answer['failed'])}")
        return answer

    def _last_words(self) -> str:
        lines = self.log.read_text().strip().splitlines()
        return lines[-1] if lines else "it ended without a message"


def without_paths(message: str) -> str:
    """A message for publication, without the paths of this checkout and the home directory."""
    return message.replace(str(FOLDER.parent), ".").replace(str(Path.home()), "~")[:300]


@contextmanager
def loaded(name: str, case: Case, folder: Path, threads: int) -> Iterator[Worker]:
    """A worker that runs for the length of a block."""
    worker = Worker(name, case, folder, threads)
    try:
        yield worker
    finally:
        worker.close()


# ---- the subject ---------------------------------------------------------------------------------------------------


def subject_of(case: Case) -> Subject:
    """Random weights three times GPT-2's initial size, so that patches have effects, and random texts; always the same."""
    torch.manual_seed(20260)
    shape = case.shape
    model = GPT(
        GPTConfig(shape.n_layer, shape.n_head, shape.n_embd, shape.block_size, shape.vocab_size, bias=shape.bias)
    )
    weights = {
        name.replace("lm_head", "transformer.wte"): _scaled(name, value.detach())
        for name, value in model.named_parameters()
    }
    clean = torch.randint(shape.vocab_size, (case.batch, case.length))
    other = (clean + torch.randint(1, shape.vocab_size, clean.shape)) % shape.vocab_size
    corrupt = torch.where(torch.arange(case.length) < case.first_difference, clean, other)
    answer = torch.randint(shape.vocab_size, (case.batch,))
    wrong = (answer + torch.randint(1, shape.vocab_size, answer.shape)) % shape.vocab_size
    return Subject(weights, clean, corrupt, answer, wrong)


def _scaled(name: str, value: torch.Tensor) -> torch.Tensor:
    return 3 * value if value.dim() > 1 else value + 0.06 * torch.randn_like(value)


# ---- one comparison ------------------------------------------------------------------------------------------------


def compared(comparison: Comparison, settings: Settings, say: Progress) -> list[Entry]:
    """The entries of one comparison: one for each reading, or for what kept it from running."""
    begun = time.perf_counter()
    if comparison.case.device == "cuda" and not torch.cuda.is_available():
        return [entry(comparison, reading, {"not_run": "no GPU"}) for reading in comparison.readings]
    busy = machine.load_of_others()
    if busy is not None and busy > LOUD:
        say(f"warning: other processes keep {busy:.2f} cores busy; the ratios will be unreliable")
    try:
        with tempfile.TemporaryDirectory() as folder:
            versions, pairs = paired(comparison, Path(folder), settings, say)
            found = [summary(comparison, reading, pairs) for reading in comparison.readings]
    except (Unavailable, AssertionError) as problem:
        say(f"failed: {problem}")
        return [entry(comparison, reading, {"failed": str(problem)}) for reading in comparison.readings]
    common = {"versions": versions, "load_of_others": busy, "took": round(time.perf_counter() - begun, 1)}
    return [entry(comparison, reading, one | common) for reading, one in zip(comparison.readings, found, strict=True)]


Pairs = list[tuple[Outcome, Outcome, tuple[float | None, float | None]]]


def paired(
    comparison: Comparison, folder: Path, settings: Settings, say: Progress
) -> tuple[dict[str, dict[str, str]], Pairs]:
    """Run ours and the peer alternately after a warm-up; returns versions, and the pairs with their largest differences."""
    case = comparison.case
    save_subject(subject_of(case), folder / "subject.safetensors")
    repeats = 1 if settings.quick else comparison.repeats or settings.repeats
    with (
        loaded("ours", case, folder, settings.threads) as ours,
        loaded(comparison.peer, case, folder, settings.threads) as peer,
    ):
        every = warmed_up(ours, peer, comparison, settings)
        pairs: Pairs = []
        for pair in range(repeats):
            mine, theirs = ours.run(), peer.run(every)
            pairs.append((mine, theirs, largest_difference(mine, theirs)))
            number = READINGS[comparison.readings[0].what](case, mine, theirs)
            left = (repeats - pair - 1) * (mine.seconds + theirs.seconds)
            say(f"pair {pair + 1} of {repeats}: {number.ratio:.2f} (ours {mine.seconds:.2f} s)", left)
        return {"ours": ours.loaded["versions"], comparison.peer: peer.loaded["versions"]}, pairs


def warmed_up(ours: Worker, peer: Worker, comparison: Comparison, settings: Settings) -> int:
    """Warm up both; returns n such that the peer's pass over every n-th cell stays within its time limit."""
    if comparison.repeats != 1:
        ours.run()
    cells = len(comparison.case.cells)
    trial = peer.run(max(1, cells // WARM_UP_CELLS))
    limits = [settings.seconds, comparison.seconds, QUICK_SECONDS if settings.quick else None]
    limit = min((one for one in limits if one is not None), default=None)
    if limit is None or not cells or not trial.cell_seconds:
        return 1
    every = -(-cells * statistics.median(trial.cell_seconds) // limit)
    return 1 if every <= 1 else int(every) | 1  # odd, so that no positions are skipped systematically


def summary(comparison: Comparison, reading: Reading, pairs: Pairs) -> Entry:
    """Medians over the pairs, the range of the ratios, and the largest differences of values."""
    case = comparison.case
    numbers: list[Number] = [READINGS[reading.what](case, mine, theirs) for mine, theirs, _ in pairs]
    ratios = [number.ratio for number in numbers]
    ratio = statistics.median(ratios)
    mine, theirs, _ = pairs[-1]
    differences = [(gap, size) for _, _, (gap, size) in pairs if gap is not None and size is not None]
    return {
        "ours": statistics.median(number.ours for number in numbers),
        "peer": statistics.median(number.peer for number in numbers),
        "ratio": ratio,
        "spread": [min(ratios), max(ratios)],
        "pairs": len(pairs),
        "met": None if reading.promise is None else met(reading, ratio),
        "largest_difference": max((gap for gap, _ in differences), default=None),
        "largest_value": max((size for _, size in differences), default=None),
        "cells": len(case.cells),
        "cells_run_by_peer": len(case.cells[:: theirs.every]),
        "plan": dict(mine.details),
        "peer_details": dict(theirs.details),
        "peak_above_loaded": {"ours": _above(mine), comparison.peer: _above(theirs)},
    }


def met(reading: Reading, ratio: float) -> bool:
    """Is the promise kept?"""
    assert reading.promise is not None
    return ratio <= reading.promise if reading.at_most else ratio >= reading.promise


def _above(outcome: Outcome) -> int | None:
    return None if outcome.peak_rss is None or outcome.rss is None else outcome.peak_rss - outcome.rss


def entry(comparison: Comparison, reading: Reading, found: Entry) -> Entry:
    """One entry of results.json: the comparison and its outcome."""
    case = comparison.case
    return {
        "name": comparison.name,
        "case": case.name,
        "peer_name": comparison.peer,
        "reading": reading.what,
        "unit": UNITS[reading.what],
        "promise": reading.promise,
        "at_most": reading.at_most,
        "batch": case.batch,
        "length": case.length,
        "first_difference": case.first_difference,
        "budget": case.budget,
        "commit": machine.commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **found,
    }


# ---- all of them ---------------------------------------------------------------------------------------------------


class Progress:
    """Progress on standard error, with an estimate of the time left."""

    def __init__(self, chosen: Sequence[Comparison], known: Sequence[Entry]) -> None:
        self.chosen, self.at = chosen, 0
        self.expected = {one["name"]: one["took"] for one in known if "took" in one}

    def __call__(self, message: str, left_here: float = 0.0) -> None:
        later = [one.name for one in self.chosen[self.at + 1 :] if one.case.device == "cpu"]
        usual = statistics.mean(self.expected.values()) if self.expected else 60.0
        left = left_here + sum(self.expected.get(name, usual) for name in later)
        here = f"[{self.at + 1}/{len(self.chosen)}] {self.chosen[self.at].name}"
        print(f"{here}: {message}; about {left / 60:.0f} min left", file=sys.stderr, flush=True)

    def finished(self, entries: Sequence[Entry]) -> None:
        """Continue with the next comparison."""
        self.expected |= {one["name"]: one["took"] for one in entries if "took" in one}
        self.at += 1


def stored(settings: Settings) -> list[Entry]:
    """The stored results, of all machines."""
    return json.loads(settings.file.read_text())["entries"] if settings.file.exists() else []


def merged(old: Sequence[Entry], new: Sequence[Entry]) -> list[Entry]:
    """Old entries, replaced by new ones of the same name and machine, in the order of `COMPARISONS`."""
    order = {one.name: rank for rank, one in enumerate(COMPARISONS)}
    renewed = {report.origin(one) for one in new}
    kept = [one for one in old if report.origin(one) not in renewed and one["name"] in order]
    return sorted([*kept, *new], key=lambda one: order[one["name"]])


def thinned(comparison: Comparison) -> Comparison:
    """A small stand-in for a comparison, with fewer layers and shorter texts."""
    case = comparison.case
    shape = replace(case.shape, n_layer=2, vocab_size=min(case.shape.vocab_size, 512))
    length = min(case.length, 32)
    smaller = replace(case, shape=shape, length=length, first_difference=case.first_difference * length // case.length)
    return replace(comparison, case=smaller)


def main() -> None:
    """The command line."""
    options = arguments()
    settings = Settings(options.threads, options.repeats, options.peer_seconds, options.quick)
    chosen = [one for one in COMPARISONS if not options.only or one.name in named(options.only)]
    if options.list or not chosen:
        print("\n".join(one.name for one in COMPARISONS))
        sys.exit(0 if options.list else "no comparison has that name; the names are listed above")
    entries = stored(settings)
    say = Progress(chosen, entries)
    for comparison in chosen:
        found = compared(thinned(comparison) if options.quick else comparison, settings, say)
        say.finished(found)
        here = {"machine": machine.describe(), "threads": settings.threads}
        entries = merged(entries, [here | one for one in found])
        settings.file.write_text(json.dumps({"entries": entries}, indent=1) + "\n")
    if options.quick:
        print(report.rendered(entries))
    else:
        report.write()
    missed = sum(one.get("met") is False or "failed" in one for one in entries)
    print(f"{missed} of {len(entries)} entries missed their promise or failed", file=sys.stderr)


def named(parts: Sequence[str]) -> set[str]:
    """Names of the comparisons whose name, case or peer equals one of `parts`, or else whose name contains it."""
    found: set[str] = set()
    for part in parts:
        exact = {one.name for one in COMPARISONS if part in (one.name, one.case.name, one.peer)}
        found |= exact or {one.name for one in COMPARISONS if part in one.name}
    return found


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="only these: a name, a case, a peer or a part of a name"
    )
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs for each comparison")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of every contestant")
    parser.add_argument("--peer-seconds", type=float, help="sample any peer's pass that would take longer")
    parser.add_argument("--quick", action="store_true", help="small stand-ins, to test the harness")
    parser.add_argument("--list", action="store_true", help="print the names and exit")
    return parser.parse_args()


if __name__ == "__main__":
    main()
