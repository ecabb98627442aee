"""The card of a released model: what it is, how it was trained, how to open it, and its limits.

Its text is in `model_card.md.j2`. Every number comes from the checkpoint, its training record or the files themselves.
After Mitchell et al., "Model Cards for Model Reporting" (2019, arXiv 1810.03993).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template

from nanoscope import files
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.checkpoints.formats.nanoscope import WEIGHTS
from nanoscope.model.config import GPTConfig
from nanoscope.model.names import variations
from nanoscope.text.corpora.corpus import TRAIN_SHARE
from nanoscope.text.corpora.licences import terms

TEMPLATE = Template(
    Path(__file__).with_suffix(".md.j2").read_text(encoding="utf-8"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)
COMPARED_WINDOWS = 64
NEEDED = ("iterations", "batch_size", "accumulation", "seed", "learning_rate", "min_learning_rate", "precision")
"""Fields of nanoscope's training record that the card states in a sentence."""
OF_THE_RELEASE = ("val_loss", "val_loss_float32", "largest_difference", "released_from")


def card(checkpoint: Checkpoint, folder: Path, content: Mapping[str, bytes]) -> str:
    """The card, in Markdown, of a release in `folder` (which may not exist yet); `content` maps file names to bytes."""
    place = "/".join(part for part in (folder.parent.name, folder.name) if part)
    weights = {name: data for name, data in content.items() if name.startswith(WEIGHTS)}
    return TEMPLATE.render(
        name=folder.name,
        place=place,
        summary=_table("", _summary(checkpoint)),
        sha256=checkpoint.sha256,
        training=_table("setting", _record(checkpoint.training)),
        files=_table("file", _listed(weights), "bytes", "sha256"),
        weights=WEIGHTS,
    )


def _summary(checkpoint: Checkpoint) -> dict[str, str]:
    model, training, config = checkpoint.model, checkpoint.training, checkpoint.model.config
    return {
        "Architecture": f"nanoGPT: {config.n_layer} layers, {config.n_head} heads, width {config.n_embd}, context "
        f"{config.block_size}{''.join(f', {what}' for what in variations(config))}, {'with' if config.bias else 'no'} biases, "
        f"{'tied' if config.tied_head else 'untied'} head",
        "Parameters": f"{model.parameter_count:,}",
        "Vocabulary": f"{config.vocab_size} characters",
        "Data": f"{checkpoint.corpus}, its first {TRAIN_SHARE:.0%}: {terms(checkpoint.corpus or '')}{_echoed(training)}",
        "Recipe": _recipe(training, config),
        "Validation loss": f"{training['val_loss']:.4f} nats per character (the whole validation split; before rounding "
        f"{training['val_loss_float32']:.4f})",
        "Precision": "16-bit floats; the largest difference to the logits before rounding, on at most "
        f"{COMPARED_WINDOWS} windows of the validation split, is {training['largest_difference']:.4f}",
        "Released from": f"the checkpoint `{training['released_from']}`",
    }


def _echoed(training: Mapping[str, Any]) -> str:
    """What the copying control's batches do to the text; nothing for ordinary training data."""
    if training.get("data") != "echo":
        return ""
    copied = training.get("copied", 1.0)
    where = "every window" if copied == 1 else f"{copied:.0%} of the windows"
    told = (
        f"; the loss on such windows is {training['val_loss_own_data']:.4f}" if "val_loss_own_data" in training else ""
    )
    return f". A span of random characters and its copy were written over {where}{told}"


def _recipe(training: Mapping[str, Any], config: GPTConfig) -> str:
    batch = training["batch_size"] * training["accumulation"]
    return (
        f"{training['iterations']:,} iterations of {batch} x {config.block_size} characters, seed {training['seed']}, learning "
        f"rate {training['learning_rate']:g} to {training['min_learning_rate']:g}, dropout {config.dropout:g}, "
        f"{training['precision']}"
    )


def _record(training: Mapping[str, Any]) -> dict[str, str]:
    """The settings in the training record, without the measurements of the release."""
    return {f"`{name}`": _written(value) for name, value in training.items() if name not in OF_THE_RELEASE}


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_written, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(weights: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
    whole = b"".join(weights[name] for name in sorted(weights))
    rows = {f"`{name}`": data for name, data in sorted(weights.items())} | {f"`{WEIGHTS}`": whole}
    return {name: (f"{len(data):,}", f"`{files.sha256(data)}`") for name, data in rows.items()}


def _table(first: str, rows: Mapping[str, str | tuple[str, ...]], *heads: str) -> str:
    cells = {name: (row,) if isinstance(row, str) else row for name, row in rows.items()}
    columns = [first, *(heads or ("",))]
    lines = [columns, ["---"] * len(columns), *([name, *row] for name, row in cells.items())]
    return "\n".join("|" + "|".join(f" {cell} " if cell else " " for cell in line) + "|" for line in lines)
