"""nanoGPT's `ckpt.pt` and `meta.pkl`, and what nanoGPT can do with them: print its characters, if it finds them; resume its
training, never."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path

import torch

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.nanogpt import FIELDS
from nanoscope.checkpoints.formats.vocabulary_search import sampled_from
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.text.corpora import SHAKESPEARE
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.vocabulary_files import write_meta

NO_RESUME = "train.py cannot resume from it: the optimiser's state is not kept"


def written(contents: Contents) -> dict[str, bytes]:
    """File name -> bytes of `ckpt.pt` and, with a vocabulary, `meta.pkl`. NanoscopeError if nanoGPT lacks a feature."""
    config, plain = contents.config, GPTConfig()
    foreign = [one.name for one in fields(config) if one.name not in FIELDS]
    for name in (name for name in foreign if getattr(config, name) != getattr(plain, name)):
        raise NanoscopeError(f"nanoGPT has no {name}={getattr(config, name)!r}, so this model cannot be exported to it")
    state = {
        "model": contents.weights,
        "model_args": {name: getattr(config, name) for name in FIELDS},
        "iter_num": contents.training.get("step", 0),
        "best_val_loss": contents.training.get("val_loss"),
        "config": {**({"dataset": dataset_of(contents.corpus)} if contents.corpus else {}), **contents.training},
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    symbols = contents.vocabulary if isinstance(contents.vocabulary, Vocabulary) else None  # all that meta.pkl can hold
    meta = {} if symbols is None else {"meta.pkl": write_meta(symbols)}
    return {"ckpt.pt": buffer.getvalue(), **meta}


def dataset_of(corpus: str) -> str:
    """nanoGPT's name for a corpus, the folder of its data; tiny Shakespeare by characters has one already."""
    return "shakespeare_char" if corpus == SHAKESPEARE else corpus


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
