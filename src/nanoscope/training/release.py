"""Releasing a model: its weights in half precision, in small parts, with a model card.

Results are measured on the release itself and identified by its checksum. Rounding changes a weight by at most half a
unit in the eleventh bit (2^-11 relative); its effect on the model is measured and reported.
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
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.training.evaluate import consecutive_windows, evaluate
from nanoscope.training.model_card import COMPARED_WINDOWS, NEEDED, card

PART_BYTES = 15_000_000
CARD = "README.md"
SAME_LOSS = 0.01
"""Nats. If the loss differs from the recorded one by more, the model was trained on another text."""


def release(
    checkpoint: Checkpoint,
    corpus: Corpus,
    folder: Path,
    part_bytes: int = PART_BYTES,
    progress: Progress = silent,
) -> Checkpoint:
    """Write the release of a checkpoint, with measurements, and return it as loaded from the folder.

    In the training record `val_loss` is the loss of the released weights and `val_loss_float32` that of the original
    (nats per character, whole validation split); `largest_difference` is between the two models' logits. An existing
    release of the same checkpoint is loaded and its card rendered again. Raises NanoscopeError if the folder holds another
    release, or if the corpus is not the one that the model was trained on.
    """
    folder = Path(folder)
    rounded = _rounded(checkpoint)
    if not folder.exists():
        metadata = checkpoint.training if _is_release(checkpoint) else _record(checkpoint, rounded, corpus, progress)
        progress("writing", 95, 100)
        _write(replace(checkpoint, model=rounded, training=metadata), folder, part_bytes)
    released = load(folder)
    if _source(released) != _source(checkpoint) or not _same_weights(released.model, rounded):
        raise NanoscopeError(f"{folder} holds a release of another checkpoint; choose another folder or remove it")
    _refresh_card(released, folder)
    return released


def _write(rounded: Checkpoint, folder: Path, part_bytes: int) -> None:
    """Write weights, description and card together, in one rename."""
    content, sha256 = packed(rounded, half=True, part_bytes=part_bytes)
    page = card(replace(rounded, sha256=sha256), folder, content)
    with files.new_directory(folder) as temporary:
        for name, data in {**content, CARD: page.encode()}.items():
            (temporary / name).write_bytes(data)


def _refresh_card(released: Checkpoint, folder: Path) -> None:
    """Rewrite the card if it is missing or was rendered by another version."""
    content = {
        path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file() and path.name != CARD
    }
    page = card(released, folder, content).encode()
    if not (folder / CARD).exists() or (folder / CARD).read_bytes() != page:
        files.write_bytes(folder / CARD, page)


def _rounded(checkpoint: Checkpoint) -> GPT:
    """The model with weights rounded to 16 bits, stored as 32-bit floats."""
    model = GPT(checkpoint.model.config).eval().requires_grad_(False)
    model.load_state_dict({name: value.float() for name, value in halved(checkpoint.model.state_dict()).items()})
    return model


def _record(original: Checkpoint, rounded: GPT, corpus: Corpus, progress: Progress) -> dict[str, object]:
    """The training record with the measurements of the release. Raises NanoscopeError for another text."""
    if not all(name in original.training for name in NEEDED):
        raise NanoscopeError(
            "only a checkpoint that nanoscope trained can be released, since the card states its recipe"
        )
    if corpus.name != original.corpus:
        raise NanoscopeError(
            f"the model was trained on {original.corpus}, and this text is {corpus.name}; pass its own with --data"
        )
    measured = _measured(original, rounded, corpus, progress)
    loss = original.training.get("val_loss")
    if loss is not None and not abs(loss - measured["val_loss_float32"]) <= SAME_LOSS:
        raise NanoscopeError(
            f"the loss on this text is {measured['val_loss_float32']:.4f}, but {loss:.4f} is recorded, so it is not the "
            f"{corpus.name} that the model was trained on; pass its own with --data"
        )
    return {**original.training, **measured, "released_from": original.sha256}


def _measured(original: Checkpoint, rounded: GPT, corpus: Corpus, progress: Progress) -> dict[str, float]:
    progress("comparing the two models", 0, 100)
    windows = consecutive_windows(original.encode(corpus.val), original.model.config.block_size)
    compared = windows[:: max(1, len(windows) // COMPARED_WINDOWS)][:COMPARED_WINDOWS, :-1]
    with torch.no_grad():
        difference = (original.model(compared) - rounded(compared)).abs().max()
    progress("loss of the released weights", 5, 100)
    loss = evaluate(rounded, windows)
    progress("loss of the original", 50, 100)
    exact = evaluate(original.model, windows)
    return {"val_loss": loss, "val_loss_float32": exact, "largest_difference": float(difference)}


def _is_release(checkpoint: Checkpoint) -> bool:
    return "released_from" in checkpoint.training


def _source(checkpoint: Checkpoint) -> str:
    """The checksum of the checkpoint in full precision."""
    return checkpoint.training.get("released_from", checkpoint.sha256)


def _same_weights(one: GPT, other: GPT) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
