"""Exported models, opened by the programs that they are for: the same logits, or the differences are printed and it fails.

    make exchange      # makes an environment with transformers and TransformerLens 3, and runs this

Random models of every shape that a format can express are exported here; another interpreter opens them
(`scripts/open_exchanged.py`). It also checks that what transformers writes opens in nanoscope with its logits.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import safetensors.torch
import torch

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.checkpoints.exports import export
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT

LIMIT = 1e-5
SHAPES = {
    "nanogpt": {},
    "gpt2": {"bias": True, "activation": "gelu_tanh"},
    "untied": {"tied_head": False, "activation": "relu", "n_inner": 24, "bias": True},
    "sinusoids": {"positions": "sinusoid", "attention_scale": "none"},
    "no_positions": {"positions": "none"},
    "head_bias": {"tied_head": False, "head_bias": True, "attention_scale": "d_model"},
    "attention_only": {"attention_only": True, "bias": True},
    "bare": {"norm": "none", "final_norm": False},
    "llama": {
        "positions": "rotary",
        "norm": "rms",
        "gated_mlp": True,
        "activation": "silu",
        "n_kv_head": 2,
        "n_inner": 24,
    },
    "pythia": {"positions": "rotary", "rotary_dims": 4, "parallel": True, "bias": True, "tied_head": False},
}


def main(python: str) -> int:
    """Returns 1 if any program disagrees, else 0."""
    with tempfile.TemporaryDirectory() as folder:
        exported = [found for name, changes in SHAPES.items() for found in _exported(name, changes, Path(folder))]
        opener = Path(__file__).with_name("open_exchanged.py")
        subprocess.run([python, str(opener), folder], check=True)
        return max(_compared(path, folder) for path in [*exported, *sorted(Path(folder).glob("*.theirs"))])


def _exported(name: str, changes: dict, folder: Path) -> list[Path]:
    """The files of one model in every format that can express it, and the tokens and logits beside each."""
    torch.manual_seed(0)
    shape = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 16, "vocab_size": 19}
    model = GPT(GPTConfig(**shape, **changes)).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    tokens, made = torch.randint(19, (3, 16)), []
    for style in ("gpt2", "transformerlens"):
        path = folder / f"{name}.{style}"
        try:
            export(Checkpoint(model), path, style)
        except NanoscopeError as error:
            print(f"{name}: {error}")
            continue
        safetensors.torch.save_file({"tokens": tokens, "logits": model(tokens)}, folder / f"{path.name}.logits")
        made.append(path)
    return made


def _compared(path: Path, folder: str) -> int:
    """Print the largest difference of logits, relative to the largest logit; 1 if it exceeds the limit."""
    theirs = safetensors.torch.load_file(f"{folder}/{path.name}.opened")
    if path.suffix == ".theirs":
        ours = load(path).model(theirs["tokens"])
    else:
        ours = safetensors.torch.load_file(f"{folder}/{path.name}.logits")["logits"]
    difference = float((ours - theirs["logits"]).abs().max() / ours.abs().max())
    print(f"{path.name}: {difference:.1e} {'equal' if difference <= LIMIT else 'DIFFERENT'}")
    return int(not difference <= LIMIT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
