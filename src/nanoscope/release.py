"""Releasing a model: its weights in half precision, in parts that fit anywhere, with a card that says what it is.

What is released is what is analysed: the checksum of a release names every result on it. The card is rendered from the
checkpoint and from what is measured at the release; nobody types a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nanoscope import store
from nanoscope.checkpoint import DESCRIPTION, Checkpoint, load, save
from nanoscope.corpora import Corpus
from nanoscope.train import consecutive_windows, evaluate

PART_BYTES = 15_000_000
COMPARED_WINDOWS = 64


def release(checkpoint: Checkpoint, corpus: Corpus, folder: Path) -> Checkpoint:
    """Write the checkpoint as it will be published, measure it, and open it again; gives what was opened.

    The training record's `val_loss` is that of the released weights, `val_loss_float32` the original's (nats per
    character, the whole validation split); `largest_difference` is between the two models' logits. A release that is
    there already is opened.
    """
    if not (folder / DESCRIPTION).exists():
        half = _rounded(checkpoint)
        told = {**checkpoint.training, **_measured(checkpoint, half, corpus), "released_from": checkpoint.sha256}
        save(replace(half, training=told), folder, half=True, part_bytes=PART_BYTES)
    released = load(folder)
    store.write_bytes(folder / "README.md", card(released, folder).encode())
    return released


def _rounded(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with its weights rounded to 16 bits, in 32-bit floats."""
    model = type(checkpoint.model)(checkpoint.model.config).eval().requires_grad_(False)
    model.load_state_dict({name: value.half().float() for name, value in checkpoint.model.state_dict().items()})
    return replace(checkpoint, model=model)


def _measured(original: Checkpoint, half: Checkpoint, corpus: Corpus) -> dict[str, float]:
    context = original.model.config.block_size
    windows = consecutive_windows(original.encode(corpus.val), context)
    some = windows[:: max(1, len(windows) // COMPARED_WINDOWS)][:COMPARED_WINDOWS, :-1]
    with torch.no_grad():
        difference = (original.model(some) - half.model(some)).abs().max()
    return {
        "val_loss": evaluate(half.model, windows),
        "val_loss_float32": evaluate(original.model, windows),
        "largest_difference": float(difference),
    }


def card(checkpoint: Checkpoint, folder: Path) -> str:
    """The model card of a release, from what the release says of itself."""
    model, training = checkpoint.model, checkpoint.training
    parts = sorted(folder.glob("model.safetensors*"))
    rows = {
        "Architecture": f"nanoGPT: {model.config.n_layer} layers, {model.config.n_head} heads, width {model.config.n_embd}, "
        f"context {model.config.block_size}",
        "Parameters": f"{model.parameter_count:,}",
        "Vocabulary": f"{model.config.vocab_size} characters",
        "Data": f"{checkpoint.corpus}, the first nine tenths",
        "Training": _recipe(training, model.config.block_size),
        "Validation loss": f"{training['val_loss']:.4f} nats per character (the whole validation split; before rounding "
        f"{training['val_loss_float32']:.4f})",
        "Weights": f"16-bit floats; the largest difference to the original's logits on {COMPARED_WINDOWS} windows is "
        f"{training['largest_difference']:.4f}",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    files = "\n".join(
        f"| `{part.name}` | {part.stat().st_size:,} | `{store.sha256(part.read_bytes())}` |" for part in parts
    )
    return f"""# {folder.name}

| | |
|---|---|
{table}

## Use

```bash
nanoscope check {folder.name}
nanoscope run induction {folder.name}
nanoscope export {folder.name} ckpt.pt     # nanoGPT's own format
```

```python
import nanoscope as ns

checkpoint = ns.load("{folder.name}")
```

The parts are joined, and every checksum is compared, when it is opened.

## What it is for, and what not

A subject for interpretability research: the study beside it analyses exactly these weights (checksum
`{checkpoint.sha256}`). It writes text that looks like its data and means nothing; it knows no facts, follows no
instructions, and says nothing about models of another size.

## Files

| file | bytes | sha256 |
|---|---|---|
{files}
"""


def _recipe(training: Mapping[str, Any], context: int) -> str:
    batch = training["batch_size"] * training["accumulation"]
    return (
        f"{training['iterations']:,} iterations of {batch} x {context} characters, seed {training['seed']}, learning rate "
        f"{training['learning_rate']:g} to {training['min_learning_rate']:g}, {training['precision']}"
    )
