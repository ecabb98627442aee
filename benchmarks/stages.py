"""Time and memory of the descriptive experiments on the canonical shape, by stage, each in its own process.

The model has random weights and stands in for all 56 checkpoints of its training. Time and memory do not depend on weights,
except that the tuned lens may stop earlier. The promise: experiments 02 and 03 (heads, lenses, neurons) together take under
ten minutes on two cores and under 4 GB. Usage: `python benchmarks/stages.py`; writes stages.json and STAGES.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from nanoscope.checkpoints.checkpoint import Checkpoint, save
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Subject
from nanoscope.model.gpt import GPT
from nanoscope.studies.recipes import SHAKESPEARE
from nanoscope.text.corpora import open_corpus

FOLDER = Path(__file__).resolve().parent
EXPERIMENTS = ("heads", "lenses", "neurons")
CHECKPOINTS = 56
SECONDS, MEGABYTES = 600, 4096


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Time and memory of the descriptive experiments on the canonical shape."
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--here", choices=EXPERIMENTS, help="measure this experiment in this process and print JSON")
    parser.add_argument(
        "experiments", nargs="*", default=EXPERIMENTS, help="experiments to measure; the others' numbers are kept"
    )
    chosen = parser.parse_args()
    if chosen.here:
        print(json.dumps(measured(chosen.here, chosen.threads)))
        return
    stored = FOLDER / "stages.json"
    results = json.loads(stored.read_text())["experiments"] if stored.exists() else {}
    for name in chosen.experiments:
        command = [sys.executable, __file__, "--here", name, "--threads", str(chosen.threads)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        results[name] = json.loads(done.stdout.splitlines()[-1])
        print(f"{name}: {results[name]['seconds']:.0f} s, {results[name]['megabytes']:.0f} MB")
        machine = {
            "system": platform.platform(terse=True),
            "threads": chosen.threads,
            "python": platform.python_version(),
        }
        known = {name: results[name] for name in EXPERIMENTS if name in results}
        written = {"machine": machine, "experiments": known}
        stored.write_text(json.dumps(written, indent=1) + "\n")
        (FOLDER / "STAGES.md").write_text(page(written))


def measured(name: str, threads: int) -> dict:
    """Seconds of each stage of one experiment at its default settings, and the process's peak memory."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    corpus, experiment = open_corpus(), open_experiment(name)
    model = GPT(SHAKESPEARE.model).eval().requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = save(Checkpoint(model, corpus.vocabulary, None, {}, ""), Path(folder) / "model")
        history = dict.fromkeys(range(CHECKPOINTS), Path(folder) / "model")
        subject = Subject(checkpoint, corpus, "a model of the canonical shape", history=history)
        began = time.perf_counter()
        sweeps = experiment.measure(subject, experiment.params())
        seconds = time.perf_counter() - began
    stages = dict(zip(sweeps["seconds"].labels("stage"), sweeps["seconds"].values.round(2).tolist(), strict=True))
    stages["set up"] = round(seconds - sum(stages.values()), 2)
    return {
        "stages": stages,
        "seconds": round(seconds, 1),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def page(written: dict) -> str:
    """The table."""
    rows = [
        f"| {name} | {stage} | {seconds:.1f} |"
        for name, one in written["experiments"].items()
        for stage, seconds in one["stages"].items()
    ]
    total = sum(one["seconds"] for one in written["experiments"].values())
    most = max(one["megabytes"] for one in written["experiments"].values())
    verdicts = [
        f"- all three together: {total:.0f} s (promised: under {SECONDS}): **{'kept' if total < SECONDS else 'missed'}**",
        f"- largest peak memory: {most} MB (promised: under {MEGABYTES}): **{'kept' if most < MEGABYTES else 'missed'}**",
        *(f"- {name}: {one['seconds']:.0f} s, {one['megabytes']} MB" for name, one in written["experiments"].items()),
    ]
    machine = ", ".join(f"{key} {value}" for key, value in written["machine"].items())
    return (
        "# Experiments 02 and 03 on the canonical shape, stage by stage\n\nWritten by `python benchmarks/stages.py`; "
        f"{machine}.\n\n"
        + "\n".join(verdicts)
        + "\n\n| experiment | stage | seconds |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


if __name__ == "__main__":
    main()
