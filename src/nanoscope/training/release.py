"""Releasing a model: its weights in half precision, in parts that fit anywhere, with a card that says what it is.

What is released is what is analysed: the checksum of a release names every result on it. Rounding costs at most half a
unit in the eleventh bit of a weight (2^-11 relative); what that does to the model is measured and said.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from nanoscope import files
from nanoscope.checkpoints.checkpoint import Checkpoint, load, packed
from nanoscope.checkpoints.formats.nanoscope import halved
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.training.evaluate import consecutive_windows, evaluate
from nanoscope.training.model_card import COMPARED_WINDOWS, NEEDED, card

PART_BYTES = 15_000_000
CARD = "README.md"
SAME_LOSS = 0.01
"""Nats. A text on which the loss is further from the recorded one is not the text that the model was trained on."""


def release(checkpoint: Checkpoint, corpus: Corpus, folder: Path, part_bytes: int = PART_BYTES) -> Checkpoint:
    """Write the checkpoint as it will be published, measure it, and open it again; gives what was opened.

    The training record's `val_loss` is that of the released weights, `val_loss_float32` the original's (nats per
    character, the whole validation split); `largest_difference` is between the two models' logits. A release of the
    same checkpoint that is there already is opened, and its card rendered again; one of another is refused.
    """
    folder = Path(folder)
    rounded = _rounded(checkpoint)
    if not folder.exists():
        metadata = checkpoint.training if _is_release(checkpoint) else _record(checkpoint, rounded, corpus)
        _write(replace(checkpoint, model=rounded, training=metadata), folder, part_bytes)
    released = load(folder)
    if _source(released) != _source(checkpoint) or not _same_weights(released.model, rounded):
        raise NanoscopeError(f"{folder} holds a release of another checkpoint; choose another folder or remove it")
    _refresh_card(released, folder)
    return released


def _write(rounded: Checkpoint, folder: Path, part_bytes: int) -> None:
    """Weights, description and card appear together, in one rename."""
    content, sha256 = packed(rounded, half=True, part_bytes=part_bytes)
    page = card(replace(rounded, sha256=sha256), folder, content)
    with files.new_directory(folder) as temporary:
        for name, data in {**content, CARD: page.encode()}.items():
            (temporary / name).write_bytes(data)


def _refresh_card(released: Checkpoint, folder: Path) -> None:
    """A card that is missing, or was rendered by another version, is written again from what lies beside it."""
    content = {
        path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file() and path.name != CARD
    }
    page = card(released, folder, content).encode()
    if not (folder / CARD).exists() or (folder / CARD).read_bytes() != page:
        files.write_bytes(folder / CARD, page)


def _rounded(checkpoint: Checkpoint) -> GPT:
    """The model with its weights rounded to 16 bits, in 32-bit floats."""
    model = GPT(checkpoint.model.config).eval().requires_grad_(False)
    model.load_state_dict({name: value.float() for name, value in halved(checkpoint.model.state_dict()).items()})
    return model


def _record(original: Checkpoint, rounded: GPT, corpus: Corpus) -> dict[str, object]:
    """The training record with what is measured on the release, as long as this is the model's own text."""
    if not all(name in original.training for name in NEEDED):
        raise NanoscopeError("only a checkpoint that nanoscope trained can be released: its card tells the recipe")
    if corpus.name != original.corpus:
        raise NanoscopeError(
            f"the model was trained on {original.corpus}, and this text is {corpus.name}; give its own with --data"
        )
    measured = _measured(original, rounded, corpus)
    loss = original.training.get("val_loss")
    if loss is not None and not abs(loss - measured["val_loss_float32"]) <= SAME_LOSS:
        raise NanoscopeError(
            f"the loss on this text is {measured['val_loss_float32']:.4f}, but {loss:.4f} is recorded, so it is not the "
            f"{corpus.name} that the model was trained on; give its own with --data"
        )
    return {**original.training, **measured, "released_from": original.sha256}


def _measured(original: Checkpoint, rounded: GPT, corpus: Corpus) -> dict[str, float]:
    windows = consecutive_windows(original.encode(corpus.val), original.model.config.block_size)
    some = windows[:: max(1, len(windows) // COMPARED_WINDOWS)][:COMPARED_WINDOWS, :-1]
    with torch.no_grad():
        difference = (original.model(some) - rounded(some)).abs().max()
    return {
        "val_loss": evaluate(rounded, windows),
        "val_loss_float32": evaluate(original.model, windows),
        "largest_difference": float(difference),
    }


def _is_release(checkpoint: Checkpoint) -> bool:
    return "released_from" in checkpoint.training


def _source(checkpoint: Checkpoint) -> str:
    """The checksum of the checkpoint in full precision."""
    return checkpoint.training.get("released_from", checkpoint.sha256)


def _same_weights(one: GPT, other: GPT) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
