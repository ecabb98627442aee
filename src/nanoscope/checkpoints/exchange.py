"""What nanoGPT can do with an exported checkpoint: print its characters, if it finds them; resume its training, never."""

from __future__ import annotations

from pathlib import Path

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.checkpoints.formats.nanogpt import dataset_of
from nanoscope.checkpoints.formats.vocabulary_search import sampled_from
from nanoscope.text.vocabulary import Vocabulary

NO_RESUME = "train.py cannot resume from it: the optimiser's state is not kept"


def sampling_note(checkpoint: Checkpoint, path: Path) -> str:
    """What to do so that `sample.py` prints the characters of a checkpoint that was exported to `path`; "" if nothing."""
    if not isinstance(checkpoint.vocabulary, Vocabulary):
        return "sample.py has no characters to print: the model has no vocabulary that a meta.pkl can hold"
    if checkpoint.corpus is None:
        return "sample.py will not look for meta.pkl, since the checkpoint does not name its text"
    dataset = dataset_of(checkpoint.corpus)
    read, ours = sampled_from(path, dataset), path.with_name("meta.pkl")
    if read is None:
        return f"sample.py reads data/{dataset}/meta.pkl in nanoGPT's folder: copy {ours} there"
    if read.read_bytes() != ours.read_bytes():
        return f"sample.py reads {read}, which was there before; if its characters are others, replace it by {ours}"
    return ""
