"""Peak memory of every command on a model of 50,000 words, beyond what loading the model takes.

    python benchmarks/memory.py [COMMAND ...]

The model has random weights: 6 layers, width 128, a context of 128. Its text is words drawn by Zipf's law, every line of it
twice, so that there is something to copy. Each command runs in a process of its own; its peak is the resident set's, as the
system reports it. The budget is `BUDGET`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from nanoscope.checkpoints.checkpoint import Checkpoint, save
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.text.vocabulary import Vocabulary

WORDS, TEXT = 50_000, 100_000
SHAPE = {"n_layer": 6, "n_head": 4, "n_embd": 128, "block_size": 128, "vocab_size": WORDS}
BUDGET = 10**9
LIMIT = 16 * 2**30
"""Address space of a command, in bytes, so that none takes the machine down."""
LIMITED = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT})); "
EXPERIMENTS = ("induction", "heads", "lenses", "neurons", "failures", "circuits")


def material(folder: Path) -> tuple[Path, Path, list[str]]:
    """A model, its text, and the first words of the text."""
    rng = np.random.default_rng(0)
    symbols = [f"w{number}x" for number in range(WORDS)]
    chance = 1 / np.arange(10, WORDS + 10)
    drawn = [symbols[at] for at in rng.choice(WORDS, TEXT, p=chance / chance.sum())]
    torch.manual_seed(0)
    save(Checkpoint(GPT(GPTConfig(**SHAPE)).eval(), Vocabulary(tuple(symbols)), "words"), folder / "model")
    text = folder / "words.txt"
    lines = (" ".join(drawn[at : at + 12]) for at in range(0, TEXT, 12))
    text.write_text("\n".join(f"{line}\n{line}" for line in lines))
    return folder / "model", text, drawn


def commands(model: Path, text: Path, words: list[str], out: Path) -> dict[str, list[str]]:
    given = [str(model), "--data", str(text), "--threads", "1"]
    prompt = " ".join(words[:100])
    clean, corrupt = " ".join(words[:20]), " ".join([words[30], *words[1:20]])
    answers = ["--answer", words[3], "--wrong", words[4]]
    plain = {
        "load": ["check", "--help"],
        "look": ["look", *given, "--out", str(out / "look")],
        "heads": ["heads", *given, "--text", prompt],
        "lens": ["lens", *given, "--text", prompt],
        "neurons": ["neurons", *given, "--text", prompt],
        "sample": ["sample", str(model), "--start", clean, "--length", "50"],
        "patch": ["patch", str(model), clean, corrupt, *answers],
        "check": ["check", str(model)],
    }
    return plain | {f"run {name}": ["run", name, *given, "--out", str(out / name)] for name in EXPERIMENTS}


def peak(command: Sequence[str], folder: Path) -> tuple[int, float, str]:
    """Exit code, peak resident set in bytes, and the last line that was printed."""
    log = folder / "log.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        _, status, used = os.wait4(process.pid, 0)
    lines = log.read_text().strip().splitlines()
    return os.waitstatus_to_exitcode(status), 1024 * used.ru_maxrss, lines[-1] if lines else ""


def main(wanted: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, text, words = material(folder)
        python = [sys.executable, "-c"]
        load = f"{LIMITED}import nanoscope as ns; from nanoscope import cli; import matplotlib.pyplot; ns.load({str(model)!r})"
        _, base, _ = peak([*python, load], folder)
        print(f"loading the model: {base / 1e9:.2f} GB")
        for label, arguments in commands(model, text, words, folder).items():
            if label == "load" or (wanted and label not in wanted):
                continue
            code, bytes_, last = peak(
                [*python, LIMITED + "import sys; from nanoscope import cli; cli.main(sys.argv[1:])", *arguments], folder
            )
            over = "" if bytes_ - base <= BUDGET else "  over the budget"
            said = f"  failed ({code}): {last[:150]}" if code else ""
            print(f"{label:16} {(bytes_ - base) / 1e9:6.2f} GB beyond loading{over}{said}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
